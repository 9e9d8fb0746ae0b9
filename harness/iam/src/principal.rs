//! Who asks.

use crate::pattern::segments;
use std::fmt;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user.
    User(Identity),
    /// A session of an assumed role; the identity's name is the role's, without path.
    Session(Identity),
    /// A federated user; the identity's name is that of the session.
    Federated(Identity),
    /// The root user of an account.
    Root(Identity),
    /// An AWS service, by its host name.
    Service(String),
}

/// A principal of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The ARN that requests are signed as.
    pub arn: String,
    /// The account's number.
    pub account: String,
    /// The last part of the name, without path.
    pub name: String,
}

impl Principal {
    /// Reads an ARN (`…:user/U`, `…:assumed-role/R/S`, `…:role/R`, `…:federated-user/F`, `…:root`) or a service's host name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parsed = segments(text).and_then(|[_, _, service, _, account, resource]| {
            let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
            let last = rest.rsplit('/').next().unwrap_or(rest);
            let make: (fn(Identity) -> Self, &str) = match (service, kind) {
                ("iam", "user") => (Self::User, last),
                ("iam", "role") => (Self::Session, last),
                ("sts", "assumed-role") => (Self::Session, rest.split('/').next().unwrap_or(rest)),
                ("sts", "federated-user") => (Self::Federated, last),
                ("iam", "root") => (Self::Root, ""),
                _ => return None,
            };
            Some(make.0(Identity { arn: text.to_owned(), account: account.to_owned(), name: make.1.to_owned() }))
        });
        parsed.unwrap_or_else(|| Self::Service(text.to_owned()))
    }

    /// The account that the principal belongs to; a service belongs to none.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.identity().map(|identity| identity.account.as_str())
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        match self {
            Self::User(identity) | Self::Session(identity) | Self::Federated(identity) | Self::Root(identity) => {
                Some(identity)
            }
            Self::Service(_) => None,
        }
    }
}

/// Shows the ARN or the host name.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(host) => f.write_str(host),
            other => f.write_str(other.identity().map_or("", |identity| &identity.arn)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let name = |text: &str| Principal::parse(text).identity().map(|identity| identity.name.clone());
        assert_eq!(name("arn:aws:iam::1:user/a/b/eva").as_deref(), Some("eva"));
        assert_eq!(name("arn:aws:sts::1:assumed-role/R/s").as_deref(), Some("R"));
        assert_eq!(name("arn:aws:iam::1:role/p/R").as_deref(), Some("R"));
        assert_eq!(name("credentials.iot.amazonaws.com"), None);
        assert!(matches!(Principal::parse("arn:aws:sts::1:federated-user/f"), Principal::Federated(_)));
        assert!(matches!(Principal::parse("arn:aws:iam::1:root"), Principal::Root(_)));
        assert_eq!(Principal::parse("arn:aws:iam::1:root").account(), Some("1"));
        assert_eq!(Principal::parse("arn:aws:sts::1:assumed-role/R/s").to_string(), "arn:aws:sts::1:assumed-role/R/s");
    }
}
