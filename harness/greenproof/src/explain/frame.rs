//! What stands around a log line's own words: who wrote it, and in what kind of file.

use regex::bytes::Regex;
use std::sync::LazyLock;

/// A kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was written as it happened.
    #[default]
    Log,
    /// `effectiveConfig.yaml`, or a recipe.
    Config,
    /// A policy document.
    Policy,
}

impl Kind {
    /// The kind of a file that begins like this.
    pub(super) fn of(beginning: &[u8]) -> Self {
        static SERVICES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^services:\s*$"));
        static SYSTEM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^system:\s*$"));
        static RECIPE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?mi)^[\s{]*"?RecipeFormatVersion"?\s*:"#));
        static POLICY: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^\s*\{[^}]*"(?:Version|Statement|Effect)"\s*:"#));
        if RECIPE.is_match(beginning) || (SERVICES.is_match(beginning) && SYSTEM.is_match(beginning)) {
            Self::Config
        } else if POLICY.is_match(beginning) && contains(beginning, b"\"Effect\"") {
            Self::Policy
        } else {
            Self::Log
        }
    }
}

/// Who wrote a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writer<'a> {
    /// A component, or a service of the system.
    Named(&'a [u8]),
    /// The core.
    Core,
    /// The line does not say: it goes on with what an earlier one began, or its file has no such form.
    Unsaid,
}

/// The names of the programs that nucleus lite is made of.
const LITE: [&[u8]; 12] = [
    b"ggdeploymentd",
    b"gghealthd",
    b"ggconfigd",
    b"ggpubsubd",
    b"ggipcd",
    b"iotcored",
    b"tesd",
    b"tes-serverd",
    b"gg-fleet-statusd",
    b"ggl-cli",
    b"fleet-provisioning",
    b"recipe2unit",
];

impl<'a> Writer<'a> {
    /// The writer of a line, in the classic nucleus's text or JSON form, or the journal's.
    pub(super) fn of(line: &'a [u8]) -> Self {
        static NAMES: LazyLock<Regex> = LazyLock::new(|| {
            pattern(r#"(?:serviceName=|\\?"(?:serviceName|SYSLOG_IDENTIFIER|UNIT)\\?"\s*:\s*\\?")([^\s,}"\\]+)"#)
        });
        static CLASSIC: LazyLock<Regex> =
            LazyLock::new(|| pattern(r"^\d{4}-\d\d-\d\dT[\d:.]+Z \[[A-Z]+\] \([^)]*\) ([\w.$-]+): "));
        static JOURNAL: LazyLock<Regex> = LazyLock::new(|| {
            pattern(
                r"^(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\d[T ]\S+) \S+ ([\w.@/-]+)\[\d+\]: ",
            )
        });
        if let Some(found) = NAMES.captures(line) {
            return Self::named(found.get(1).map_or(b"", |name| name.as_bytes()), line);
        }
        if let Some(found) = CLASSIC.captures(line) {
            return Self::named(found.get(1).map_or(b"", |name| name.as_bytes()), line);
        }
        match JOURNAL.captures(line) {
            Some(found) => Self::named(found.get(1).map_or(b"", |name| name.as_bytes()), line),
            None if line.starts_with(b"{\"") && contains(line, b"loggerName") => Self::Core,
            None => Self::Unsaid,
        }
    }

    fn named(name: &'a [u8], line: &'a [u8]) -> Self {
        static UNIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([\w.@-]+)\.service\b"));
        static CHANGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"state change: (\S+) -> "));
        static STEP: LazyLock<Regex> = LazyLock::new(|| pattern(r": (\S+)\.(?:install|bootstrap) is broken"));
        let about = match name {
            b"systemd" => &UNIT,
            b"gghealthd" => &CHANGE,
            b"ggdeploymentd" => &STEP,
            _ if name.starts_with(b"com.aws.greengrass.") || LITE.contains(&name) => return Self::Core,
            _ => return Self::Named(bare(name)),
        };
        let about = about.captures(line).and_then(|found| found.get(1));
        about.map_or(Self::Core, |name| Self::Named(bare(name.as_bytes())))
    }
}

/// A component's name, of the name of its unit.
fn bare(unit: &[u8]) -> &[u8] {
    let mut name = unit.strip_prefix(b"ggl.").unwrap_or(unit);
    for end in [&b".service"[..], b".install", b".bootstrap"] {
        name = name.strip_suffix(end).unwrap_or(name);
    }
    name
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lines_writer_is_read_from_every_form() {
        let component = Writer::Named(b"com.example.A");
        for line in [
            "2026-11-28T10:00:00Z [WARN] (Copier) com.example.A: stderr. x. {scriptName=services.com.example.A.lifecycle.Install.Script, serviceName=com.example.A, currentState=NEW}",
            r#"{"thread":"Copier","level":"WARN","eventType":"stderr","message":"x","contexts":{"serviceName":"com.example.A"},"loggerName":"com.example.A","timestamp":1,"cause":null}"#,
            "2026-11-28T10:00:00.001Z [INFO] (pool-2-thread-3) com.aws.greengrass.lifecyclemanager.GenericExternalService: service-set-state. {serviceName=com.example.A, currentState=NEW, newState=INSTALLED}",
            "Nov 23 21:09:15.540314 lite1 com.example.A[295]: hello",
            "2026-11-23T21:09:15+0000 lite1 com.example.A[295]: hello",
            "Nov 23 21:09:15 lite1 systemd[1]: ggl.com.example.A.install.service: Main process exited, code=exited, status=1/FAILURE",
            "Nov 23 21:09:15 lite1 gghealthd[77]: I[gghealthd] subscriptions.c:318: Broadcasting component state change: com.example.A -> BROKEN",
            "Nov 23 21:09:15 lite1 ggdeploymentd[7]: E[ggdeploymentd] deployment_handler.c:2491: com.example.A.install is broken.",
            r#"{"SYSLOG_IDENTIFIER":"com.example.A","MESSAGE":"hello"}"#,
        ] {
            assert_eq!(Writer::of(line.as_bytes()), component, "{line}");
        }
        for line in [
            "2026-11-28T10:00:00Z [ERROR] (pool-2-thread-20) com.aws.greengrass.tes.CredentialRequestHandler: x. {iotCredentialsPath=/role-aliases/a/credentials}",
            "Nov 23 21:09:15 lite1 iotcored[7]: E[iotcored] mqtt.c:779: x",
        ] {
            assert_eq!(Writer::of(line.as_bytes()), Writer::Core, "{line}");
        }
        for line in ["\tat com.example.A.b(C.java:3)", "fatal: x", "", "  \"serviceNameX\": 1"] {
            assert_eq!(Writer::of(line.as_bytes()), Writer::Unsaid, "{line}");
        }
    }

    #[test]
    fn a_files_kind_is_known_by_its_beginning() {
        let config = "---\nsystem:\n  thingName: \"x\"\nservices:\n  main:\n";
        assert_eq!(Kind::of(config.as_bytes()), Kind::Config);
        assert_eq!(Kind::of(b"---\nRecipeFormatVersion: '2020-01-25'\n"), Kind::Config);
        assert_eq!(
            Kind::of(b"{\n \"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\"}]}"),
            Kind::Policy
        );
        assert_eq!(Kind::of(b"{\"status\": \"FAILED\"}"), Kind::Log);
        assert_eq!(Kind::of(b""), Kind::Log);
    }
}
