//! Any request is decided by any policies, and the reasons fit the decision. The input is a line as in
//! `tests/data/cases.jsonl`: `cargo fuzz run decide --fuzz-dir harness/iam/fuzz`.
#![no_main]

#[path = "../../tests/support/case.rs"]
mod case;

use iam::{Outcome, decide, explain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(value) = serde_json::from_str(text) else { return };
    let (policies, request) = (case::policies(&value), case::request(&value));
    let decision = decide(&policies, &request);
    let explanation = explain(&policies, &request);
    assert_eq!(decision, explanation.decision);
    assert_eq!(decision.clause("a:b").is_none(), decision.is_allowed());
    let denied = !explanation.denied_in().is_empty();
    let free = request.action().eq_ignore_ascii_case("sts:GetCallerIdentity");
    assert_eq!(denied && !free, decision.outcome == Outcome::ExplicitlyDenied);
    let _ = explanation.to_string();
});
