//! What nucleus lite writes to systemd's journal, as the log files that the classic nucleus would write.
//!
//! Lite has no log files. A component's lines come under its own name, whatever the stream: the journal does not tell
//! standard output from standard error, so such a line has the event `output`. Lines of lite's daemons, and of systemd about
//! its units, make `greengrass.log`; a component's change of state, which its health daemon announces, is written as
//! the classic nucleus writes it.

use crate::evidence::log;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// The words that follow a device's journal from its beginning, once there is one.
pub(crate) const FOLLOW: [&str; 3] = [
    "sh",
    "-c",
    "until [ -S /run/systemd/journal/stdout ]; do sleep 0.02; done; \
     exec journalctl --follow --no-tail --quiet --output=json --output-fields=\
MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,UNIT,_SYSTEMD_UNIT",
];

/// The words that give the whole journal.
pub(crate) const WHOLE: [&str; 4] = ["journalctl", "--quiet", "--no-pager", "--output=json"];

/// How a line of lite's own begins: a level's letter, a module, a place in its source.
static OWN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([EWIDT])\[([\w-]+)\] ([\w./-]+\.c:\d+): (.*)$").expect("the pattern is valid"));

/// An entry of `journalctl --output=json`, as far as it matters.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: String,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "PRIORITY", default)]
    priority: String,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: String,
    /// The unit that systemd writes of.
    #[serde(rename = "UNIT", default)]
    about: String,
    /// The unit that wrote it.
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    unit: String,
}

/// Reads a device's journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    /// The components whose unit runs their `startup`, not their `run`.
    starting: BTreeSet<String>,
}

impl Reader {
    /// For a device with these components, each with its recipe.
    pub(crate) fn of<'a>(components: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let starts = |recipe: &str| {
            let recipe: Result<Value, _> = serde_yaml_ng::from_str(recipe);
            recipe.is_ok_and(|recipe| has_key(&recipe, "startup"))
        };
        let starting = components.into_iter().filter(|(_, recipe)| starts(recipe));
        Self { starting: starting.map(|(name, _)| name.to_owned()).collect() }
    }

    /// The log file that a line of the journal belongs to, without `.log`, and the line in it; nothing for what is not
    /// the nucleus's or a component's.
    pub(crate) fn line(&self, json: &str) -> Option<(String, String)> {
        let entry: Entry = serde_json::from_str(json).ok()?;
        let text = message(&entry.message)?;
        let time = log::instant(entry.microseconds.parse::<i64>().ok()? / 1000);
        if entry.identifier == "systemd" {
            return of_systemd(&entry, &text, &time).map(|line| ("greengrass".to_owned(), line));
        }
        let unit = entry.unit.strip_prefix("ggl.")?.strip_suffix(".service")?;
        if unit.starts_with("core.") || unit.starts_with("aws.greengrass.") {
            return Some(("greengrass".to_owned(), of_daemon(&entry.identifier, &text, &time)));
        }
        let component = &entry.identifier;
        let step = match unit.strip_prefix(component.as_str())? {
            "" if self.starting.contains(component) => "startup",
            "" => "run",
            step => step.strip_prefix('.')?,
        };
        let line = match OWN.captures(&text) {
            Some(own) => format!(
                "{time} [{}] (recipe-runner) {component}: {}. {{step={step}}}",
                level(&own[1]),
                own[4].trim_end_matches('.')
            ),
            // Without the space around it, as the classic nucleus writes it.
            None => format!(
                "{time} [INFO] (Copier) {component}: output. {}. \
{{scriptName=services.{component}.lifecycle.{step}.Script, serviceName={component}}}",
                text.trim()
            ),
        };
        Some((component.clone(), line))
    }

    /// The log files in a whole journal, by name without `.log`.
    pub(crate) fn files(&self, journal: &str) -> BTreeMap<String, String> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (name, line) in journal.lines().filter_map(|line| self.line(line)) {
            let file = files.entry(name).or_default();
            file.push_str(&line);
            file.push('\n');
        }
        files
    }
}

/// What systemd says of lite's units, and that the device has started.
fn of_systemd(entry: &Entry, text: &str, time: &str) -> Option<String> {
    if text.starts_with("Startup finished in ") {
        return Some(format!("{time} [INFO] (systemd) systemd: system-start. {text} {{}}"));
    }
    let level = match entry.priority.as_str() {
        "0" | "1" | "2" | "3" => "ERROR",
        "4" => "WARN",
        _ => "INFO",
    };
    let unit = &entry.about;
    unit.starts_with("ggl.").then(|| format!("{time} [{level}] (systemd) systemd: {text} {{unit={unit}}}"))
}

