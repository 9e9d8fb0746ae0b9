//! Recorded decisions, one a line in `data/*.jsonl`, and documents that AWS takes or refuses.

#[path = "support/case.rs"]
mod case;
#[path = "support/document.rs"]
mod document;

use fidelity::fidelity;
use iam::{Layer, decide, explain};
use serde_json::Value;

/// Two independent readings of AWS's documentation agree on these.
#[test]
fn every_case_is_decided_as_recorded() {
    fidelity!("iam-1", "iam-2", "iam-3", "iam-4", "iam-5", "iam-6", "iam-7", "iam-8", "iam-9", "iam-10");
    agree(include_str!("data/cases.jsonl"), |case| {
        let (policies, request) = (case::policies(case), case::request(case));
        let explanation = explain(&policies, &request);
        let got = format!("{:?}", decide(&policies, &request).outcome);
        let expected = case["expected"].as_str().unwrap_or_default();
        let reasons = [("deny_in", explanation.denied_in()), ("no_allow_in", explanation.not_allowed_in())];
        let differs = reasons.iter().find(|(key, layers)| case.get(*key).is_some_and(|wanted| !same(wanted, layers)));
        match differs {
            _ if got != expected => Some(format!("{got} instead of {expected}\n{explanation}")),
            Some((key, layers)) => Some(format!("{key} is {} and not {layers:?}", case[*key])),
            None => None,
        }
    });
}

fn same(wanted: &Value, layers: &[Layer]) -> bool {
    let mut names: Vec<String> = layers.iter().map(ToString::to_string).collect();
    let mut wanted: Vec<String> =
        wanted.as_array().into_iter().flatten().map(|one| one.as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    wanted.sort();
    names == wanted
}

/// Cases on which readings differ: the documentation's word where it speaks, else the rule in `decided.jsonl`, whose
/// reason is in the list of promises.
#[test]
fn disputed_cases_stay_as_decided() {
    fidelity!("iam-22");
    let rules: Vec<Value> = include_str!("data/decided.jsonl").lines().map(read).collect();
    agree(include_str!("data/disputed.jsonl"), |case| {
        let got = format!("{:?}", decide(&case::policies(case), &case::request(case)).outcome);
        let id = case["id"].as_str().unwrap_or_default();
        let rule = rules.iter().find(|rule| rule["cases"].get(id).is_some());
        let decided = rule.and_then(|rule| rule["cases"][id].as_str());
        let expected = case["docs_expected"].as_str().or(decided);
        (expected != Some(got.as_str())).then(|| format!("{got} instead of {expected:?} by {rule:?}"))
    });
}

/// Documents that AWS takes or refuses, with its text where that is known.
#[test]
fn documents_are_taken_and_refused_as_by_aws() {
    fidelity!("iam-11");
    agree(include_str!("data/invalid.jsonl"), |case| {
        let valid = case["expected"] == "Valid";
        match document::check(case) {
            Ok(()) => (!valid).then(|| "taken".to_owned()),
            Err(error) => {
                let wanted = case["aws_message"].as_str();
                let right = !valid && wanted.is_none_or(|wanted| error.aws_message() == Some(wanted));
                (!right).then(|| error.to_string())
            }
        }
    });
}

/// Runs over the lines of a file; each that `differs` is told.
fn agree(lines: &str, differs: impl Fn(&Value) -> Option<String>) {
    let wrong: Vec<String> = lines
        .lines()
        .filter_map(|line| {
            let case = read(line);
            differs(&case).map(|how| format!("{} ({}): {how}", case["id"], case["note"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.lines().count(), wrong.join("\n"));
}

fn read(line: &str) -> Value {
    serde_json::from_str(line).expect("a line is JSON")
}
