//! The nucleus's log files, in the exact grammar of its text format.
//!
//! `TIMESTAMP [LEVEL] (THREAD) LOGGER: EVENT. MESSAGE. {CONTEXT}`: the context is printed in the iteration order of a
//! Java `HashMap`, a whole-second timestamp has no fraction, and every present part ends in `". "`.
//! Rotation and the JSON format are not emulated.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
/// The longest prefix of a script that a log line shows, in UTF-16 units.
const COMMAND_LENGTH: usize = 78;
/// Size of the thread pool whose names script lines carry.
const POOL: u32 = 25;

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

/// One log line before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    level: Level,
    thread: String,
    logger: String,
    event: Option<String>,
    message: Option<String>,
    context: Vec<(String, String)>,
    cause: Option<String>,
}

impl Line {
    fn new(level: Level, logger: impl Into<String>) -> Self {
        Self {
            level,
            thread: "pool-2-thread-1".into(),
            logger: logger.into(),
            event: None,
            message: None,
            context: Vec::new(),
            cause: None,
        }
    }

    pub(crate) fn info(logger: impl Into<String>) -> Self {
        Self::new(Level::Info, logger)
    }

    pub(crate) fn warn(logger: impl Into<String>) -> Self {
        Self::new(Level::Warn, logger)
    }

    pub(crate) fn error(logger: impl Into<String>) -> Self {
        Self::new(Level::Error, logger)
    }

    pub(crate) fn thread(mut self, thread: impl Into<String>) -> Self {
        self.thread = thread.into();
        self
    }

    pub(crate) fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds a context entry.
    pub(crate) fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Adds what stands in the lines after the context, where Java prints the exception.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    fn render(&self, now: OffsetDateTime) -> String {
        let level = match self.level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let mut text = format!("{} [{level}] ({}) {}: ", instant(now), self.thread, self.logger);
        for part in [&self.event, &self.message].into_iter().flatten() {
            text.push_str(part);
            text.push_str(". ");
        }
        let context: Vec<String> =
            java_order(&self.context).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        _ = writeln!(text, "{{{}}}", context.join(", "));
        if let Some(cause) = &self.cause {
            _ = writeln!(text, "{cause}");
        }
        text
    }
}

/// A time as Java's `Instant.toString` prints epoch milliseconds.
pub(crate) fn instant(time: OffsetDateTime) -> String {
    let seconds = time.format(&SECONDS).expect("the format fits every date");
    match time.millisecond() {
        0 => format!("{seconds}Z"),
        milliseconds => format!("{seconds}.{milliseconds:03}Z"),
    }
}

/// The `command` value of a script: shortened, escaped, in brackets.
pub(crate) fn command(script: &str) -> String {
    let units: Vec<u16> = script.encode_utf16().collect();
    let mut text = String::from("[\"");
    for unit in units.iter().take(COMMAND_LENGTH) {
        match unit {
            0x0a => text.push_str("\\n"),
            0x09 => text.push_str("\\t"),
            0x20..=0x7e if *unit != 0x22 => text.push(char::from(unit.to_le_bytes()[0])),
            0xa0..=0xfe => text.push(char::from(unit.to_le_bytes()[0])),
            _ => _ = write!(text, "\\u{unit:04x}"),
        }
    }
    if units.len() > COMMAND_LENGTH {
        text.push_str("...");
    }
    text.push_str("\"]");
    text
}

/// Entries in the iteration order of a Java `HashMap` that they were put into one after the other.
pub(crate) fn java_order(entries: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut unique: Vec<(&str, &str)> = Vec::new();
    for (key, value) in entries {
        match unique.iter_mut().find(|(known, _)| known == key) {
            Some(entry) => entry.1 = value,
            None => unique.push((key, value)),
        }
    }
    let mut capacity = 16;
    while unique.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    // Stable: entries of one bucket keep their insertion order, also through a resize.
    unique.sort_by_key(|(key, _)| bucket(key, capacity));
    unique
}

