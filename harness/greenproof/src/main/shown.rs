//! Who reads what a command tells, as its arguments and the process environment say.

use crate::{answer, command::Failure};
use anstream::AutoStream;
use clap::ValueEnum;
use greenproof::{
    exit,
    report::{Event, GitHub, Json, Look, Reader, Record, SUMMARY_LIMIT, Terminal, junit, markdown},
};
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether a person asked for more; read once, when the program starts.
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// What goes to standard output. What a person reads goes to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Nothing: all is for a person.
    #[default]
    Human,
    /// Each event as a JSON line, as docs/EVENTS.md describes them.
    Json,
    /// A JUnit XML document at the end.
    Junit,
    /// A summary in Markdown at the end.
    Markdown,
    /// Nothing; what a person reads has groups and annotations of GitHub Actions. The default there.
    Github,
}

/// The readers of a command.
pub(crate) struct Shown {
    readers: Vec<Arc<dyn Reader>>,
    /// All that was told, for what is written at the end.
    record: Arc<Record>,
    /// Where all of it is stored as it is told, once that is known.
    stored: OnceLock<Json>,
    format: Format,
    junit: Option<PathBuf>,
    /// The file that a runner of GitHub Actions shows as the summary of the step.
    summary: Option<PathBuf>,
}

/// Keeps what was asked for of all terminals.
pub(crate) fn settle(color: clap::ColorChoice, verbose: bool) {
    match color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    VERBOSE.store(verbose, Ordering::Relaxed);
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the edge where configuration is read")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn look() -> Look {
    let stderr = io::stderr();
    let columns = rustix::termios::tcgetwinsize(&stderr).ok().map(|size| usize::from(size.ws_col));
    Look {
        colour: AutoStream::choice(&stderr) != anstream::ColorChoice::Never,
        verbose: VERBOSE.load(Ordering::Relaxed),
        width: columns.filter(|columns| *columns > 0 && stderr.is_terminal()).unwrap_or(Look::PLAIN.width).min(100),
    }
}

/// What a person reads.
pub(crate) fn terminal() -> Terminal {
    let dumb = variable("TERM").is_none_or(|kind| kind == "dumb");
    if io::stderr().is_terminal() && !dumb && variable("CI").is_none() {
        Terminal::live(look(), MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
    } else {
        Terminal::plain(look(), Box::new(io::stderr()))
    }
}

impl Shown {
    /// The readers of a run; `junit` is where a JUnit document goes at the end.
    pub(crate) fn of_run(format: Format, junit: Option<PathBuf>) -> Result<Self, Failure> {
        let summary = variable("GITHUB_STEP_SUMMARY").map(PathBuf::from);
        let shown = Self::new(format, true, junit, summary);
        shown.write_junit()?;
        Ok(shown)
    }

    /// The readers of a run that is over: where a program reads, no person does.
    pub(crate) fn of_past(format: Format) -> Self {
        Self::new(format, matches!(format, Format::Human | Format::Github), None, None)
    }

    fn new(format: Format, person: bool, junit: Option<PathBuf>, summary: Option<PathBuf>) -> Self {
        let record = Arc::new(Record::default());
        let mut readers: Vec<Arc<dyn Reader>> = vec![record.clone()];
        let runner = variable("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        if format == Format::Github || (person && runner) {
            let workspace = variable("GITHUB_WORKSPACE").map_or_else(|| PathBuf::from("."), PathBuf::from);
            readers.push(Arc::new(GitHub::new(look(), workspace, Box::new(io::stderr()))));
        } else if person {
            readers.push(Arc::new(terminal()));
        }
        if format == Format::Json {
            readers.push(Arc::new(Json::new(Box::new(io::stdout()))));
        }
        Self { readers, record, stored: OnceLock::new(), format, junit, summary }
    }

    /// Stores all that is told, from its beginning, in a file.
    pub(crate) fn store(&self, file: &Path) -> Result<(), Failure> {
        let made = fs::File::create(file).map_err(|error| {
            let message = format!("can't write `{}`: {error}", file.display());
            Failure::new(exit::USAGE, message, "name an evidence folder that can be written to")
        })?;
        let stored = Json::new(Box::new(made));
        self.record.with(|events| events.iter().for_each(|event| stored.take(event)));
        _ = self.stored.set(stored);
        Ok(())
    }

    /// Lets somebody look at what was told so far.
    pub(crate) fn told<T>(&self, look: impl FnOnce(&[Event]) -> T) -> T {
        self.record.with(look)
    }

    /// Writes what is written at the end.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        self.write_junit()?;
        let events = self.record.events();
        match self.format {
            Format::Junit => answer::print(&self.junit_text().map_err(|error| Failure::new(exit::FAULT, error, ""))?)?,
            Format::Markdown => answer::print(&markdown(&events, SUMMARY_LIMIT))?,
            Format::Human | Format::Json | Format::Github => {}
        }
        if let Some(file) = &self.summary {
            append(file, &events).map_err(|error| {
                let message = format!("can't write the summary `{}`: {error}", file.display());
                Failure::new(exit::USAGE, message, "let GITHUB_STEP_SUMMARY name a writable file, or unset it")
            })?;
        }
        Ok(())
    }

    fn junit_text(&self) -> Result<String, String> {
        junit(&self.record.events()).map_err(|error| error.to_string())
    }

    fn write_junit(&self) -> Result<(), Failure> {
        let Some(file) = &self.junit else { return Ok(()) };
        let failed = |error: String| {
            let message = format!("can't write the report `{}`: {error}", file.display());
            Failure::new(exit::USAGE, message, "name a writable file")
        };
        fs::write(file, self.junit_text().map_err(failed)?).map_err(|error| failed(error.to_string()))
    }
}

/// Adds a summary to a file, as far as there is room in it.
fn append(file: &PathBuf, events: &[Event]) -> io::Result<()> {
    let there = fs::metadata(file).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
    let text = markdown(events, SUMMARY_LIMIT.saturating_sub(there));
    OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
}

impl Reader for Shown {
    fn take(&self, event: &Event) {
        self.readers.take(event);
        if let Some(stored) = self.stored.get() {
            stored.take(event);
        }
    }
}
