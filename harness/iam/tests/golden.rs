//! Recorded decisions, one a line in `data/*.jsonl`, and documents that IAM takes or refuses.

use iam::{Document, Request, evaluate};
use serde_json::Value;
use std::collections::BTreeMap;

/// `[iam-1]`, `[iam-2]`, `[iam-3]`, `[iam-4]`, `[iam-5]`, `[iam-6]`, `[iam-7]`, `[iam-8]`, `[iam-9]`, `[iam-10]`: two independent readings of AWS's documentation agree on these.
#[test]
fn every_case_is_decided_as_recorded() {
    agree(include_str!("data/identity.jsonl"));
}

/// Cases on which readings differ: the documentation's word where it speaks, else what is decided here, so that a change
/// shows. `Refused` stands for a document that the parser does not take.
#[test]
fn disputed_cases_stay_as_decided() {
    agree(include_str!("data/disputed.jsonl"));
}

fn agree(cases: &str) {
    let wrong: Vec<String> = cases.lines().filter_map(disagrees).collect();
    assert!(wrong.is_empty(), "{} cases disagree:\n{}", wrong.len(), wrong.join("\n"));
}

fn disagrees(line: &str) -> Option<String> {
    let case: Value = serde_json::from_str(line).expect("a case is JSON");
    let documents: Result<Vec<Document>, _> =
        case["policies"]["identity"].as_array().expect("a list of policies").iter().map(Document::parse).collect();
    let (got, why) = match documents {
        Ok(documents) => {
            let policies = documents.iter().map(|document| ("policy", document));
            (format!("{:?}", evaluate(policies, &request(&case["request"])).outcome), String::new())
        }
        Err(error) => ("Refused".to_owned(), error.to_string()),
    };
    (case["expected"] != got.as_str())
        .then(|| format!("{} ({}): {got} instead of {} {why}", case["id"], case["note"], case["expected"]))
}

fn request(value: &Value) -> Request {
    let context: BTreeMap<String, Vec<String>> = value["context"]
        .as_object()
        .expect("the context is an object")
        .iter()
        .map(|(key, value)| (key.to_lowercase(), texts(value)))
        .collect();
    let text = |key: &str| value[key].as_str().expect("a text").to_owned();
    Request { action: text("action"), resource: text("resource"), context }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// `[iam-11]`: documents that IAM takes or refuses; `Undecided` are those that IAM takes and no source gives a meaning to.
#[test]
fn documents_are_taken_and_refused_as_by_iam() {
    let wrong: Vec<String> = include_str!("data/documents.jsonl").lines().filter_map(misread).collect();
    assert!(wrong.is_empty(), "{} documents are misread:\n{}", wrong.len(), wrong.join("\n"));
}

fn misread(line: &str) -> Option<String> {
    let case: Value = serde_json::from_str(line).expect("a case is JSON");
    let valid = case["expected"] == "Valid";
    let (right, got) = match Document::parse(&case["policy"]) {
        Ok(_) => (valid, "taken".to_owned()),
        Err(error) => {
            let text = error.to_string();
            (!valid && case["iam"].as_str().is_none_or(|iam| text.contains(iam)), text)
        }
    };
    (!right).then(|| format!("{} ({}): {got}", case["id"], case["note"]))
}
