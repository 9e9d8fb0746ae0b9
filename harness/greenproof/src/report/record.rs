//! A stream that is kept, in memory and as JSON lines in a file.

use super::{Event, Reader, Told, VERSION};
use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The name of a run's stream in its evidence folder.
pub const NAME: &str = "run.jsonl";

/// A reader that keeps what is told.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Event>>);

impl Record {
    /// What was told so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets somebody look at what was told so far.
    pub fn with<T>(&self, look: impl FnOnce(&[Event]) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a stored stream back.
    ///
    /// # Errors
    /// When the file can't be read, or a line of it is no event of a version that is known; the text names file and
    /// line.
    pub fn read(path: &Path) -> Result<Vec<Event>, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("reading `{}`: {error}", path.display()))?;
        let wrong = |line: usize, why: String| Err(format!("`{}`, line {}: {why}", path.display(), line + 1));
        let mut events = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let event: Event = match serde_json::from_str(line) {
                Ok(event) => event,
                // Each line is read by itself.
                Err(error) => return wrong(index, error.to_string().replace(" at line 1 column ", " at column ")),
            };
            match (&event.told, index) {
                (Told::Stream { version, .. }, 0) if *version <= VERSION => {}
                (Told::Stream { version, .. }, 0) => {
                    return wrong(0, format!("the stream's version is {version}, and this greenproof knows {VERSION}"));
                }
                (_, 0) => return wrong(0, "a stream begins with its version".to_owned()),
                _ => {}
            }
            events.push(event);
        }
        if events.is_empty() { wrong(0, "nothing is there".to_owned()) } else { Ok(events) }
    }
}

impl Reader for Record {
    fn take(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

/// Writes events as JSON lines.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn write<'a>(events: impl IntoIterator<Item = &'a Event>, path: &Path) -> io::Result<()> {
    fs::write(path, events.into_iter().map(line).collect::<String>())
}

/// An event as one line. None of it is a command to a runner of GitHub Actions, whose old form may stand anywhere in a line.
pub(super) fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("an event is always JSON").replace("##[", "#\\u0023[") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_a_command() {
        let event = Event::now(Told::note("##[error]x"));
        assert!(!line(&event).contains("##["), "{}", line(&event));
        assert_eq!(serde_json::from_str::<Event>(&line(&event)).unwrap(), event);
    }

    #[test]
    fn a_stored_stream_that_is_damaged_is_told_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let first = line(&Event::now(Told::stream()));
        let note = line(&Event::now(Told::note("x")));
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Record::read(&path).map(|events| events.len())
        };
        assert_eq!(read(&(first.clone() + &note)), Ok(2));
        let wrong = |text: &str| read(text).unwrap_err().replace(&path.display().to_string(), "FILE");
        assert_eq!(wrong(""), "`FILE`, line 1: nothing is there");
        assert_eq!(wrong(&note), "`FILE`, line 1: a stream begins with its version");
        let cut = first.clone() + &note[..note.len() - 3];
        assert_eq!(wrong(&cut), "`FILE`, line 2: EOF while parsing a string at column 58");
        let newer = first.replace("\"version\":1", "\"version\":2");
        assert_eq!(wrong(&newer), "`FILE`, line 1: the stream's version is 2, and this greenproof knows 1");
        assert!(Record::read(&folder.path().join("none")).unwrap_err().contains("none`: No such file"));
    }
}
