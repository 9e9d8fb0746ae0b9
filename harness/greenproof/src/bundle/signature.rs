//! By what a failure is known again: what of it is the same whenever and wherever it happens.
//!
//! Accounts, names of things, ids, times and what else is minted are replaced by what they are, such as `{account}`. A
//! [`Signature`] of a run says more than one that is read from a device's logs; what one does not say is not compared.

use crate::{
    evidence::{
        Ending, Evidence, Progress,
        log::{self, Span},
    },
    redact::MASK,
    reproduce,
    scenario::Stream,
    verdict::Verdict,
};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// In place of a failure's id where nothing failed.
const NONE: &str = "none";

/// How many of a script's last lines are kept.
const LAST: usize = 3;

/// By what a failure is known again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The findings: their kinds, and what was expected. Logs alone have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<BTreeSet<String>>,
    /// The failure of the library that explains it best; `none` of what passed, which is like no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How the last deployment with a status ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployed>,
    /// What was waited for when patience ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The components that went wrong.
    #[serde(default)]
    pub components: BTreeMap<String, Wrong>,
}

/// How a deployment ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// Its status.
    pub status: String,
    /// Its detailed status.
    pub detailed: String,
    /// Its error stack.
    pub stack: Vec<String>,
    /// Its error types.
    pub types: Vec<String>,
}

/// How a component went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// The lifecycle step that printed last, such as `Install`.
    pub step: Option<String>,
    /// The last exit code that was not 0.
    pub exit: Option<i64>,
    /// What that step printed last to standard error.
    pub words: Vec<String>,
}

/// What is minted for a run or belongs to a device, by what it is.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<(String, &'static str)>);

impl Known {
    /// Values that stand for themselves, longest first.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = (String, &'static str)>) -> Self {
        let mut known: Vec<_> = values.into_iter().filter(|(value, _)| value.len() > 3).collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(known)
    }

    /// What is minted for a run.
    #[must_use]
    pub fn of_run(evidence: &Evidence) -> Self {
        Self::of([
            (evidence.account.clone(), "account"),
            (evidence.thing.clone(), "thing"),
            (evidence.certificate.clone(), "certificate"),
            (evidence.environment.clone(), "environment"),
        ])
    }

    /// A text with all that changes from run to run replaced by what it is.
    #[must_use]
    pub fn stable(&self, text: &str) -> String {
        let text =
            self.0.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, &format!("{{{name}}}")));
        CHANGING.iter().fold(text, |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
    }
}

/// What changes from run to run, whatever its value.
static CHANGING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "{time}"),
        (r"\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "{id}"),
        // A store of many files, such as pip's cache, makes folders of an id's first digits.
        (r"(\b[0-9a-f]{2}/)*\b[0-9a-f]{32,}\b", "{id}"),
        (r"\b(ASIA|AKIA)[A-Z2-7]{16}\b", "{key}"),
        (r"\b[A-Z0-9]{16}\b", "{id}"),
        (r"\b[a-z0-9]{14}(-ats)?\.(iot|credentials)\b", "{endpoint}"),
        (r"(secret:[\w/+=.@-]+)-[A-Za-z0-9]{6}\b", "$1-{suffix}"),
        (r"\b\d{12}\b", "{account}"),
        (r"\b(localhost|127\.0\.0\.1):\d+", "$1:{port}"),
        (r"\b\d{1,3}(\.\d{1,3}){3}\b", "{address}"),
        (r"/tmp/[\w.-]+", "/tmp/{name}"),
        (r"\b[Pp][Ii][Dd][ :=]+\d+", "pid {pid}"),
        (r"\b\d+(\.\d+)? ?(ms|s|seconds?|minutes?|[kKMG]i?B(/s)?|bytes)\b", "{amount} $2"),
    ];
    let pattern = |(pattern, name)| (Regex::new(pattern).expect("the pattern is one"), name);
    patterns.map(pattern).into()
});

