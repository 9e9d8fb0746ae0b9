//! One log line, and its two forms.
//!
//! Text is `TIMESTAMP [LEVEL] (THREAD) LOGGER: EVENT. MESSAGE. {CONTEXT}` with an exception in the lines below it; a
//! part that is empty is left out together with its `". "`. JSON is one object with the real nucleus's property order.

use super::context::java_order;
use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};
use std::{
    fmt::Write as _,
    io::{self, Write},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
/// The longest prefix of a script that a log line shows, in UTF-16 units.
const COMMAND_LENGTH: usize = 78;

/// The loggers of the nucleus's own services, whose lines say so; these services always run.
const SERVICES: [(&str, &str); 2] = [
    ("com.aws.greengrass.deployment.DeploymentService", "DeploymentService"),
    ("com.aws.greengrass.status.FleetStatusService", "FleetStatusService"),
];

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One log line before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    level: Level,
    thread: String,
    logger: String,
    event: Option<String>,
    message: String,
    context: Vec<(String, String)>,
    cause: Option<Cause>,
}

/// An exception as Java prints it, without the frames of its stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The exception's class; empty if only its message is known.
    class: String,
    message: String,
    source: Option<Box<Self>>,
}

impl Line {
    fn new(level: Level, logger: impl Into<String>) -> Self {
        let logger = logger.into();
        let service = SERVICES.iter().find(|(known, _)| *known == logger);
        let context = service.map(|(_, name)| [("serviceName", *name), ("currentState", "RUNNING")]);
        Self {
            level,
            thread: "pool-2-thread-1".into(),
            logger,
            event: None,
            message: String::new(),
            context: context.into_iter().flatten().map(|(key, value)| (key.into(), value.into())).collect(),
            cause: None,
        }
    }

    pub(crate) fn debug(logger: impl Into<String>) -> Self {
        Self::new(Level::Debug, logger)
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
        self.message = message.into();
        self
    }

    /// Adds a context entry.
    pub(crate) fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Adds the exception behind it.
    pub(crate) fn cause(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// The line as text, with its newline.
    pub(crate) fn text(&self, now: OffsetDateTime) -> String {
        let mut text = format!("{} [{}] ({}) {}: ", instant(now), self.level.name(), self.thread, self.logger);
        for part in [self.event.as_deref().unwrap_or_default(), &self.message] {
            if !part.is_empty() {
                text.push_str(part);
                text.push_str(". ");
            }
        }
        let context: Vec<String> =
            java_order(&self.context).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        _ = writeln!(text, "{{{}}}", context.join(", "));
        if let Some(cause) = &self.cause {
            _ = writeln!(text, "{}", cause.trace());
        }
        text
    }

    /// The line as a JSON object, with its newline.
    pub(super) fn json(&self, now: OffsetDateTime) -> String {
        let object = Object {
            thread: &self.thread,
            level: self.level.name(),
            event_type: self.event.as_deref(),
            message: &self.message,
            contexts: Context(&self.context),
            logger_name: &self.logger,
            timestamp: now.unix_timestamp() * 1000 + i64::from(now.millisecond()),
            cause: self.cause.as_ref(),
        };
        let mut bytes = Vec::new();
        // Only a value that can't be JSON, or a writer that fails, would be an error.
        _ = object.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Jackson));
        bytes.push(b'\n');
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Cause {
    /// An exception of a class.
    pub(crate) fn new(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: message.into(), source: None }
    }

    /// An I/O error.
    pub(crate) fn io(error: &io::Error) -> Self {
        Self::new("java.io.IOException", error.to_string())
    }

    /// Adds what it was caused by.
    pub(crate) fn because(mut self, cause: impl Into<Self>) -> Self {
        self.source = Some(Box::new(cause.into()));
        self
    }

    fn trace(&self) -> String {
        let own = match self.class.as_str() {
            "" => self.message.clone(),
            class if self.message.is_empty() => class.to_owned(),
            class => format!("{class}: {}", self.message),
        };
        match &self.source {
            None => own,
            Some(cause) => format!("{own}\nCaused by: {}", cause.trace()),
        }
    }
}

impl From<String> for Cause {
    fn from(message: String) -> Self {
        Self::new("", message)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Throwable<'a> {
            message: &'a str,
            suppressed: [(); 0],
            stack_trace: [(); 0],
            cause: Option<&'a Cause>,
        }
        let cause = self.source.as_deref();
        Throwable { message: &self.message, suppressed: [], stack_trace: [], cause }.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    thread: &'a str,
    level: &'a str,
    event_type: Option<&'a str>,
    message: &'a str,
    contexts: Context<'a>,
    logger_name: &'a str,
    timestamp: i64,
    cause: Option<&'a Cause>,
}

struct Context<'a>(&'a [(String, String)]);

impl Serialize for Context<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(java_order(self.0))
    }
}

/// JSON as Jackson writes it: the digits of an escape are upper case.
struct Jackson;

