//! Evidence that goes from the folder of one run into that of all, and what was told of it with its new place.

use crate::{
    evidence::folder,
    report::{self, Event, Record, Told, reproduce, write_stream},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What was told of a scenario, once its evidence is in `out`.
pub(super) fn block(events: &[&Event], from: &Path, out: &Path) -> io::Result<Vec<Event>> {
    let mut moved: Vec<_> = events.iter().map(|event| (*event).clone()).collect();
    for event in &mut moved {
        let Told::Judged(judged) = &mut event.told else { continue };
        let attempts = judged.attempts.iter().filter_map(|attempt| attempt.evidence.clone());
        let folders: Vec<_> = judged.evidence.iter().cloned().chain(attempts).filter_map(|it| name(&it)).collect();
        for folder in &folders {
            copy(&from.join(folder), &out.join(folder))?;
            let stream = out.join(folder).join(report::NAME);
            if let Ok(mut told) = Record::read(&stream) {
                for event in &mut told {
                    place(event, out);
                }
                write_stream(&told, &stream)?;
            }
        }
        place(event, out);
    }
    Ok(moved)
}

/// The last name of a path.
fn name(path: &str) -> Option<PathBuf> {
    Path::new(path).file_name().map(PathBuf::from)
}

/// Tells where evidence is now.
fn place(event: &mut Event, out: &Path) {
    let Told::Judged(judged) = &mut event.told else { return };
    let within = |path: &str| Some(out.join(name(path)?));
    let folder = judged.evidence.as_deref().and_then(within);
    let shown = |path: &Path| path.display().to_string();
    if let (Some(folder), Some(bundle)) = (&folder, judged.bundle.as_deref().and_then(name)) {
        let bundle = folder.join(bundle);
        judged.again = Some(reproduce(&bundle));
        judged.bundle = Some(shown(&bundle));
    }
    judged.evidence = folder.as_deref().map(shown);
    for attempt in &mut judged.attempts {
        attempt.evidence = attempt.evidence.as_deref().and_then(within).as_deref().map(shown);
    }
}

/// Copies an evidence folder with all that is in it; what was there is removed.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let entries = fs::read_dir(from)
        .map_err(|error| io::Error::new(error.kind(), format!("reading `{}`: {error}", from.display())))?;
    folder::anew(to)?;
    copied(entries, to)
}

fn copied(entries: fs::ReadDir, to: &Path) -> io::Result<()> {
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&to)?;
            copied(fs::read_dir(&from)?, &to)?;
        } else if kind.is_file() {
            // What a link names is none of a run's files.
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