fn bucket(key: &str, capacity: usize) -> usize {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

/// The folder of log files.
#[derive(Debug)]
pub(crate) struct Logs {
    folder: PathBuf,
    files: Mutex<HashMap<String, File>>,
    pool: AtomicU32,
}

impl Logs {
    /// Uses `folder`, which must exist.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), files: Mutex::default(), pool: AtomicU32::new(0) }
    }

    /// Name of the next thread of the executor that runs scripts and callbacks.
    pub(crate) fn pool_thread(&self) -> String {
        format!("pool-2-thread-{}", self.pool.fetch_add(1, Ordering::Relaxed) % POOL + 1)
    }

    /// Writes to `greengrass.log`.
    pub(crate) fn nucleus(&self, line: &Line) {
        self.write("greengrass", line);
    }

    /// Writes to the component's own log.
    pub(crate) fn component(&self, name: &str, line: &Line) {
        self.write(name, line);
    }

    fn write(&self, name: &str, line: &Line) {
        let text = line.render(OffsetDateTime::now_utc());
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let result = open(&mut files, &self.folder, name).and_then(|file| file.write_all(text.as_bytes()));
        if let Err(error) = result {
            tracing::error!(%error, name, "writing a log line");
        }
    }
}

fn open<'a>(files: &'a mut HashMap<String, File>, folder: &Path, name: &str) -> io::Result<&'a mut File> {
    let path = folder.join(format!("{name}.log"));
    // A full disk or a removed folder may come and go; the file is opened again once it is gone.
    if files.contains_key(name) && fs::metadata(&path).is_err() {
        files.remove(name);
    }
    match files.entry(name.into()) {
        std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
        std::collections::hash_map::Entry::Vacant(entry) => {
            Ok(entry.insert(OpenOptions::new().create(true).append(true).open(path)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    // [core-log-1]
    #[test]
    fn line_matches_the_sample() {
        let line = Line::info("com.example.GithubCustomPack")
            .thread("Copier")
            .event("stdout")
            .message("s3: Amazon S3")
            .with("serviceName", "com.example.GithubCustomPack")
            .with("currentState", "RUNNING")
            .with("scriptName", "services.com.example.GithubCustomPack.lifecycle.Run.Script");
        assert_eq!(
            line.render(datetime!(2022-03-23 10:53:25.020 UTC)),
            "2022-03-23T10:53:25.020Z [INFO] (Copier) com.example.GithubCustomPack: stdout. s3: Amazon S3. \
             {scriptName=services.com.example.GithubCustomPack.lifecycle.Run.Script, \
             serviceName=com.example.GithubCustomPack, currentState=RUNNING}\n"
        );
        assert_eq!(
            Line::warn("x").render(datetime!(2022-03-23 10:53:24 UTC)),
            "2022-03-23T10:53:24Z [WARN] (pool-2-thread-1) x: {}\n"
        );
    }

    // [core-log-2]
    #[test]
    fn context_is_in_hash_order() {
        let keys = ["serviceName", "currentState", "exitCode", "reason", "statusCode"];
        let entries: Vec<_> = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        let order: Vec<&str> = java_order(&entries).into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, ["reason", "exitCode", "serviceName", "currentState", "statusCode"]);
        for (key, expected) in [("Status", 0), ("DeploymentId", 2), ("stage", 4), ("JobId", 14), ("user", 13)] {
            assert_eq!(bucket(key, 16), expected, "{key}");
        }
    }

    // [core-log-3]
    #[test]
    fn command_is_cut_and_escaped() {
        let script = "python3 -u /greengrass/v2/packages/artifacts-unarchived/com.example.GithubCustomPack/1.0.0/x";
        assert_eq!(
            command(script),
            "[\"python3 -u /greengrass/v2/packages/artifacts-unarchived/com.example.GithubCust...\"]"
        );
        assert_eq!(command("a\n\"b\"\\\té€"), "[\"a\\n\\u0022b\\u0022\\\\té\\u20ac\"]");
    }
}
