//! The names of faults.

use super::special::{Special, Takes};
use std::fmt;

/// What goes wrong; its text is the fault's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A service answers wrongly or late.
    Http {
        /// Which.
        service: Service,
        /// The one operation of it; all without.
        operation: Option<String>,
        /// How it answers.
        effect: Effect,
    },
    /// Something else goes wrong.
    Special(Special),
}

/// A service that can be made to answer wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The IoT credentials provider.
    Provider,
    /// The Greengrass data plane.
    DataPlane,
    /// S3.
    S3,
    /// Secrets Manager.
    SecretsManager,
    /// KMS, asked directly.
    Kms,
    /// STS.
    Sts,
    /// git on `github.com`; its operations are `refs` and `pack`.
    Git,
    /// The package index.
    Index,
}

/// How a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// With a status.
    Status(u16),
    /// Rightly, but late.
    Slow,
    /// Never.
    Hang,
    /// The connection is reset.
    Reset,
    /// As it does to who asks too often.
    Throttled,
    /// With 200 and a page of HTML.
    WrongBody,
}

/// Who lets something go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The role `aws`.
    Aws,
    /// The role `github`.
    Github,
}

impl Kind {
    /// Reads a name.
    pub(super) fn read(name: &str) -> Result<Self, String> {
        if let Some(special) = Special::of(name) {
            return Ok(Self::Special(special));
        }
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let Some(service) = Service::ALL.into_iter().find(|service| service.name() == first) else {
            return Err(unknown(first));
        };
        let (operation, effect) = match rest.split_once('.') {
            Some((operation, effect)) => (Some(operation.to_owned()), effect),
            None => (None, rest),
        };
        if operation.as_deref().is_some_and(|operation| !service.has(operation)) {
            return Err(format!("`{}` has no such operation{}", service.name(), service.operations()));
        }
        let effect = Effect::read(effect, service)?;
        Ok(Self::Http { service, operation, effect })
    }

    /// Who lets it go wrong.
    #[must_use]
    pub const fn roles(&self) -> &'static [Role] {
        match self {
            Self::Http { service: Service::Git | Service::Index, .. } => &[Role::Github],
            Self::Http { .. } => &[Role::Aws],
            Self::Special(special) => special.roles(),
        }
    }

    pub(super) fn takes(&self) -> Takes {
        match self {
            Self::Http { effect, .. } => {
                Takes { about: None, amount: None, times: true, delay: true, body: matches!(effect, Effect::Status(_)) }
            }
            Self::Special(special) => special.takes(),
        }
    }
}

/// What is wrong with how a name begins.
fn unknown(first: &str) -> String {
    let specials = Special::names_below(first);
    if !specials.is_empty() {
        return format!("use {}", specials.join(", "));
    }
    let services = Service::ALL.map(|service| format!("`{}.`", service.name()));
    format!("its name begins with {}, `mqtt.`, `dns.`, `tls.`, `aws.` or `github.`", services.join(", "))
}

impl Service {
    const ALL: [Self; 8] =
        [Self::Provider, Self::DataPlane, Self::S3, Self::SecretsManager, Self::Kms, Self::Sts, Self::Git, Self::Index];

    const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::DataPlane => "data-plane",
            Self::S3 => "s3",
            Self::SecretsManager => "secretsmanager",
            Self::Kms => "kms",
            Self::Sts => "sts",
            Self::Git => "git",
            Self::Index => "index",
        }
    }

    /// The service that policies and signatures call so, if its calls pass the gate.
    pub(crate) fn of_gate(name: &str) -> Option<Self> {
        [Self::S3, Self::SecretsManager, Self::Kms, Self::Sts].into_iter().find(|service| service.name() == name)
    }

    /// Whether it has an operation. AWS's are too many to list.
    fn has(self, operation: &str) -> bool {
        match self {
            Self::Provider | Self::Index => false,
            Self::Git => ["refs", "pack"].contains(&operation),
            _ => !operation.is_empty() && operation.chars().all(char::is_alphanumeric),
        }
    }

    const fn operations(self) -> &'static str {
        if matches!(self, Self::Git) { ": use `refs` or `pack`" } else { "" }
    }

    /// The effects that it can have beside a status.
    const fn effects(self) -> &'static [Effect] {
        match self {
            Self::Provider | Self::DataPlane => &[Effect::Slow, Effect::Hang, Effect::WrongBody],
            Self::S3 | Self::SecretsManager | Self::Kms | Self::Sts => {
                &[Effect::Slow, Effect::Hang, Effect::Throttled, Effect::WrongBody]
            }
            Self::Git | Self::Index => &[Effect::Slow, Effect::Hang, Effect::Reset],
        }
    }
}

impl Effect {
    fn read(text: &str, service: Service) -> Result<Self, String> {
        let effects = service.effects();
        if let Some(effect) = effects.iter().find(|effect| effect.to_string() == text) {
            return Ok(*effect);
        }
        let status = text.parse().ok().filter(|status| *status == 200 || (400..600).contains(status));
        status.map(Self::Status).ok_or_else(|| {
            let mut names: Vec<_> = effects.iter().map(|effect| format!("`{effect}`")).collect();
            let specials = Special::names_below(service.name());
            names.extend(specials.iter().map(|name| name.replace(&format!("{}.", service.name()), "")));
            format!("`{text}` is no status: use 200, 400 to 599, or {}", names.join(", "))
        })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "{status}"),
            Self::Slow => "slow",
            Self::Hang => "hang",
            Self::Reset => "reset",
            Self::Throttled => "throttled",
            Self::WrongBody => "wrong-body",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { service, operation, effect } => {
                write!(f, "{}.", service.name())?;
                if let Some(operation) = operation {
                    write!(f, "{operation}.")?;
                }
                write!(f, "{effect}")
            }
            Self::Special(special) => f.write_str(special.name()),
        }
    }
}
