//! The labels on everything that greenproof creates in an engine.

use std::collections::HashMap;

/// On everything; its value is [`OURS_VALUE`].
pub(crate) const OURS: &str = "greenproof";
/// Value of [`OURS`].
pub(crate) const OURS_VALUE: &str = "1";
/// Id of the environment.
pub(crate) const ENVIRONMENT: &str = "greenproof.environment";
/// Who holds the environment; see [`super::lease::Holder`].
pub(crate) const LEASE: &str = "greenproof.lease";
/// Whose cache folder a LocalStack belongs to.
pub(crate) const OWNER: &str = "greenproof.owner";
/// The part that a container plays: `aws`, `github`, `device` or [`LOCALSTACK`].
pub(crate) const ROLE: &str = "greenproof.role";
/// The role that is shut down gently, since it deletes what it put into LocalStack.
pub(crate) const AWS: &str = "aws";
/// The role of the shared LocalStack and its network.
pub(crate) const LOCALSTACK: &str = "localstack";

/// A filter for list requests: objects with this label.
pub(crate) fn filter(label: &str, value: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{label}={value}")])])
}

/// A filter for list requests: everything of ours.
pub(crate) fn ours() -> HashMap<String, Vec<String>> {
    filter(OURS, OURS_VALUE)
}
