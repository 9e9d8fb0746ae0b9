//! Faults that are more than a service's wrong answer.

use super::Role;

/// What goes wrong besides a service's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Every MQTT connection breaks off, once.
    MqttCut,
    /// New MQTT connections are refused.
    MqttRefuse,
    /// The credentials provider gives credentials that have expired already.
    ProviderExpired,
    /// It gives credentials that live for so many seconds.
    ProviderShort,
    /// A secret is not there.
    SecretMissing,
    /// A secret is marked for deletion.
    SecretDeleted,
    /// A secret has another value.
    SecretRotated,
    /// Customer managed keys are disabled.
    KeyDisabled,
    /// Customer managed keys wait for their deletion.
    KeyPendingDeletion,
    /// GitHub refuses tokens that are not authorised for the organisation's SAML single sign-on.
    GitSso,
    /// A pack breaks off in its middle.
    GitTruncated,
    /// A captive portal answers in GitHub's place.
    GitPortal,
    /// Every token has expired.
    GitTokenExpired,
    /// Every token expires after the references were told.
    GitTokenExpiredMidClone,
    /// A tag is not there.
    GitTagMissing,
    /// The package index takes no connection.
    IndexDown,
    /// The package index has source archives alone.
    IndexNoWheel,
    /// A name does not exist.
    DnsNxdomain,
    /// The name server fails.
    DnsServfail,
    /// The name server does not answer.
    DnsTimeout,
    /// A name leads to the device itself, where nobody listens.
    DnsSinkhole,
    /// A server's certificate is signed by itself.
    TlsUntrusted,
    /// A server's certificate has expired.
    TlsExpired,
    /// A server's certificate is not valid yet.
    TlsNotYetValid,
    /// A server's certificate is for another name.
    TlsWrongName,
    /// A server's certificate is of an authority that inspects the traffic.
    TlsIntercepted,
    /// AWS's clock is not the device's.
    Clock,
    /// GitHub's clock is not the device's.
    GitHubClock,
    /// A personal access token was taken back.
    TokenRevoked,
    /// The key of a GitHub App was taken back.
    AppKeyRevoked,
    /// A deploy key was taken back.
    DeployKeyRevoked,
    /// A user of GitHub is no more, and with it its tokens, repositories and installations.
    UserDeleted,
}

/// Which parameters a fault takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    /// The word for what it is about.
    pub(super) about: Option<(&'static str, Need)>,
    /// The word for how much, which it needs.
    pub(super) amount: Option<&'static str>,
    pub(super) times: bool,
    pub(super) delay: bool,
    pub(super) body: bool,
}

/// Whether a parameter is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    May,
    Must,
}

impl Special {
    const ALL: [(Self, &'static str); 32] = [
        (Self::MqttCut, "mqtt.cut"),
        (Self::MqttRefuse, "mqtt.refuse"),
        (Self::ProviderExpired, "provider.expired"),
        (Self::ProviderShort, "provider.short"),
        (Self::SecretMissing, "secretsmanager.missing"),
        (Self::SecretDeleted, "secretsmanager.deleted"),
        (Self::SecretRotated, "secretsmanager.rotated"),
        (Self::KeyDisabled, "kms.disabled"),
        (Self::KeyPendingDeletion, "kms.pending-deletion"),
        (Self::GitSso, "git.sso"),
        (Self::GitTruncated, "git.truncated"),
        (Self::GitPortal, "git.portal"),
        (Self::GitTokenExpired, "git.token-expired"),
        (Self::GitTokenExpiredMidClone, "git.token-expired-mid-clone"),
        (Self::GitTagMissing, "git.tag-missing"),
        (Self::IndexDown, "index.down"),
        (Self::IndexNoWheel, "index.no-wheel"),
        (Self::DnsNxdomain, "dns.nxdomain"),
        (Self::DnsServfail, "dns.servfail"),
        (Self::DnsTimeout, "dns.timeout"),
        (Self::DnsSinkhole, "dns.sinkhole"),
        (Self::TlsUntrusted, "tls.untrusted"),
        (Self::TlsExpired, "tls.expired"),
        (Self::TlsNotYetValid, "tls.not-yet-valid"),
        (Self::TlsWrongName, "tls.wrong-name"),
        (Self::TlsIntercepted, "tls.intercepted"),
        (Self::Clock, "aws.clock"),
        (Self::GitHubClock, "github.clock"),
        (Self::TokenRevoked, "github.token-revoked"),
        (Self::AppKeyRevoked, "github.app-key-revoked"),
        (Self::DeployKeyRevoked, "github.deploy-key-revoked"),
        (Self::UserDeleted, "github.user-deleted"),
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(special, _)| special)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// The names that begin with a word and a full stop, in backticks.
    pub(super) fn names_below(first: &str) -> Vec<String> {
        let below = |name: &str| name.strip_prefix(first).is_some_and(|rest| rest.starts_with('.'));
        Self::ALL.into_iter().filter(|(_, name)| below(name)).map(|(_, name)| format!("`{name}`")).collect()
    }

    pub(super) const fn roles(self) -> &'static [Role] {
        match self {
            Self::GitSso
            | Self::GitTruncated
            | Self::GitPortal
            | Self::GitTokenExpired
            | Self::GitTokenExpiredMidClone
            | Self::GitTagMissing
            | Self::IndexDown
            | Self::IndexNoWheel
            | Self::GitHubClock
            | Self::TokenRevoked
            | Self::AppKeyRevoked
            | Self::DeployKeyRevoked
            | Self::UserDeleted => &[Role::Github],
            // Each has some of the hosts.
            Self::TlsUntrusted
            | Self::TlsExpired
            | Self::TlsNotYetValid
            | Self::TlsWrongName
            | Self::TlsIntercepted => &[Role::Aws, Role::Github],
            _ => &[Role::Aws],
        }
    }

    pub(super) fn takes(self) -> Takes {
        let plain = Takes { about: None, amount: None, times: true, delay: false, body: false };
        let about = |word, need| Takes { about: Some((word, need)), ..plain };
        match self {
            Self::MqttCut => Takes { times: false, ..plain },
            Self::MqttRefuse | Self::IndexDown | Self::KeyDisabled | Self::KeyPendingDeletion => plain,
            Self::ProviderShort => Takes { amount: Some("life"), delay: true, ..plain },
            Self::SecretMissing | Self::SecretDeleted => about("secret", Need::Must),
            Self::SecretRotated => Takes { body: true, ..about("secret", Need::Must) },
            Self::ProviderExpired
            | Self::GitSso
            | Self::GitTruncated
            | Self::GitPortal
            | Self::GitTokenExpired
            | Self::GitTokenExpiredMidClone => Takes { delay: true, ..plain },
            Self::GitTagMissing => about("tag", Need::May),
            Self::IndexNoWheel => about("package", Need::May),
            Self::DnsNxdomain
            | Self::DnsServfail
            | Self::DnsTimeout
            | Self::DnsSinkhole
            | Self::TlsUntrusted
            | Self::TlsExpired
            | Self::TlsNotYetValid
            | Self::TlsWrongName
            | Self::TlsIntercepted => about("host", Need::Must),
            Self::TokenRevoked => about("token", Need::Must),
            Self::AppKeyRevoked => about("app", Need::Must),
            Self::DeployKeyRevoked => about("key", Need::Must),
            Self::UserDeleted => about("login", Need::Must),
            Self::Clock | Self::GitHubClock => Takes { amount: Some("shift"), times: false, ..plain },
        }
    }
}
