//! What differs when the same scenario runs on several cores, side by side.

use super::Core;
use crate::{
    evidence::{Evidence, StepSeen},
    report::Outcome,
    verdict::Verdict,
};
use std::{collections::BTreeMap, fmt::Write};

/// What a core showed, by what it is about.
type Shown = BTreeMap<String, String>;

/// A table of a scenario's outcomes, a column a core: verdicts, and each thing that was not the same on all of them.
/// Nothing where there is no more than one.
#[must_use]
pub fn table(outcomes: &[&Outcome]) -> Option<String> {
    if outcomes.len() < 2 {
        return None;
    }
    let columns: Vec<(Core, Shown)> =
        outcomes.iter().map(|outcome| (outcome.scenario.device.core, shown(outcome))).collect();
    let mut rows = vec!["verdict".to_owned()];
    // What was not run shows nothing that could differ.
    let ran = || columns.iter().filter(|(_, shown)| shown.len() > 1);
    let mut facts: Vec<_> = ran().flat_map(|(_, shown)| shown.keys()).filter(|fact| *fact != "verdict").collect();
    facts.sort();
    facts.dedup();
    let differs =
        |fact: &str| ran().any(|(_, shown)| Some(shown.get(fact)) != ran().next().map(|(_, first)| first.get(fact)));
    rows.extend(facts.into_iter().filter(|fact| differs(fact)).cloned());
    let cell = |shown: &Shown, row: &str| shown.get(row).map_or("-", String::as_str).to_owned();
    let lines = std::iter::once(row("", columns.iter().map(|(core, _)| core.to_string())));
    let lines = lines.chain(rows.iter().map(|name| row(name, columns.iter().map(|(_, shown)| cell(shown, name)))));
    Some(aligned(&lines.collect::<Vec<_>>()))
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(cells).collect()
}

/// What an outcome shows; times and ids are left out, since they always differ.
fn shown(outcome: &Outcome) -> Shown {
    let mut shown = Shown::new();
    let verdict = match &outcome.verdict {
        Verdict::Passed => "PASSED".to_owned(),
        Verdict::Failed { findings } => format!("FAILED ({})", findings.len()),
        Verdict::Skipped { .. } => "SKIPPED".to_owned(),
        Verdict::Unsupported { .. } => "UNSUPPORTED".to_owned(),
        Verdict::Broken { .. } => "BROKEN".to_owned(),
        Verdict::Flaky { .. } => "FLAKY".to_owned(),
    };
    shown.insert("verdict".into(), verdict);
    let Some(evidence) = &outcome.evidence else { return shown };
    // A nucleus reports its own services too.
    let own = outcome.scenario.named_components();
    for (index, step) in evidence.steps.iter().enumerate() {
        let place = if evidence.steps.len() > 1 { format!("step {} ", index + 1) } else { String::new() };
        of_step(step, &place, &own, &mut shown);
    }
    for (action, calls) in calls(evidence) {
        shown.insert(format!("calls {action}"), calls);
    }
    shown.insert("restarts of the core".into(), evidence.restarts.len().to_string());
    shown
}

fn of_step(step: &StepSeen, place: &str, own: &[String], shown: &mut Shown) {
    if let Some(deployment) = &step.deployment {
        shown.insert(format!("{place}deployment"), deployment.status.clone());
        shown.insert(format!("{place}detailed status"), deployment.detailed.clone());
        shown.insert(format!("{place}error types"), deployment.types.join(", "));
    }
    let own = step.states.iter().filter(|(name, _)| own.contains(name) && !name.starts_with("aws.greengrass."));
    shown.extend(own.map(|(name, state)| (format!("{place}state {name}"), state.clone())));
}

/// How many calls of each action were allowed, of how many.
fn calls(evidence: &Evidence) -> BTreeMap<String, String> {
    let mut calls: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for call in evidence.calls() {
        let (allowed, made) = calls.entry(call.decision.action.clone()).or_default();
        *made += 1;
        *allowed += usize::from(call.error_code.is_none());
    }
    calls.into_iter().map(|(action, (allowed, made))| (action, format!("{allowed} of {made}"))).collect()
}

fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let mut table = String::new();
    for line in lines {
        let cells = line.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        let text = cells.collect::<Vec<_>>().join("  ");
        _ = writeln!(table, "  {}", text.trim_end());
    }
    table.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;
    use std::{path::Path, time::Duration};

    fn outcome(core: Core, verdict: Verdict, change: impl Fn(&mut Evidence)) -> Outcome {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let mut scenario = Scenario::load(&root.join("scenarios/private-package.toml")).unwrap();
        scenario.device.core = core;
        let text = std::fs::read_to_string(root.join("evidence/private-package.json")).unwrap();
        let mut evidence: Evidence = serde_json::from_str(&text).unwrap();
        change(&mut evidence);
        Outcome { scenario, verdict, evidence: Some(evidence), folder: None, took: Duration::ZERO, again: Vec::new() }
    }

    #[test]
    fn only_what_differs_is_told() {
        fidelity::fidelity!("lite-5");
        let emulated = outcome(Core::Emulated, Verdict::Passed, |_| {});
        let lite = outcome(Core::Lite, Verdict::Passed, |evidence| {
            evidence.steps[0].deployment.as_mut().unwrap().detailed = "FAILED_ROLLBACK_NOT_REQUESTED".into();
        });
        let mut classic = outcome(Core::Classic, Verdict::Skipped { why: "not here".into() }, |_| {});
        classic.evidence = None;
        let table = table(&[&emulated, &lite, &classic]).unwrap();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines,
            [
                vec!["emulated", "lite", "classic"],
                vec!["verdict", "PASSED", "PASSED", "SKIPPED"],
                vec!["detailed", "status", "SUCCESSFUL", "FAILED_ROLLBACK_NOT_REQUESTED", "-"],
            ]
        );
        assert_eq!(super::table(&[&emulated]), None);
    }
}