fn of_daemon(daemon: &str, text: &str, time: &str) -> String {
    let Some(own) = OWN.captures(text) else {
        return format!("{time} [INFO] ({daemon}) {daemon}: {}. {{}}", text.trim_end_matches('.'));
    };
    let (level, module, place, text) = (level(&own[1]), &own[2], &own[3], &own[4]);
    if let Some((component, state)) =
        text.strip_prefix("Broadcasting component state change: ").and_then(|change| change.split_once(" -> "))
        // It announces the units of single steps too.
        && ![".install", ".bootstrap"].iter().any(|step| component.ends_with(step))
    {
        return format!(
            "{time} [{level}] ({daemon}) {module}: service-set-state. \
{{serviceName={component}, currentState=unknown, newState={state}}}"
        );
    }
    format!("{time} [{level}] ({daemon}) {module}: {}. {{source={place}}}", text.trim_end_matches('.'))
}

fn level(letter: &str) -> &'static str {
    match letter {
        "E" => "ERROR",
        "W" => "WARN",
        "I" => "INFO",
        "D" => "DEBUG",
        _ => "TRACE",
    }
}

/// A message, which is a list of bytes if it is no plain text.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace('\n', " ")),
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> =
                bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).replace('\n', " "))
        }
        _ => None,
    }
}

fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(name, value)| name == key || has_key(value, key)),
        Value::Array(list) => list.iter().any(|value| has_key(value, key)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::log::{Span, changes, printed, started};
    use serde_json::json;

    fn entry(identifier: &str, unit: &str, message: impl Into<Value>) -> String {
        json!({
            "__REALTIME_TIMESTAMP": "1795468358131865", "PRIORITY": "6", "MESSAGE": message.into(),
            "SYSLOG_IDENTIFIER": identifier, "_SYSTEMD_UNIT": unit,
        })
        .to_string()
    }

    #[test]
    fn a_components_lines_are_read_back_with_their_step() {
        fidelity::fidelity!("lite-2");
        let reader =
            Reader::of([("com.example.Hello", "{}"), ("com.example.Lib", "Manifests: [{Lifecycle: {startup: x}}]")]);
        let bytes: Vec<Value> = "caf\u{e9}".bytes().map(Value::from).collect();
        let journal = [
            entry("com.example.Hello", "ggl.com.example.Hello.install.service", "  installing. {a=b}"),
            entry(
                "com.example.Hello",
                "ggl.com.example.Hello.service",
                "I[ggl-common] init.c:19: Nucleus version: 2.6.0",
            ),
            entry("com.example.Hello", "ggl.com.example.Hello.service", bytes),
            entry("com.example.Lib", "ggl.com.example.Lib.service", "up"),
            entry("sshd", "ssh.service", "not ours"),
        ];
        let files = reader.files(&journal.join("\n"));
        let lines = |name: &str| -> Vec<_> {
            let lines = printed(&files[name], Span::ALWAYS);
            lines.map(|line| (line.step, line.text, line.stream)).collect()
        };
        let line = |step: &str, text: &str| (step.to_owned(), text.to_owned(), None);
        assert_eq!(lines("com.example.Hello"), [line("install", "installing. {a=b}"), line("run", "caf\u{e9}")]);
        assert_eq!(lines("com.example.Lib"), [line("startup", "up")]);
        assert_eq!(files.len(), 2);
        let own =
            "2026-11-23T21:12:38.131Z [INFO] (recipe-runner) com.example.Hello: Nucleus version: 2.6.0. {step=run}";
        assert_eq!(files["com.example.Hello"].lines().nth(1), Some(own));
    }

    #[test]
    fn states_and_starts_are_read_from_the_daemons() {
        fidelity::fidelity!("lite-2");
        let unit = "ggl.core.gghealthd.service";
        let change =
            "I[gghealthd] subscriptions.c:318: Broadcasting component state change: com.example.BadRun -> BROKEN";
        let step = change.replace("BadRun", "BadRun.install");
        let mut start = entry("systemd", "", "Startup finished in 600ms.");
        let systemd: Value =
            serde_json::from_str(&entry("systemd", "init.scope", "Failed with result 'exit-code'.")).unwrap();
        let mut about = systemd;
        about["UNIT"] = "ggl.com.example.BadRun.service".into();
        about["PRIORITY"] = "4".into();
        start.push('\n');
        let journal = start
            + &entry("gghealthd", unit, change)
            + "\n"
            + &entry("gghealthd", unit, step)
            + "\n"
            + &about.to_string();
        let files = Reader::default().files(&journal);
        let log = &files["greengrass"];
        let seen: Vec<_> = changes(log, Span::ALWAYS).map(|change| (change.component, change.to)).collect();
        assert_eq!(seen, [("com.example.BadRun".to_owned(), "BROKEN".to_owned())]);
        assert!(started(log).is_some());
        let last = "[WARN] (systemd) systemd: Failed with result 'exit-code'. {unit=ggl.com.example.BadRun.service}";
        assert!(log.trim_end().ends_with(last), "{log}");
    }
}
