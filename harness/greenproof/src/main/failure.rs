//! Why a program ends without an outcome, and how it says so.

use std::{io::Write, process::ExitCode};

/// Why a command, or a part, ended without an outcome.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// Says it on standard error, and with the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n  hint: {}", self.hint) };
        // A closed standard error leaves nobody to tell; the exit code still does.
        _ = writeln!(std::io::stderr().lock(), "error: {}{hint}", self.message);
        ExitCode::from(self.code)
    }
}
