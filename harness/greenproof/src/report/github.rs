//! The reader for a step of GitHub Actions: the plain text of a [`Terminal`] in groups, and annotations of findings.
//!
//! A runner reads commands out of what a step writes, so text that others chose must not look like one. No secret is
//! named to be masked: a runner masks only what is first written to it in clear, and nothing here holds one.

use super::{Came, Event, Judged, Look, Reader, Terminal, Told};
use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many annotations of a kind a step can have.
const ANNOTATIONS: usize = 10;
/// How many of them are written at once: the last two are kept for what comes later.
const AT_ONCE: usize = ANNOTATIONS - 2;
/// How long the message of an annotation is at most, in characters.
const MESSAGE: usize = 4000;
/// How long its title is at most.
const TITLE: usize = 200;

type Out = Arc<Mutex<Box<dyn Write + Send>>>;

/// Writes what a runner reads.
pub struct GitHub {
    terminal: Terminal,
    out: Out,
    /// The folder that paths are told relative to: the checkout.
    workspace: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    written: usize,
    /// Annotations that were not written yet.
    later: Vec<String>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

impl GitHub {
    /// Writes to `out`; paths in annotations are relative to `workspace`.
    #[must_use]
    pub fn new(look: Look, workspace: PathBuf, out: Box<dyn Write + Send>) -> Self {
        let out: Out = Arc::new(Mutex::new(out));
        let terminal = Terminal::plain(look, Box::new(Harmless { out: out.clone(), line: Vec::new() }));
        Self { terminal, out, workspace, state: Mutex::default() }
    }

    fn command(&self, command: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell where it is closed; the exit code still does.
        _ = writeln!(out, "{command}").and_then(|()| out.flush());
    }

    fn annotate(&self, annotation: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.written < AT_ONCE {
            state.written += 1;
            self.command(&annotation);
        } else {
            state.later.push(annotation);
        }
    }

    /// Writes what was kept; what has no place is counted.
    fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = ANNOTATIONS.saturating_sub(state.written);
        let mut later = std::mem::take(&mut state.later);
        if later.len() > left {
            let folded = later.split_off(left.saturating_sub(1)).len();
            let text = format!("{folded} more findings; all of them are in the log and in the job's summary");
            later.extend((left > 0).then(|| format!("::error title=greenproof::{}", data(&text))));
        }
        state.written += later.len();
        for annotation in &later {
            self.command(annotation);
        }
    }

    fn judged(&self, name: &str, judged: &Judged) {
        match judged.verdict {
            Came::Passed | Came::Skipped => {}
            Came::Failed => {
                for finding in &judged.findings {
                    let place = finding.file.as_ref().map(|file| (file.as_str(), finding.line.unwrap_or(1)));
                    let title = format!("{name}: {}", finding.kind);
                    let text = format!("expected: {}\nseen: {}", finding.expected, finding.seen);
                    self.annotate(self.error(place, &title, &text));
                }
            }
            Came::Unsupported | Came::Broken | Came::Flaky => {
                let place = judged.file.as_ref().map(|file| (file.as_str(), 1));
                self.annotate(self.error(place, &format!("{name}: {}", judged.verdict), &judged.why));
            }
        }
    }

    fn error(&self, place: Option<(&str, usize)>, title: &str, text: &str) -> String {
        let place = place.and_then(|(file, line)| Some((self.within(file)?, line)));
        let place = place.map_or_else(String::new, |(file, line)| format!("file={},line={line},", property(&file)));
        format!("::error {place}title={}::{}", property(&start(title, TITLE)), data(&start(text, MESSAGE)))
    }

    /// The path of a file in the checkout; one elsewhere has no lines to point at.
    fn within(&self, file: &str) -> Option<String> {
        let path = Path::new(file).canonicalize().ok()?;
        let workspace = self.workspace.canonicalize().ok()?;
        Some(path.strip_prefix(workspace).ok()?.display().to_string())
    }
}

impl Reader for GitHub {
    fn take(&self, event: &Event) {
        let name = event.scenario.as_deref().unwrap_or("greenproof");
        match &event.told {
            Told::Begun { summary, .. } => {
                self.command(&format!("::group::{}", data(&format!("{name}: {summary}"))));
                self.terminal.take(event);
            }
            // What came out stands outside of the group, which is folded.
            Told::Judged(judged) => {
                self.command("::endgroup::");
                self.terminal.take(event);
                self.judged(name, judged);
            }
            Told::Stopped { error, .. } => {
                self.command("::endgroup::");
                // Who stops says why first: a place was kept for it, and parts of a merge may have stopped, too.
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let has_place = state.written < ANNOTATIONS;
                state.written += usize::from(has_place);
                drop(state);
                if has_place {
                    self.command(&self.error(None, "greenproof", error));
                }
                self.end();
            }
            Told::Ended { .. } => {
                self.terminal.take(event);
                self.end();
            }
            _ => self.terminal.take(event),
        }
    }
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The beginning of a text.
fn start(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

/// Writes lines none of which is a command.
struct Harmless {
    out: Out,
    line: Vec<u8>,
}

impl Write for Harmless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let line = harmless(&String::from_utf8_lossy(&line));
            self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// A line that no runner takes for a command: neither in the form that stands at its beginning, nor in the old one, which
/// stands anywhere. A carriage return begins a line, too.
fn harmless(line: &str) -> String {
    let line = line.replace('\r', " ").replace("##[", "# #[");
    let rest = line.trim_start();
    if rest.starts_with("::") { format!("{}: {}", &line[..line.len() - rest.len()], &rest[1..]) } else { line }
}

#[cfg(test)]
mod tests;
