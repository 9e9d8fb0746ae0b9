//! Verdicts as text: for a person, and as JSON.

use super::{Level, Remark, Verdict};
use serde_json::{Value, json};
use std::fmt::Write;

impl Level {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Style => "style",
            Self::Lite => "lite",
        }
    }
}

/// One line a remark, its fix below, and what follows for either nucleus.
#[must_use]
pub fn human(file: &str, verdict: &Verdict) -> String {
    let mut text = String::new();
    for Remark { rule, level, place, message, fix } in &verdict.remarks {
        _ = writeln!(text, "{file}:{}:{}: {}[{rule}] {message}", place.line, place.column, level.name());
        _ = writeln!(text, "    fix: {fix}");
    }
    let count = |level| verdict.remarks.iter().filter(|remark| remark.level == level).count();
    let classic = if verdict.has(Level::Error) { "refuses it".into() } else { accepted(verdict) };
    let lite = match count(Level::Lite) {
        0 if verdict.has(Level::Error) => "not looked at".to_owned(),
        0 => "nothing against it".to_owned(),
        count => format!("{count} against it"),
    };
    _ = writeln!(
        text,
        "{file}: classic nucleus: {classic}; nucleus lite: {lite}; {} warnings, {} of style",
        count(Level::Warning),
        count(Level::Style)
    );
    text
}

/// Which manifest is for whom.
fn accepted(verdict: &Verdict) -> String {
    let manifests =
        verdict.manifests.iter().map(|(architecture, manifest)| format!("manifest {manifest} on {architecture}"));
    format!("takes {}", manifests.collect::<Vec<_>>().join(", "))
}

/// A verdict as one JSON object.
#[must_use]
pub fn json(file: &str, verdict: &Verdict) -> Value {
    let remark = |remark: &Remark| {
        json!({
            "rule": remark.rule, "level": remark.level.name(), "line": remark.place.line, "column": remark.place.column,
            "message": remark.message, "fix": remark.fix,
        })
    };
    json!({
        "file": file,
        "classic": {"accepts": !verdict.has(Level::Error), "manifests": verdict.manifests},
        "lite": {"accepts": !verdict.has(Level::Error) && !verdict.has(Level::Lite)},
        "remarks": verdict.remarks.iter().map(remark).collect::<Vec<_>>(),
    })
}