impl Signature {
    /// The signature of a run.
    #[must_use]
    pub fn of(verdict: &Verdict, evidence: &Evidence) -> Self {
        let known = Known::of_run(evidence);
        let finding =
            |finding: &crate::verdict::Finding| format!("{}: {}", finding.kind, known.stable(&finding.expected));
        let waiting = match &evidence.ending {
            Ending::Stuck { waiting_for, .. } => Some(known.stable(waiting_for)),
            _ => None,
        };
        let told = evidence.last_deployment();
        // What passed has no failure to explain, and the library is large.
        let failed = !matches!(verdict, Verdict::Passed);
        Self {
            findings: Some(verdict.findings().iter().map(finding).collect()),
            failure: if failed {
                reproduce::explained(&evidence.core_log, &evidence.component_logs)
            } else {
                Some(NONE.to_owned())
            },
            deployment: told.map(Deployed::of),
            waiting,
            components: wrong(&evidence.core_log, &evidence.component_logs, &known),
        }
    }
}

impl Deployed {
    fn of(progress: &Progress) -> Self {
        let Progress { status, detailed, stack, types, .. } = progress.clone();
        Self { status, detailed, stack, types }
    }
}

/// The components that went wrong, by what the logs say.
pub(crate) fn wrong(core_log: &str, logs: &BTreeMap<String, String>, known: &Known) -> BTreeMap<String, Wrong> {
    let bad = |state: &str| matches!(state, "ERRORED" | "BROKEN");
    let changed: BTreeSet<_> =
        log::changes(core_log, Span::ALWAYS).filter(|change| bad(&change.to)).map(|change| change.component).collect();
    let wrong = |name: String| {
        let wrong = Wrong::of(logs.get(&name).map_or("", String::as_str), known);
        (name, wrong)
    };
    changed.into_iter().map(wrong).collect()
}

impl Wrong {
    /// What a component's log says of it.
    pub(crate) fn of(log: &str, known: &Known) -> Self {
        static EXIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"exitCode\W+(\d+)").expect("the pattern is one"));
        let printed: Vec<_> = log::printed(log, Span::ALWAYS).collect();
        let errors: Vec<_> = printed.iter().filter(|line| line.stream != Some(Stream::Stdout)).collect();
        let step = errors.last().copied().or(printed.last()).map(|line| line.step.clone());
        let of_step = errors.iter().filter(|line| Some(&line.step) == step.as_ref());
        let mut words: Vec<_> = of_step.map(|line| known.stable(&line.text)).collect();
        // A script that is tried again says the same again.
        words.dedup();
        words.drain(..words.len().saturating_sub(LAST));
        let exits = EXIT.captures_iter(log).filter_map(|found| found[1].parse().ok());
        Self { step, exit: exits.filter(|code| *code != 0).last(), words }
    }
}

/// One thing that two signatures say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub what: String,
    /// What the one says; absent where it says nothing.
    pub there: Option<String>,
    /// What the other says.
    pub here: Option<String>,
    /// Whether a difference in it makes another failure of it.
    pub decides: bool,
}

impl Row {
    /// Whether both say the same, or one says nothing.
    #[must_use]
    pub fn agrees(&self) -> bool {
        match (&self.there, &self.here) {
            (Some(there), Some(here)) => alike(there, here),
            _ => true,
        }
    }
}

/// Whether two texts are the same but for what is masked in one of them.
fn alike(one: &str, other: &str) -> bool {
    let matches = |pattern: &str, text: &str| {
        let parts: Vec<_> = pattern.split(MASK).map(regex::escape).collect();
        Regex::new(&format!("(?s)^{}$", parts.join(".*"))).is_ok_and(|pattern| pattern.is_match(text))
    };
    one == other || matches(one, other) || matches(other, one)
}

/// Something that a signature says of a deployment.
type Fact = fn(&Deployed) -> String;