impl Formatter for Jackson {
    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let short = match escape {
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04X}"),
            CharEscape::Quote => b'"',
            CharEscape::ReverseSolidus => b'\\',
            CharEscape::Solidus => b'/',
            CharEscape::Backspace => b'b',
            CharEscape::FormFeed => b'f',
            CharEscape::LineFeed => b'n',
            CharEscape::CarriageReturn => b'r',
            CharEscape::Tab => b't',
        };
        writer.write_all(&[b'\\', short])
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
            0x22 | 0x7f => _ = write!(text, "\\u{unit:04X}"),
            0x20..=0xfe => text.push(char::from(unit.to_le_bytes()[0])),
            _ => _ = write!(text, "\\u{unit:04X}"),
        }
    }
    if units.len() > COMMAND_LENGTH {
        text.push_str("...");
    }
    text.push_str("\"]");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use time::macros::datetime;

    fn sample() -> Line {
        Line::info("com.example.GithubCustomPack")
            .thread("Copier")
            .event("stdout")
            .message("s3: Amazon S3")
            .with("serviceName", "com.example.GithubCustomPack")
            .with("currentState", "RUNNING")
            .with("scriptName", "services.com.example.GithubCustomPack.lifecycle.Run.Script")
    }

    #[test]
    fn line_matches_the_sample() {
        fidelity!("core-log-1");
        assert_eq!(
            sample().text(datetime!(2022-03-23 10:53:25.020 UTC)),
            "2022-03-23T10:53:25.020Z [INFO] (Copier) com.example.GithubCustomPack: stdout. s3: Amazon S3. \
             {scriptName=services.com.example.GithubCustomPack.lifecycle.Run.Script, \
             serviceName=com.example.GithubCustomPack, currentState=RUNNING}\n"
        );
        assert_eq!(
            Line::warn("x").text(datetime!(2022-03-23 10:53:24 UTC)),
            "2022-03-23T10:53:24Z [WARN] (pool-2-thread-1) x: {}\n"
        );
    }

    #[test]
    fn an_empty_part_is_left_out() {
        fidelity!("core-log-1");
        let line = Line::info("A").thread("Copier").event("stdout").message("");
        assert_eq!(
            line.text(datetime!(2022-03-23 10:53:24 UTC)),
            "2022-03-23T10:53:24Z [INFO] (Copier) A: stdout. {}\n"
        );
    }

    #[test]
    fn json_has_the_order_and_the_nulls_of_the_sample() {
        fidelity!("core-log-4");
        assert_eq!(
            sample().json(datetime!(2022-03-23 10:53:24.876 UTC)),
            "{\"thread\":\"Copier\",\"level\":\"INFO\",\"eventType\":\"stdout\",\"message\":\"s3: Amazon S3\",\
             \"contexts\":{\"scriptName\":\"services.com.example.GithubCustomPack.lifecycle.Run.Script\",\
             \"serviceName\":\"com.example.GithubCustomPack\",\"currentState\":\"RUNNING\"},\
             \"loggerName\":\"com.example.GithubCustomPack\",\"timestamp\":1648032804876,\"cause\":null}\n"
        );
        let line = Line::error("x").message("\u{1b}[1m\"\\\té\u{1f600}");
        let line = line.cause(Cause::new("java.io.IOException", "a").because(Cause::new("b.B", "c")));
        assert_eq!(
            line.json(datetime!(1970-01-01 00:00:01 UTC)),
            "{\"thread\":\"pool-2-thread-1\",\"level\":\"ERROR\",\"eventType\":null,\
             \"message\":\"\\u001B[1m\\\"\\\\\\té\u{1f600}\",\"contexts\":{},\"loggerName\":\"x\",\"timestamp\":1000,\
             \"cause\":{\"message\":\"a\",\"suppressed\":[],\"stackTrace\":[],\
             \"cause\":{\"message\":\"c\",\"suppressed\":[],\"stackTrace\":[],\"cause\":null}}}\n"
        );
    }

    #[test]
    fn an_exception_stands_below_its_line() {
        fidelity!("core-log-1");
        let cause = Cause::new("a.A", "one").because(Cause::new("b.B", "").because("only text".to_owned()));
        let text = Line::error("x").message("m").cause(cause).text(datetime!(2022-03-23 10:53:24 UTC));
        assert!(text.ends_with("x: m. {}\na.A: one\nCaused by: b.B\nCaused by: only text\n"), "{text}");
    }

    #[test]
    fn command_is_cut_and_escaped() {
        fidelity!("core-log-3");
        let script = "python3 -u /greengrass/v2/packages/artifacts-unarchived/com.example.GithubCustomPack/1.0.0/x";
        assert_eq!(
            command(script),
            "[\"python3 -u /greengrass/v2/packages/artifacts-unarchived/com.example.GithubCust...\"]"
        );
        assert_eq!(
            command("a\n\"b\"\\\té\u{85}ÿ€\u{1b}\r\u{7f}"),
            "[\"a\\n\\u0022b\\u0022\\\\té\u{85}\\u00FF\\u20AC\\u001B\\u000D\\u007F\"]"
        );
        assert_eq!(command(&"€".repeat(78)), format!("[\"{}\"]", "\\u20AC".repeat(78)));
    }
}
