//! IAM policies and decisions: pure, synchronous, no I/O and no clock.
//!
//! A [`Document`] is parsed once and then asked with [`evaluate()`] (identity policies), [`iot::evaluate`] (IoT policies)
//! or [`trusts_service`] (role trust policies). What this crate can't decide as AWS does is refused by the parser with an
//! error that names it; nothing is guessed.
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
mod document;
mod evaluate;
pub mod iot;
mod pattern;
mod variable;

pub use document::{Document, Error};
pub use evaluate::{Decision, Outcome, Request, StatementRef, evaluate, trusts_service};
