//! What a token grants, and whether that is enough for a repository. Pure.
//!
//! GitHub looks at a credential before it looks at the repository: a bad one is refused even where none is needed.
//! Who the caller is, is [`super::directory`]'s to say.

use crate::{
    event::Credential,
    world::{Level, Permissions, Repository},
};
use std::sync::Arc;
use time::OffsetDateTime;

/// The caller, as far as the `Authorization` header tells.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// There is no header.
    Anonymous,
    /// The holder of a token that exists, and how it was shown.
    Known(Arc<Grant>, Credential),
    /// There is a header, but no token of this hub in it that may be shown so: how git is refused for it.
    Refused(Refusal),
}

/// What a token is good for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// What made it.
    pub(super) kind: Kind,
    /// Login of its owner; of an installation token the account that the App is installed on.
    pub(super) login: String,
    /// The private repositories that it sees.
    pub(super) repositories: Vec<String>,
    /// What it may do with them.
    pub(super) permissions: Permissions,
    /// When it expires.
    pub(super) expires: Option<OffsetDateTime>,
}

/// What made a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person, with all that it sees.
    Classic,
    /// A person, for chosen repositories.
    FineGrained {
        /// The private repositories that the person sees.
        person: Vec<String>,
    },
    /// An App, for its installation.
    Installation {
        /// The installation's id.
        id: u64,
    },
}

impl Caller {
    /// The same for the evidence.
    pub(super) fn credential(&self) -> Credential {
        match self {
            Self::Anonymous => Credential::None,
            Self::Known(_, shown) => *shown,
            Self::Refused(_) => Credential::Unknown,
        }
    }

    /// Whether the caller sees that the repository exists.
    pub(super) fn sees(&self, repository: &Repository) -> bool {
        !repository.private || matches!(self, Self::Known(grant, _) if names(&grant.repositories, repository))
    }

    /// Whether it is a person who sees the repository, and gave the token no access to it.
    fn withheld(&self, repository: &Repository) -> bool {
        let Self::Known(grant, _) = self else { return false };
        matches!(&grant.kind, Kind::FineGrained { person } if names(person, repository))
    }
}

impl Grant {
    /// Whether it may do so much with a sort of things.
    pub(super) fn may(&self, permission: &str, level: Level) -> bool {
        self.permissions.get(permission).is_some_and(|granted| *granted >= level)
    }
}

fn names(list: &[String], repository: &Repository) -> bool {
    list.iter().any(|name| name.eq_ignore_ascii_case(&repository.name))
}

/// What a git client wants of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// To read it: `git-upload-pack`.
    UploadPack,
    /// To write to it: `git-receive-pack`.
    ReceivePack,
}

/// Why a git request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The credential is no token that exists.
    BadCredential,
    /// The credential is not shown by basic authentication, the only one that git is answered by.
    BadScheme,
    /// It would take a credential, and there is none.
    NoCredential,
    /// The repository is unknown, or the token does not see it.
    NotFound,
    /// The token sees the repository and may not do this with it.
    NotGranted,
}

impl Refusal {
    /// The HTTP status.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::BadCredential | Self::BadScheme | Self::NoCredential => 401,
            Self::NotGranted => 403,
            Self::NotFound => 404,
        }
    }

    /// The body, which git shows after `remote: `.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::BadCredential => {
                "Invalid username or token. Password authentication is not supported for Git operations."
            }
            // As issues of public repositories quote git, whatever the token is worth and also of a public repository.
            Self::BadScheme => "invalid credentials",
            Self::NoCredential | Self::NotFound => "Repository not found.",
            Self::NotGranted => "Write access to repository not granted.",
        }
    }
}

/// The repository that the caller may use, or why not.
pub(super) fn admit<'a>(
    caller: &Caller,
    repository: Option<&'a Repository>,
    service: Service,
) -> Result<&'a Repository, Refusal> {
    let visible = repository.filter(|it| caller.sees(it));
    match (caller, visible) {
        (Caller::Refused(refusal), _) => Err(*refusal),
        (Caller::Anonymous, None) => Err(Refusal::NoCredential),
        (Caller::Anonymous, Some(_)) if service == Service::ReceivePack => Err(Refusal::NoCredential),
        (Caller::Known(..), None) if repository.is_some_and(|it| caller.withheld(it)) => Err(Refusal::NotGranted),
        (Caller::Known(..), None) => Err(Refusal::NotFound),
        (Caller::Known(..), Some(_)) if service == Service::ReceivePack => Err(Refusal::NotGranted),
        (Caller::Known(grant, _), Some(it)) if it.private && !grant.may("contents", Level::Read) => {
            Err(Refusal::NotGranted)
        }
        (_, Some(it)) => Ok(it),
    }
}
