//! What is asked: who, which action, on what, under which circumstances.

use crate::{
    pattern::{Segments, segments},
    principal::Principal,
};
use std::net::IpAddr;

/// A request, prepared to be decided often.
///
/// Nothing is derived: what AWS would fill into the context (`aws:PrincipalArn`, …) has to be put there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub(crate) principal: Option<Principal>,
    pub(crate) action: String,
    lower_action: String,
    pub(crate) resource: String,
    pub(crate) account: Option<String>,
    pub(crate) context: Context,
}

impl Request {
    /// A request for an action (`s3:GetObject`) on an ARN, or on `*` for an action without resource-level permissions.
    ///
    /// It is anonymous and has no context yet.
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.to_owned(),
            lower_action: action.to_ascii_lowercase(),
            resource: resource.to_owned(),
            ..Self::default()
        }
    }

    /// The same request, made by a principal.
    #[must_use]
    pub fn by(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// The same request on a resource of an account; without one the resource belongs to the principal's account.
    #[must_use]
    pub fn owned_by(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// The same request with a single-valued condition key; the key's letter case does not count.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.set(key, Values::one(value));
        self
    }

    /// The same request with a multivalued condition key, such as `aws:TagKeys`.
    #[must_use]
    pub fn with_list(mut self, key: &str, values: impl IntoIterator<Item: Into<String>>) -> Self {
        self.context.set(key, Values::many(values));
        self
    }

    /// The same circumstances for another action on another resource.
    #[must_use]
    pub fn instead(&self, action: &str, resource: &str) -> Self {
        let Self { principal, account, context, .. } = self.clone();
        Self { principal, account, context, ..Self::new(action, resource) }
    }

    /// The action as the request names it.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The resource that is asked for.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Whether principal and resource belong to different accounts.
    pub(crate) fn is_cross_account(&self) -> bool {
        let home = self.principal.as_ref().and_then(Principal::account);
        self.account.as_deref().zip(home).is_some_and(|(owner, home)| owner != home)
    }

    /// What the statements of one decision are matched with.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let resource = segments(&self.resource);
        let service = self.lower_action.split_once(':').map_or("", |(service, _)| service);
        let is =
            |wanted: &str, start: &str| service == wanted && resource.is_some_and(|parts| parts[5].starts_with(start));
        Asked {
            principal: self.principal.as_ref(),
            action: &self.lower_action,
            role: is("sts", "role/"),
            key: is("kms", "key/"),
            resource,
            context: &self.context,
        }
    }
}

/// A request, taken apart once for a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) principal: Option<&'r Principal>,
    /// In lower case.
    pub(crate) action: &'r str,
    /// Absent for `*`.
    pub(crate) resource: Option<Segments<'r>>,
    /// Whether a role is to be assumed: its resource policy is the trust policy.
    pub(crate) role: bool,
    /// Whether the resource is a KMS key.
    pub(crate) key: bool,
    pub(crate) context: &'r Context,
}

/// Condition keys with their values; an absent key has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// Sorted by length and text of the key, which is in lower case: most keys are told apart by their length.
    entries: Vec<(String, Values)>,
}

/// The values of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    One(Scalar),
    Many(Vec<Scalar>),
}

/// A value with what of it is read ahead of every decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) address: Option<IpAddr>,
}

impl Scalar {
    fn new(text: String) -> Self {
        Self { address: text.parse().ok(), text }
    }
}

impl Values {
    pub(crate) fn one(value: impl Into<String>) -> Self {
        Self::One(Scalar::new(value.into()))
    }

    pub(crate) fn many(values: impl IntoIterator<Item: Into<String>>) -> Self {
        Self::Many(values.into_iter().map(|value| Scalar::new(value.into())).collect())
    }

    pub(crate) fn as_slice(&self) -> &[Scalar] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl Context {
    pub(crate) fn set(&mut self, key: &str, values: Values) {
        let key = key.to_ascii_lowercase();
        match self.place(&key) {
            Ok(at) => self.entries[at].1 = values,
            Err(at) => self.entries.insert(at, (key, values)),
        }
    }

    /// The values of a key, given in lower case.
    pub(crate) fn get(&self, key: &str) -> Option<&Values> {
        Some(&self.entries[self.place(key).ok()?].1)
    }

    /// Where the key is, or belongs.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| other.len().cmp(&key.len()).then_with(|| other.as_str().cmp(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_letter_case_and_the_last_value_counts() {
        let request = Request::new("s3:GetObject", "*").with("B:x", "1").with("a:Y", "2").with("b:X", "3");
        assert_eq!(request.context.get("b:x"), Some(&Values::one("3")));
        assert_eq!(request.context.get("a:y"), Some(&Values::one("2")));
        assert_eq!(request.context.get("a"), None);
        let request = request.by(Principal::parse("arn:aws:iam::1:user/eva")).owned_by("2");
        let other = request.instead("s3:ListBucket", "arn:aws:s3:::b");
        assert_eq!((other.action(), other.resource()), ("s3:ListBucket", "arn:aws:s3:::b"));
        assert_eq!(
            (other.context, other.principal, other.account),
            (request.context, request.principal, request.account)
        );
    }
}
