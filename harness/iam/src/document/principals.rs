//! `Principal` and `NotPrincipal`: whom a statement speaks of.

use super::Effect;
use crate::{json::Node, pattern::segments, principal::Principal};

/// How closely a statement names who asks; the later, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// By its account: what the account gives is left to its identity policies.
    Account,
    /// By its role, or the user that a federated session was made by.
    Role,
    /// Itself, or everybody.
    Direct,
}

/// Whom a statement speaks of.
#[derive(Clone, Debug)]
pub(crate) enum Principals {
    Only(Vec<Who>),
    Except(Vec<Who>),
}

/// One principal of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Everyone,
    Account(String),
    User {
        arn: String,
        account: String,
        name: String,
    },
    Role {
        account: String,
        name: String,
    },
    /// Any other ARN, such as a session's.
    Arn(String),
    Service(String),
    /// A principal of a kind that no request of ours has, or one that AWS refuses.
    Nobody,
}

impl Principals {
    pub(super) fn only(node: &Node) -> Self {
        Self::Only(list(node))
    }

    pub(super) fn except(node: &Node) -> Self {
        Self::Except(list(node))
    }

    /// Whether and how closely the statement speaks of who asks; `bounded` says that a permissions boundary limits them.
    pub(crate) fn cover(&self, asking: Option<&Principal>, effect: Effect, bounded: bool) -> Option<Grant> {
        match self {
            Self::Only(list) => list.iter().filter_map(|who| who.covers(asking)).max(),
            Self::Except(list) => {
                let named = |grant| list.iter().any(|who| who.covers(asking) == Some(grant));
                let excepted = match (effect, asking) {
                    (Effect::Allow, _) => list.iter().any(|who| who.covers(asking).is_some()),
                    // AWS looks at the account, the role and the session one after the other: each has to be named.
                    (Effect::Deny, Some(Principal::Session(_) | Principal::Federated(_))) => {
                        named(Grant::Account) && named(Grant::Role) && named(Grant::Direct)
                    }
                    (Effect::Deny, Some(Principal::User(_))) => named(Grant::Account) && named(Grant::Direct),
                    (Effect::Deny, _) => list.iter().any(|who| who.covers(asking).is_some()),
                };
                let excepted = excepted || list.contains(&Who::Everyone);
                (!excepted || bounded && effect == Effect::Deny).then_some(Grant::Direct)
            }
        }
    }
}

impl Who {
    fn covers(&self, asking: Option<&Principal>) -> Option<Grant> {
        let grant = match (self, asking) {
            (Self::Everyone, _) => Grant::Direct,
            (Self::Service(host), Some(Principal::Service(asking))) if host == asking => Grant::Direct,
            (Self::Account(account), Some(asking)) if asking.account() == Some(account) => Grant::Account,
            (Self::Role { account, name }, Some(Principal::Session(of)))
                if *account == of.account && *name == of.name =>
            {
                Grant::Role
            }
            (Self::User { account, name, .. }, Some(Principal::Federated(of)))
                if *account == of.account && *name == of.name =>
            {
                Grant::Role
            }
            (Self::User { arn, .. } | Self::Arn(arn), Some(asking)) => {
                asking.identity().filter(|identity| identity.arn == *arn).map(|_| Grant::Direct)?
            }
            _ => return None,
        };
        Some(grant)
    }

    /// Reads one principal of the type `AWS`.
    pub(super) fn aws(text: &str) -> Self {
        if text == "*" {
            return Self::Everyone;
        }
        if text.contains(['*', '?']) {
            return Self::Nobody;
        }
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Account(text.to_owned());
        }
        if !text.starts_with("arn:") {
            return Self::Nobody;
        }
        match (Principal::parse(text), segments(text)) {
            (Principal::Root(root), _) => Self::Account(root.account),
            (Principal::User(user), _) => Self::User { arn: user.arn, account: user.account, name: user.name },
            (Principal::Session(role), Some([_, _, "iam", ..])) => {
                Self::Role { account: role.account, name: role.name }
            }
            (Principal::Session(of) | Principal::Federated(of), _) => Self::Arn(of.arn),
            (Principal::Service(_), _) => Self::Nobody,
        }
    }
}

fn list(node: &Node) -> Vec<Who> {
    let Some(kinds) = node.object() else {
        return vec![if node.text() == Some("*") { Who::Everyone } else { Who::Nobody }];
    };
    let read = |kind: &str, value: &Node| match (kind, value.text()) {
        ("AWS", Some(text)) => Who::aws(text),
        ("Service", Some(host)) if !host.contains(['*', '?']) => Who::Service(host.to_owned()),
        _ => Who::Nobody,
    };
    kinds.iter().flat_map(|kind| kind.value.listed().iter().map(|value| read(&kind.key, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_account_has_twelve_digits_and_a_service_no_wildcard() {
        assert_eq!(Who::aws("111122223333"), Who::Account("111122223333".to_owned()));
        for nobody in ["11112222333", "11112222333a", "AIDAJQABLZS4A3QDU576Q", "arn:aws:iam::111122223333:user/*"] {
            assert_eq!(Who::aws(nobody), Who::Nobody, "{nobody}");
        }
        let services = json!({"Service": ["iot.amazonaws.com", "*.amazonaws.com"], "Federated": "a"});
        let mut read = list(&Node::from(&services));
        read.retain(|who| *who != Who::Nobody);
        assert_eq!(read, [Who::Service("iot.amazonaws.com".to_owned())]);
    }
}
