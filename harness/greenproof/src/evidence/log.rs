//! The nucleus's log files, read back.
//!
//! Grammar of the text format: `TIMESTAMP [LEVEL] (THREAD) LOGGER: EVENT. MESSAGE. {key=value, …}`; a script's output is
//! event `stdout` or `stderr` with `scriptName`, `serviceName` and `currentState` in its context. A line of the JSON
//! format is read as the text line that it stands for. What follows a line without a time of its own, such as a stack
//! trace, belongs to that line.

use crate::scenario::{Line, Stream};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, fmt::Write};
use time::{
    OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

/// A point in time, in milliseconds since 1970.
pub type Millis = i64;

/// The present.
#[must_use]
pub fn now() -> Millis {
    millis(OffsetDateTime::now_utc())
}

/// A point in time as a log line has it, RFC 3339.
#[must_use]
pub fn millis_of(time: &str) -> Option<Millis> {
    OffsetDateTime::parse(time, &Rfc3339).ok().map(millis)
}

/// A point in time as a log line has it: UTC, without a fraction at a whole second.
#[must_use]
pub fn instant(time: Millis) -> String {
    const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let second = OffsetDateTime::from_unix_timestamp(time.div_euclid(1000)).ok();
    let second = second.and_then(|time| time.format(SECONDS).ok()).unwrap_or_default();
    match time.rem_euclid(1000) {
        0 => format!("{second}Z"),
        fraction => format!("{second}.{fraction:03}Z"),
    }
}

fn millis(time: OffsetDateTime) -> Millis {
    Millis::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

/// A span of time, from its first moment to its last.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first moment.
    pub from: Millis,
    /// The last moment.
    pub to: Millis,
}

impl Span {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Millis::MIN, to: Millis::MAX };

    /// Whether a moment is in it.
    pub(crate) fn has(self, time: Millis) -> bool {
        self.from <= time && time <= self.to
    }
}

/// The time of a line that begins an entry of the log.
#[must_use]
pub fn time_of(line: &str) -> Option<Millis> {
    if line.starts_with('{') {
        return serde_json::from_str::<Value>(line).ok()?["timestamp"].as_i64();
    }
    millis_of(line.split_once(" [")?.0)
}

/// The lines that were written in a span of time, as they are.
pub fn written(log: &str, span: Span) -> impl Iterator<Item = &str> {
    let mut last = Millis::MIN;
    log.lines().filter(move |line| {
        last = time_of(line).unwrap_or(last);
        span.has(last)
    })
}

/// A log from a point in time on.
#[must_use]
pub fn since(log: &str, time: Millis) -> Cow<'_, str> {
    if time == Millis::MIN {
        return log.into();
    }
    written(log, Span { from: time, to: Millis::MAX }).flat_map(|line| [line, "\n"]).collect::<String>().into()
}

/// The lines that were written in a span of time, in the text format.
fn entries(log: &str, span: Span) -> impl Iterator<Item = Cow<'_, str>> {
    written(log, span).map(as_text)
}

/// A line of the JSON format as the text line that it stands for; any other line as it is.
fn as_text(line: &str) -> Cow<'_, str> {
    let Some(entry) = line.starts_with('{').then(|| serde_json::from_str::<Value>(line).ok()).flatten() else {
        return line.into();
    };
    let field = |name: &str| entry[name].as_str().unwrap_or_default();
    let time = instant(entry["timestamp"].as_i64().unwrap_or_default());
    let mut text = format!("{time} [{}] ({}) {}: ", field("level"), field("thread"), field("loggerName"));
    for part in ["eventType", "message"].map(|name| entry[name].as_str()).into_iter().flatten() {
        _ = write!(text, "{part}. ");
    }
    let context = entry["contexts"].as_object().into_iter().flatten();
    let context: Vec<_> = context.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    _ = write!(text, "{{{}}}", context.join(", "));
    text.into()
}

/// A line that a component's script printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// To which stream; nothing where the log does not tell.
    pub stream: Option<Stream>,
    /// The component.
    pub component: String,
    /// The lifecycle step as the recipe spells it, such as `Run`.
    pub step: String,
    /// The line.
    pub text: String,
}

impl Printed {
    /// Whether the script and the stream of an awaited line printed this, whatever its text.
    #[must_use]
    pub fn comes_from(&self, awaited: &Line) -> bool {
        self.component == awaited.component
            && self.step.eq_ignore_ascii_case(&awaited.step)
            && self.stream.is_none_or(|stream| stream == awaited.stream)
    }

    /// Whether this is an awaited line.
    #[must_use]
    pub fn is(&self, awaited: &Line) -> bool {
        self.comes_from(awaited) && self.text == awaited.equals
    }
}

/// The lines that scripts printed in a span of time, in order.
pub fn printed(log: &str, span: Span) -> impl Iterator<Item = Printed> {
    entries(log, span).filter_map(|line| printed_line(&line))
}

/// What a script printed by a line of its component's log.
pub(crate) fn printed_of(line: &str) -> Option<Printed> {
    printed_line(&as_text(line))
}

