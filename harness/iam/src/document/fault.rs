//! What is wrong with a document, in our words and in IAM's.

use std::fmt;

/// The answer of IAM to most broken documents.
const SYNTAX: &str = "Syntax errors in policy.";

/// What is wrong with a document or a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    detail: String,
    iam: Option<String>,
}

impl Fault {
    /// Something that no source says how AWS decides, or whose refusal has no known text.
    pub(crate) fn undecided(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), iam: None }
    }

    /// Something that IAM refuses with a known text.
    pub(crate) fn said(detail: impl Into<String>, iam: impl Into<String>) -> Self {
        Self { detail: detail.into(), iam: Some(iam.into()) }
    }

    /// Something that IAM refuses as a syntax error.
    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::said(detail, SYNTAX)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        match &self.iam {
            Some(iam) => write!(f, " (IAM says: {iam})"),
            None => Ok(()),
        }
    }
}
