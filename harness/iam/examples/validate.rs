//! Checks the documents on standard input, one a line, and prints one answer a line:
//! `cargo run -p iam --example validate < harness/iam/tests/data/invalid.jsonl`.

#[path = "../tests/support/document.rs"]
mod document;

use serde_json::{Value, json};
use std::io::{BufRead, Write, stdin, stdout};

fn main() -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        let Ok(case) = serde_json::from_str::<Value>(&line) else { continue };
        let error = document::check(&case).err();
        let message = error.as_ref().map(|error| error.aws_message().map_or_else(|| error.to_string(), str::to_owned));
        writeln!(out, "{}", json!({"id": case["id"], "valid": error.is_none(), "message": message}))?;
    }
    Ok(())
}
