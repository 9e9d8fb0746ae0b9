//! IAM policies and decisions: pure, synchronous, no I/O and no clock.
//!
//! A [`Document`] is read once, which refuses what AWS would refuse. [`decide()`] decides a [`Request`] by all the
//! [`Policies`] that bear on it, and [`explain()`] says why; [`evaluate()`] asks identity policies alone, [`iot::evaluate`]
//! those of a certificate.
//!
//! ```
//! let policy = iam::Document::parse(&serde_json::json!({
//!     "Version": "2012-10-17",
//!     "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::artifacts/*"},
//! }))?;
//! let request = iam::Request::new("s3:GetObject", "arn:aws:s3:::artifacts/a.zip");
//! assert!(iam::evaluate([("read", &policy)], &request).is_allowed());
//! # Ok::<(), iam::Error>(())
//! ```

mod condition;
mod decision;
mod document;
mod explanation;
pub mod iot;
mod json;
mod pattern;
mod policies;
mod principal;
mod request;
mod variable;

pub use decision::{Decision, Outcome, StatementRef, decide, evaluate, trusts_service};
pub use document::{Document, Effect, Error, Kind};
pub use explanation::{ConditionReport, Explanation, LayerReport, StatementReport, explain};
pub use json::Position;
pub use policies::{Layer, Policies, Policy};
pub use principal::{Identity, Principal};
pub use request::Request;
