//! IAM policies and decisions: pure, synchronous, no I/O and no clock.
//!
//! A [`Document`] is read once, which refuses what AWS would refuse. [`decide()`] decides a [`Request`] by all the
//! [`Policies`] that bear on it, and [`explain()`] says why. IoT policies are the identity policies of a certificate: they are
//! written and read alike, but for MQTT's `+` and `#`, which are plain characters.
//!
//! ```
//! let policy = iam::Document::parse(&serde_json::json!({
//!     "Version": "2012-10-17",
//!     "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::artifacts/*"},
//! }))?;
//! let policies = iam::Policies { identity: vec![iam::Policy::new("read", policy)], ..Default::default() };
//! let session = iam::Principal::parse("arn:aws:sts::111122223333:assumed-role/Core/thing");
//! let request = iam::Request::new("s3:GetObject", "arn:aws:s3:::artifacts/a.zip").by(session);
//! assert!(iam::decide(&policies, &request).is_allowed());
//! # Ok::<(), iam::Error>(())
//! ```

mod condition;
mod decision;
mod document;
mod explanation;
mod json;
mod pattern;
mod policies;
mod principal;
mod request;
mod variable;

pub use decision::{Decision, Outcome, StatementRef, decide};
pub use document::{Document, Effect, Error, Kind};
pub use explanation::{ConditionReport, Explanation, LayerReport, StatementReport, explain};
pub use json::Position;
pub use policies::{Layer, Policies, Policy};
pub use principal::{Identity, Principal};
pub use request::Request;
