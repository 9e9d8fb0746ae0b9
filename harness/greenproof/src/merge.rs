//! Runs of several machines put together: what each was told, and the evidence folders, as if one machine had run it all.
//!
//! Each machine ran a part of one selection ([`crate::suite::Partition`]); each one's stream says which scenarios the selection
//! has, so that one which no machine has run is not overlooked.

mod moved;

use crate::{
    exit,
    report::{self, Event, Record, Told, html, write_stream},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Why runs can't be put together.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Error {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// What was told of the run of one machine.
struct Part<'a> {
    folder: &'a Path,
    events: Vec<Event>,
}

/// What is told of all.
#[derive(Debug)]
pub struct Merged {
    /// The stream, with the verdicts in the order of the selection.
    pub events: Vec<Event>,
    /// The exit code of the whole.
    pub code: u8,
}

/// Puts runs together: their evidence goes into `out`, with the stream and the matrix of all of them.
///
/// # Errors
/// When a folder is no run's, they are not parts of one selection, a scenario was run twice, or `out` can't be written.
pub fn merge(folders: &[PathBuf], out: &Path) -> Result<Merged, Error> {
    let parts = folders.iter().map(|folder| Part::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let selection = selection(&parts)?;
    let told = told(&parts)?;
    fs::create_dir_all(out).map_err(unwritable(out))?;
    if let Some(part) = parts.iter().find(|part| same(part.folder, out)) {
        let hint = "name a folder of its own with --out";
        return Err(Error::new(format!("`{}` is one of the runs", part.folder.display()), hint));
    }
    let mut events = vec![Event::now(Told::stream())];
    events.push(Event::now(Told::Chosen { scenarios: selection.clone(), partition: None, here: selection.len() }));
    for name in &selection {
        if let Some((part, block)) = told.get(name.as_str()) {
            events.extend(moved::block(block, part.folder, out).map_err(unwritable(out))?);
        }
    }
    events.extend(parts.iter().flat_map(Part::rest).cloned());
    let merged = ended(events, &selection, &parts);
    write_stream(&merged.events, &out.join(report::NAME)).map_err(unwritable(out))?;
    html::write_index(&merged.events, out).map_err(unwritable(out))?;
    Ok(merged)
}

fn unwritable(out: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::new(format!("putting runs together in `{}`: {error}", out.display()), "name a writable folder")
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl<'a> Part<'a> {
    fn read(folder: &'a Path) -> Result<Self, Error> {
        let hint = "name the evidence folder of a run of scenarios, in which `run.jsonl` stands beside theirs";
        let events = Record::read(&folder.join(report::NAME)).map_err(|message| Error::new(message, hint))?;
        Ok(Self { folder, events })
    }

    /// The names of its selection.
    fn selection(&self) -> Option<&Vec<String>> {
        self.events.iter().find_map(|event| match &event.told {
            Told::Chosen { scenarios, .. } => Some(scenarios),
            _ => None,
        })
    }

    /// What was told of each scenario, with the attempts at it, by name.
    fn blocks(&self) -> BTreeMap<&str, Vec<&Event>> {
        let known = self.selection().map(Vec::as_slice).unwrap_or_default();
        let (mut blocks, mut current) = (BTreeMap::<&str, Vec<&Event>>::new(), None);
        for event in &self.events {
            let Some(name) = event.scenario.as_deref() else { continue };
            if known.iter().any(|known| known == name) {
                current = Some(name);
            }
            if let Some(current) = current {
                blocks.entry(current).or_default().push(event);
            }
        }
        blocks
    }

    /// What was told of no scenario once the first had begun.
    fn rest(&self) -> impl Iterator<Item = &Event> {
        let since = self.events.iter().skip_while(|event| event.scenario.is_none());
        let stopped = self.events.iter().take_while(|event| event.scenario.is_none());
        let stopped = stopped.filter(|event| matches!(event.told, Told::Stopped { .. }));
        let told = |event: &&Event| matches!(event.told, Told::Note { .. } | Told::Stopped { .. });
        stopped.chain(since.filter(|event| event.scenario.is_none()).filter(told))
    }

    /// How long it took, if it came to its end.
    fn took(&self) -> Option<u64> {
        self.events.iter().find_map(|event| match event.told {
            Told::Ended { milliseconds, .. } => Some(milliseconds),
            _ => None,
        })
    }
}

/// The selection that all are parts of.
fn selection(parts: &[Part<'_>]) -> Result<Vec<String>, Error> {
    let mut first: Option<(&Part<'_>, &Vec<String>)> = None;
    for part in parts {
        let Some(selection) = part.selection() else {
            let message = format!("`{}` does not say what was chosen", part.folder.display());
            return Err(Error::new(message, "name folders of `greenproof run`, of this version or a later one"));
        };
        if let Some((other, _)) = first.filter(|(_, known)| *known != selection) {
            let (one, other) = (part.folder.display(), other.folder.display());
            let message = format!("`{one}` and `{other}` are not parts of one selection");
            return Err(Error::new(message, "run each part with the same files, tags, filters and cores"));
        }
        first = first.or(Some((part, selection)));
    }
    Ok(first.map(|(_, selection)| selection.clone()).unwrap_or_default())
}

type Blocks<'a> = BTreeMap<&'a str, (&'a Part<'a>, Vec<&'a Event>)>;

/// What was told of each scenario, and by which part.
fn told<'a>(parts: &'a [Part<'a>]) -> Result<Blocks<'a>, Error> {
    let mut all = Blocks::new();
    for part in parts {
        for (name, block) in part.blocks() {
            if let Some((other, _)) = all.insert(name, (part, block)) {
                let (one, other) = (other.folder.display(), part.folder.display());
                let message = format!("`{name}` was run twice: `{one}` and `{other}` both have it");
                return Err(Error::new(message, "name each part once, and let no two have the same number"));
            }
        }
    }
    Ok(all)
}

/// The stream with its end. What nobody has run, and a part that did not come to its end, are an environment that is missing.
fn ended(mut events: Vec<Event>, selection: &[String], parts: &[Part<'_>]) -> Merged {
    let judged: Vec<_> = events.iter().filter_map(Event::judged).collect();
    let lacks = |name: &&String| !judged.iter().any(|(known, _)| known == name);
    let lacking: Vec<_> = selection.iter().filter(lacks).map(|name| format!("`{name}`")).collect();
    let mut counts = BTreeMap::new();
    for (_, judged) in &judged {
        *counts.entry(judged.verdict).or_default() += 1;
    }
    let code = exit::told(judged.iter().map(|(_, judged)| *judged));
    let cut = parts.iter().filter(|part| part.took().is_none()).map(|part| format!("`{}`", part.folder.display()));
    let cut: Vec<_> = cut.collect();
    let mut missing = Vec::new();
    if !lacking.is_empty() {
        let all = selection.len();
        missing.push(format!("of {all} scenarios {} did not come to an end: {}", lacking.len(), lacking.join(", ")));
    }
    if !cut.is_empty() {
        missing.push(format!("a run was cut off: {}", cut.join(", ")));
    }
    let code = if missing.is_empty() { code } else { exit::ENVIRONMENT };
    if !missing.is_empty() {
        let hint = "merge the folders of all parts, each of which has to come to its end".to_owned();
        events.push(Event::now(Told::Stopped { error: missing.join("; "), hint }));
    }
    let milliseconds = parts.iter().filter_map(Part::took).max().unwrap_or_default();
    events.push(Event::now(Told::Ended { counts, code, milliseconds }));
    Merged { events, code }
}

#[cfg(test)]
mod tests;
