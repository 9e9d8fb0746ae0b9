//! Why a document is refused, in our words and in AWS's.

use crate::json::Position;
use std::fmt;

/// Why AWS would refuse a document.
///
/// The text names the place, the statement (from 0) and what is wrong with it, and says in brackets what IAM says, or S3
/// of a bucket's policy, where known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", Place(*.place, *.statement))]
pub struct Error {
    pub(super) place: Option<Position>,
    pub(super) statement: Option<usize>,
    pub(super) fault: Fault,
}

impl Error {
    /// What AWS answers, where that is known.
    #[must_use]
    pub fn aws_message(&self) -> Option<&str> {
        self.fault.said.as_deref()
    }

    /// Where in the text it is wrong; absent if the document was not read from a text.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.place
    }
}

/// What comes before the fault.
struct Place(Option<Position>, Option<usize>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.0 {
            write!(f, "{position}: ")?;
        }
        self.1.map_or(Ok(()), |index| write!(f, "statement {index}: "))
    }
}

/// The order in which IAM checks a document: of several faults it names one of the first check that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Syntax,
    Principal,
    Version,
    Legacy,
    LegacyResource,
    Sid,
    Actions,
    Resources,
    ResourceFormat,
    ActionFormat,
    /// Checks whose place among the others is not known.
    Other,
}

/// What is wrong with a document or a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) check: Check,
    detail: String,
    said: Option<String>,
    /// The service that says it.
    speaker: &'static str,
}

impl Fault {
    /// Something whose refusal has no known text.
    pub(super) fn refused(detail: impl Into<String>) -> Self {
        Self { check: Check::Other, detail: detail.into(), said: None, speaker: "IAM" }
    }

    /// Something that IAM refuses with a known text.
    pub(super) fn said(check: Check, detail: impl Into<String>, iam: impl Into<String>) -> Self {
        Self { check, said: Some(iam.into()), ..Self::refused(detail) }
    }

    /// The same, said by another service than IAM.
    pub(super) fn by(self, speaker: &'static str) -> Self {
        Self { speaker, ..self }
    }

    /// Something that IAM refuses as a syntax error.
    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self::said(Check::Syntax, detail, "Syntax errors in policy.")
    }

    /// Something that fails IAM's older parser.
    pub(super) fn legacy(check: Check, detail: impl Into<String>) -> Self {
        Self::said(check, detail, "The policy failed legacy parsing")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        match &self.said {
            Some(said) => write!(f, " ({} says: {said})", self.speaker),
            None => Ok(()),
        }
    }
}
