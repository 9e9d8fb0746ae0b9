//! The nucleus's text log, read back.
//!
//! Grammar: `TIMESTAMP [LEVEL] (THREAD) LOGGER: EVENT. MESSAGE. {key=value, …}`; a script's output is event `stdout` or
//! `stderr` with `scriptName`, `serviceName` and `currentState` in its context. Lines that don't fit (stack traces)
//! are left out.

use crate::scenario::{Line, Stream};
use std::collections::BTreeMap;

/// A line that a component's script printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed<'a> {
    /// When, as the log has it.
    pub time: &'a str,
    /// To which stream.
    pub stream: Stream,
    /// The component.
    pub component: &'a str,
    /// The lifecycle step as the recipe spells it, such as `Run`.
    pub step: &'a str,
    /// The line.
    pub text: &'a str,
}

impl Printed<'_> {
    /// Whether the script and the stream of an awaited line printed this, whatever its text.
    #[must_use]
    pub fn comes_from(&self, awaited: &Line) -> bool {
        self.component == awaited.component
            && self.step.eq_ignore_ascii_case(&awaited.step)
            && self.stream == awaited.stream
    }
}

/// The lines that scripts printed, in order.
pub fn printed(log: &str) -> impl Iterator<Item = Printed<'_>> {
    log.lines().filter_map(printed_line)
}

fn printed_line(line: &str) -> Option<Printed<'_>> {
    let (time, rest) = line.split_once(" [")?;
    let (_, rest) = rest.split_once("] (Copier) ")?;
    let (_, rest) = rest.split_once(": ")?;
    let (stream, rest) = match rest.split_once(". ")? {
        ("stdout", rest) => (Stream::Stdout, rest),
        ("stderr", rest) => (Stream::Stderr, rest),
        _ => return None,
    };
    let start = rest.rfind("{scriptName=")?;
    let text = rest[..start].strip_suffix(". ").unwrap_or_default();
    let context = rest[start..].strip_prefix("{scriptName=")?.strip_suffix('}')?;
    let mut fields = context.split(", ");
    let script = fields.next()?;
    let component = fields.next()?.strip_prefix("serviceName=")?;
    let step = script.strip_prefix("services.")?.strip_prefix(component)?;
    let (_, step) = step.strip_prefix('.')?.split_once('.')?;
    let step = step.split('.').next()?;
    Some(Printed { time, stream, component, step, text })
}

/// The last state that each component was set to.
#[must_use]
pub fn states(core_log: &str) -> BTreeMap<String, String> {
    core_log
        .lines()
        .filter_map(|line| line.split_once(": service-set-state. {")?.1.strip_suffix('}'))
        .filter_map(|context| {
            let field = |name: &str| context.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            Some((field("serviceName")?.to_owned(), field("newState")?.to_owned()))
        })
        .collect()
}

/// The message of the line by which the core says that it met something that is not emulated.
#[must_use]
pub fn unsupported(core_log: &str) -> Option<&str> {
    let line = core_log.lines().find(|line| line.contains(": greenproof-unsupported. "))?;
    let (_, message) = line.split_once(": greenproof-unsupported. ")?;
    Some(message.rsplit_once(". {").map_or(message, |(message, _)| message))
}

/// The last lines of a log that tell of trouble, newest last.
#[must_use]
pub fn troubles(log: &str, most: usize) -> Vec<&str> {
    let mut lines: Vec<_> =
        log.lines().filter(|line| line.contains(" [ERROR] ") || line.contains(" [WARN] ")).collect();
    lines.split_off(lines.len().saturating_sub(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "com.example.GithubCustomPack";

    #[test]
    fn reads_the_line_that_a_run_prints() {
        let line = format!(
            "2022-03-23T10:53:25.020Z [INFO] (Copier) {C}: stdout. s3: Amazon S3. \
             {{scriptName=services.{C}.lifecycle.Run.Script, serviceName={C}, currentState=RUNNING}}"
        );
        let seen: Vec<_> = printed(&line).collect();
        let time = "2022-03-23T10:53:25.020Z";
        assert_eq!(seen, [Printed { time, stream: Stream::Stdout, component: C, step: "Run", text: "s3: Amazon S3" }]);
    }

    #[test]
    fn the_echo_of_a_command_is_not_a_printed_line() {
        let line = format!(
            "2022-03-23T10:53:24Z [INFO] (pool-2-thread-19) {C}: shell-runner-start. \
             {{scriptName=services.{C}.lifecycle.Run.Script, serviceName={C}, currentState=STARTING, \
             command=[\"echo s3: Amazon S3\"]}}"
        );
        assert_eq!(printed(&line).count(), 0);
    }

    #[test]
    fn a_line_may_hold_what_looks_like_a_context() {
        let line = format!(
            "2022-03-23T10:53:25Z [WARN] (Copier) {C}: stderr. a. {{x=1}}. b. \
             {{scriptName=services.{C}.lifecycle.run, serviceName={C}, currentState=RUNNING}}"
        );
        let seen = printed(&line).next().expect("the line is a printed one");
        assert_eq!((seen.text, seen.step, seen.stream), ("a. {x=1}. b", "run", Stream::Stderr));
    }
}
