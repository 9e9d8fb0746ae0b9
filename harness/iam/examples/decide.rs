//! Decides the cases on standard input, one a line, and prints one decision a line:
//! `cargo run -p iam --example decide < harness/iam/tests/data/cases.jsonl`.

#[path = "../tests/support/case.rs"]
mod case;

use serde_json::{Value, json};
use std::io::{BufRead, Write, stdin, stdout};

fn main() -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        let Ok(case) = serde_json::from_str::<Value>(&line) else { continue };
        let (policies, request) = (case::policies(&case), case::request(&case));
        let decision = format!("{:?}", iam::decide(&policies, &request).outcome);
        writeln!(out, "{}", json!({"id": case["id"], "decision": decision}))?;
    }
    Ok(())
}
