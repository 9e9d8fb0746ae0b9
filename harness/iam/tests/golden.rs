//! Decisions on which two independent readings of AWS's documentation agree, one a line in `data/identity.jsonl`.

use iam::{Document, Request, evaluate};
use serde_json::Value;
use std::collections::BTreeMap;

/// `[iam-1]` to `[iam-10]`
#[test]
fn every_case_is_decided_as_recorded() {
    let wrong: Vec<String> = include_str!("data/identity.jsonl").lines().filter_map(disagrees).collect();
    assert!(wrong.is_empty(), "{} cases disagree:\n{}", wrong.len(), wrong.join("\n"));
}

fn disagrees(line: &str) -> Option<String> {
    let case: Value = serde_json::from_str(line).expect("a case is JSON");
    let documents: Result<Vec<Document>, _> =
        case["policies"]["identity"].as_array().expect("a list of policies").iter().map(Document::parse).collect();
    let got = match documents {
        Ok(documents) => {
            let policies: Vec<(&str, &Document)> = documents.iter().map(|document| ("policy", document)).collect();
            format!("{:?}", evaluate(&policies, &request(&case["request"])).outcome)
        }
        Err(error) => error.to_string(),
    };
    (case["expected"] != got.as_str()).then(|| format!("{} ({}): {got}", case["id"], case["note"]))
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
