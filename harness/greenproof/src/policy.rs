//! IAM and IoT policies before they are rolled out: read from where teams keep them, explained, tried on a component,
//! and cut down to what it needs.
//!
//! [`source`] reads policies from JSON files, CloudFormation templates and Terraform plans; [`layers`] puts them together
//! for a request; [`recorded`] has the requests of a run; [`explain`] says why one is allowed or denied.

pub mod change;
pub mod explain;
pub mod form;
pub mod layers;
pub mod minimise;
pub mod recorded;
pub mod slot;
pub mod source;
mod template;
mod terraform;
pub mod trial;

pub use source::{Found, Role, Source, Written};

/// Why a policy or a request can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// `FILE`, `FILE:LINE:COLUMN`, or the option that is wrong.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Error {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), hint: hint.into() }
    }
}
