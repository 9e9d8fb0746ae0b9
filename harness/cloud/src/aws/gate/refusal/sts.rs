//! What STS refuses besides what policies do not allow.

use super::Refusal;

impl Refusal {
    /// The answer to a value that STS's model doesn't take.
    pub(in crate::aws::gate) fn constraint(value: &str, name: &str, must: &str) -> Self {
        Self::validation(&format!(
            "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {must}"
        ))
    }

    /// The answer to a missing parameter.
    pub(in crate::aws::gate) fn missing(name: &str) -> Self {
        Self::validation(&format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    }

    pub(in crate::aws::gate) fn validation(message: &str) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// The answer to what is no value of its type.
    pub(in crate::aws::gate) fn malformed_input() -> Self {
        Self::new(400, "MalformedInput", "")
    }

    /// The answer to a session policy that is none.
    pub(in crate::aws::gate) fn malformed_policy(message: &str) -> Self {
        Self::new(400, "MalformedPolicyDocument", message)
    }

    /// The answer to a tag that the calling session has and passes on.
    pub(in crate::aws::gate) fn tag_conflict() -> Self {
        let message = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                       from the calling session.";
        Self::new(400, "InvalidParameterValue", message)
    }

    /// The answer to an operation that takes lasting credentials only.
    pub(in crate::aws::gate) fn only_for_users(operation: &str) -> Self {
        Self::new(403, "AccessDenied", format!("Cannot call {operation} with session credentials"))
    }
}
