//! Any text is read or refused, and what is read can be asked:
//! `cargo fuzz run parse --fuzz-dir harness/iam/fuzz`.
#![no_main]

use iam::{Document, Kind, Policies, Policy, Principal, Request, decide};
use libfuzzer_sys::fuzz_target;

const KINDS: [Kind; 5] = [Kind::Managed, Kind::Trust, Kind::Resource, Kind::Rcp, Kind::Iot];

fuzz_target!(|text: &str| {
    for kind in KINDS {
        match Document::read(text, kind) {
            Ok(document) => ask(document),
            Err(error) => assert!(error.position().is_some() && !error.to_string().is_empty()),
        }
    }
    if let Ok(value) = serde_json::from_str(text) {
        ask(Document::unchecked(&value));
    }
});

fn ask(document: Document) {
    let policy = Policy::new("fuzz", document);
    let policies = Policies { identity: vec![policy.clone()], resource: Some(policy), ..Policies::default() };
    let request = Request::new("s3:GetObject", "arn:aws:s3:::b/k").with("aws:SourceIp", "10.0.0.1");
    let _ = decide(&policies, &request.by(Principal::parse("arn:aws:sts::1:assumed-role/R/s")));
}
