use super::*;
use crate::{
    report::{Came, Event},
    verdict::{Finding, Kind},
};
use std::{collections::BTreeMap, time::Duration};

fn outcome(verdict: Verdict) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/scenarios/inline.toml");
    let scenario = Scenario::load(&path).unwrap();
    Outcome { scenario, verdict, evidence: None, folder: None, took: Duration::from_secs(1), again: Vec::new() }
}

fn failed() -> Verdict {
    let finding = Finding { kind: Kind::Line, expected: "a line".into(), seen: "none".into() };
    Verdict::Failed { findings: vec![finding] }
}

fn judged(outcome: &Outcome) -> report::Judged {
    match Event::now(Told::judged(outcome, BTreeMap::new())).told {
        Told::Judged(judged) => *judged,
        other => panic!("it is judged: {other:?}"),
    }
}

#[test]
fn what_passes_later_is_flaky_with_the_findings_of_the_first_attempt() {
    fidelity::fidelity!("retry-1");
    let broken = Verdict::Broken { what: "no disk".into() };
    let flaky = with(with(outcome(failed()), outcome(broken)), outcome(Verdict::Passed));
    assert!(flaky.is_red() && !may_pass(&flaky), "it is red, and needs no further attempt");
    let told = judged(&flaky);
    assert_eq!((told.verdict, told.why.as_str()), (Came::Flaky, "it passed in attempt 3"));
    assert_eq!(told.findings[0].expected, "a line");
    let attempts: Vec<_> = told.attempts.iter().map(|attempt| attempt.verdict).collect();
    assert_eq!(attempts, [Came::Failed, Came::Broken, Came::Passed]);
    let first = with(outcome(Verdict::Broken { what: "no disk".into() }), outcome(Verdict::Passed));
    assert_eq!(judged(&first).why, "it passed in attempt 2; before: no disk");
}

#[test]
fn what_never_passes_is_as_red_as_the_first_time() {
    let red = with(with(outcome(failed()), outcome(failed())), outcome(failed()));
    assert!(may_pass(&red));
    let told = judged(&red);
    assert_eq!((told.verdict, told.why.as_str(), told.attempts.len()), (Came::Failed, "", 3));
}

#[test]
fn only_what_may_pass_is_run_again() {
    assert!(!may_pass(&outcome(Verdict::Passed)));
    assert!(!may_pass(&outcome(Verdict::Unsupported { what: "IPC".into() })));
    assert!(!may_pass(&outcome(Verdict::Skipped { why: "none".into() })));
    assert_eq!(named(&outcome(Verdict::Passed).scenario, 2).name, "inline-attempt-2");
}