/// Two signatures side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What is compared, in order.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Compares what was to happen with what did. Where both are explained by a failure of the library, what the scripts
    /// said decides nothing: other versions of tools say the same thing in other words.
    #[must_use]
    pub fn of(there: &Signature, here: &Signature) -> Self {
        let explained = [there, here].iter().all(|it| it.failure.as_deref().is_some_and(reproduce::explains));
        let mut rows = Vec::new();
        let mut row = |what: &str, decides, there: Option<String>, here: Option<String>| {
            if there.is_some() || here.is_some() {
                rows.push(Row { what: what.to_owned(), there, here, decides });
            }
        };
        row("failure", true, there.failure.clone(), here.failure.clone());
        let findings =
            |of: &Signature| of.findings.as_ref().map(|all| all.iter().cloned().collect::<Vec<_>>().join("\n"));
        row("findings", true, findings(there), findings(here));
        let deployed = |of: fn(&Deployed) -> String, it: &Signature| it.deployment.as_ref().map(of);
        let both = |of: fn(&Deployed) -> String| (deployed(of, there), deployed(of, here));
        let facts: [(&str, Fact); 3] = [
            ("deployment", |it| format!("{} {}", it.status, it.detailed).trim().to_owned()),
            ("error stack", |it| it.stack.join("\n")),
            ("error types", |it| it.types.join(" ")),
        ];
        for (what, of) in facts {
            let (there, here) = both(of);
            let said = |text: &String| !text.is_empty();
            row(what, true, there.filter(said), here.filter(said));
        }
        row("waits for", true, there.waiting.clone(), here.waiting.clone());
        let names: BTreeSet<_> = there.components.keys().chain(here.components.keys()).collect();
        for name in names {
            let (one, other) = (there.components.get(name), here.components.get(name));
            let went = |it: Option<&Wrong>| it.map_or_else(|| "went well".to_owned(), Wrong::how);
            row(name, true, Some(went(one)), Some(went(other)));
            let words = |it: Option<&Wrong>| it.map(|it| it.words.join("\n")).filter(|words| !words.is_empty());
            row("  says", !explained, words(one), words(other));
        }
        Self { rows }
    }

    /// Whether it is the same failure.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.rows.iter().all(|row| !row.decides || row.agrees())
    }

    /// Both as a table, a column each.
    #[must_use]
    pub fn table(&self, there: &str, here: &str) -> String {
        let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let width =
            self.rows.iter().filter_map(|row| cell(&row.there).lines().map(|line| line.chars().count()).max()).max();
        let width = width.unwrap_or_default().clamp(there.chars().count(), 60);
        let title = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default().max(10);
        let mut lines = vec![format!("    {:<title$}  {there:<width$}  {here}", "")];
        for row in &self.rows {
            let mark = match (row.agrees(), row.decides) {
                (true, _) => "=",
                (false, true) => "✗",
                (false, false) => "~",
            };
            let (one, other) = (wrapped(&cell(&row.there), width), wrapped(&cell(&row.here), 60));
            for index in 0..one.len().max(other.len()) {
                let (mark, what) = if index == 0 { (mark, row.what.as_str()) } else { ("", "") };
                let part = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
                let line = format!("  {mark:<1} {what:<title$}  {:<width$}  {}", part(&one), part(&other));
                lines.push(line.trim_end().to_owned());
            }
        }
        lines.join("\n")
    }
}

/// The lines of a text, none longer than this.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let cut = |line: &str| {
        let letters: Vec<char> = line.chars().collect();
        letters.chunks(width.max(1)).map(|part| part.iter().collect()).collect::<Vec<String>>()
    };
    text.lines().flat_map(cut).collect()
}

impl Wrong {
    fn how(&self) -> String {
        let step = self.step.as_ref().map_or_else(|| "went wrong".to_owned(), |step| format!("{step} failed"));
        self.exit.map_or_else(|| step.clone(), |code| format!("{step} with exit code {code}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_passed_is_like_no_failure() {
        fidelity::fidelity!("reproduce-2");
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/evidence/private-package.json");
        let evidence: Evidence = serde_json::from_str(&std::fs::read_to_string(stored).unwrap()).unwrap();
        let passed = Signature::of(&Verdict::Passed, &evidence);
        for failure in ["F14", "unknown"] {
            // A finding of the whole run, such as a leak: no deployment and no component failed.
            let wanted = Signature { failure: Some(failure.to_owned()), findings: None, ..passed.clone() };
            let comparison = Comparison::of(&wanted, &Signature { findings: None, ..passed.clone() });
            assert!(!comparison.is_same(), "{comparison:?}");
            assert!(Comparison::of(&wanted, &wanted).is_same());
        }
    }
}