fn printed_line(line: &str) -> Option<Printed> {
    let (_, rest) = line.split_once("] (Copier) ")?;
    let (_, rest) = rest.split_once(": ")?;
    let (stream, rest) = match rest.split_once(". ")? {
        ("stdout", rest) => (Some(Stream::Stdout), rest),
        ("stderr", rest) => (Some(Stream::Stderr), rest),
        ("output", rest) => (None, rest),
        _ => return None,
    };
    let start = rest.rfind("{scriptName=")?;
    let text = rest[..start].strip_suffix(". ").unwrap_or_default().to_owned();
    let context = rest[start..].strip_prefix("{scriptName=")?.strip_suffix('}')?;
    let mut fields = context.split(", ");
    let script = fields.next()?;
    let component = fields.next()?.strip_prefix("serviceName=")?;
    let step = script.strip_prefix("services.")?.strip_prefix(component)?;
    let (_, step) = step.strip_prefix('.')?.split_once('.')?;
    let step = step.split('.').next()?.to_owned();
    Some(Printed { stream, component: component.to_owned(), step, text })
}

/// The scripts of a component that its log tells of: component, lifecycle step as the recipe spells it, and when each was
/// started.
pub(crate) fn scripts<'a>(component: &'a str, log: &'a str) -> impl Iterator<Item = (String, String, Millis)> + 'a {
    entries(log, Span::ALWAYS).filter_map(move |line| {
        let (_, context) = line.split_once(": shell-runner-start. {")?;
        let script = context.strip_prefix("scriptName=services.")?.split(',').next()?;
        let step = script.strip_prefix(component)?.strip_prefix(".lifecycle.")?.split('.').next()?;
        Some((component.to_owned(), step.to_owned(), time_of(&line)?))
    })
}

/// Whether a line only tells that a script is started: it has the script's own text.
pub(crate) fn is_start(line: &str) -> bool {
    as_text(line).contains(": shell-runner-start. {")
}

/// A component's change from one state to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The component.
    pub component: String,
    /// The state that it leaves.
    pub from: String,
    /// The state that it takes.
    pub to: String,
}

/// The changes of components' states in a span of time, in order.
pub fn changes(core_log: &str, span: Span) -> impl Iterator<Item = Change> {
    entries(core_log, span).filter_map(|line| change(&line))
}

/// The change that a line of the core's log tells of.
pub(crate) fn change_of(line: &str) -> Option<Change> {
    // Most lines of a long log are none, and reading one costs.
    line.contains("service-set-state").then(|| change(&as_text(line)))?
}

fn change(line: &str) -> Option<Change> {
    let context = line.split_once(": service-set-state. {")?.1.strip_suffix('}')?;
    let field = |name: &str| {
        let value = context.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        value.map(str::to_owned)
    };
    Some(Change { component: field("serviceName")?, from: field("currentState")?, to: field("newState")? })
}

/// The last state that each component was set to; one that was removed has the state that it was removed in.
#[must_use]
pub fn states(core_log: &str) -> BTreeMap<String, String> {
    let lasting = changes(core_log, Span::ALWAYS).filter(|change| !change.to.starts_with("UNINSTALL"));
    lasting.map(|change| (change.component, change.to)).collect()
}

/// The components that the nucleus has at a moment: those that it moved between states since it was started last, and
/// has not closed since.
#[must_use]
pub fn present(core_log: &str, at: Millis) -> BTreeMap<String, String> {
    let mut present = BTreeMap::new();
    let mut closed = Vec::new();
    for line in entries(core_log, Span { from: Millis::MIN, to: at }) {
        if line.contains(": system-start. ") {
            present.clear();
        } else if let Some(name) = closing(&line) {
            present.remove(&name);
            closed.push(name);
        } else if let Some(change) = change(&line) {
            // What is closed still goes through its last states; a component of that name which comes anew starts NEW.
            if change.from == "NEW" {
                closed.retain(|name| *name != change.component);
            }
            if !closed.contains(&change.component) {
                present.insert(change.component, change.to);
            }
        }
    }
    present
}

fn closing(line: &str) -> Option<String> {
    let (_, context) = line.split_once(": service-close. ")?;
    let (_, name) = context.split_once("serviceName=")?;
    Some(name.split([',', '}']).next()?.to_owned())
}

/// When the nucleus was started last.
#[must_use]
pub fn started(core_log: &str) -> Option<Millis> {
    core_log.lines().rev().find(|line| as_text(line).contains(": system-start. ")).and_then(time_of)
}

/// The message of the line by which the core says that it met something that is not emulated.
#[must_use]
pub fn unsupported(core_log: &str) -> Option<String> {
    entries(core_log, Span::ALWAYS).find_map(|line| {
        let (_, message) = line.split_once(": greenproof-unsupported. ")?;
        Some(message.rsplit_once(". {").map_or(message, |(message, _)| message).to_owned())
    })
}

/// The last line of a log that tells of trouble.
#[must_use]
pub fn trouble(log: &str) -> Option<Cow<'_, str>> {
    log.lines().rev().map(as_text).find(|line| line.contains(" [ERROR] ") || line.contains(" [WARN] "))
}

#[cfg(test)]
mod tests;
