//! Answers on standard output, for a person or as JSON; all that is said besides goes to standard error.

use super::command::Failure;
use greenproof::exit;
use serde::Serialize;
use std::io::{self, Write};

/// Prints an answer. A reader who has gone has seen enough; what else hinders is told.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("can't write the answer to standard output: {error}");
            Err(Failure::new(exit::ENVIRONMENT, message, "give it a place that can be written, with space left"))
        }
        _ => Ok(()),
    }
}

/// Prints an answer as JSON, for a person to read too.
pub(super) fn json(answer: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(answer);
    print(&(text.map_err(|error| Failure::new(exit::FAULT, format!("writing JSON: {error}"), ""))? + "\n"))
}

/// Says something that is no part of the answer.
pub(super) fn remark(text: &str) {
    // A closed standard error leaves nobody to tell; the exit code still does.
    _ = writeln!(io::stderr().lock(), "{text}");
}
