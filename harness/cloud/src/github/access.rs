//! Who calls, and what GitHub lets them read. Pure.
//!
//! GitHub looks at a credential before it looks at the repository: a bad one is refused even where none is needed.
//! Tokens are compared exactly, byte for byte and in constant time; nothing is trimmed.

use crate::{
    event::Credential,
    world::{Hub, Repository, Token},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

/// The caller, as far as the `Authorization` header tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller<'a> {
    /// There is no header.
    Anonymous,
    /// The owner of a token that exists, and how it was shown.
    Known(&'a Token, Credential),
    /// There is a header, but no token of this hub in it.
    Refused,
}

impl<'a> Caller<'a> {
    /// The caller of a git request: a token as the password of any user, or as the user with the password empty or
    /// `x-oauth-basic`.
    pub(super) fn of_git(authorization: Option<&[u8]>, hub: &'a Hub) -> Self {
        match authorization {
            None => Self::Anonymous,
            Some(value) => credential(value, "basic").map_or(Self::Refused, |encoded| Self::of_basic(encoded, hub)),
        }
    }

    /// The caller of a REST request: as for git, or a token after `Bearer` or `token`.
    pub(super) fn of_api(authorization: Option<&[u8]>, hub: &'a Hub) -> Self {
        let bearer = authorization.and_then(|value| credential(value, "bearer").or(credential(value, "token")));
        match bearer {
            Some(value) => known(value, hub).map_or(Self::Refused, |it| Self::Known(it, Credential::TokenAsPassword)),
            None => Self::of_git(authorization, hub),
        }
    }

    fn of_basic(encoded: &[u8], hub: &'a Hub) -> Self {
        let Ok(plain) = BASE64_STANDARD.decode(encoded) else { return Self::Refused };
        let Some(colon) = plain.iter().position(|byte| *byte == b':') else { return Self::Refused };
        let (user, password) = (&plain[..colon], &plain[colon + 1..]);
        let (value, shown) = match password {
            b"" | b"x-oauth-basic" => (user, Credential::TokenAsUser),
            _ => (password, Credential::TokenAsPassword),
        };
        known(value, hub).map_or(Self::Refused, |token| Self::Known(token, shown))
    }

    /// The same for the evidence.
    pub(super) fn credential(self) -> Credential {
        match self {
            Self::Anonymous => Credential::None,
            Self::Known(_, shown) => shown,
            Self::Refused => Credential::Unknown,
        }
    }

    /// Whether the caller sees that the repository exists.
    pub(super) fn sees(self, repository: &Repository) -> bool {
        !repository.private
            || matches!(self, Self::Known(token, _)
                if token.repositories.iter().any(|name| name.eq_ignore_ascii_case(&repository.name)))
    }
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
            Self::BadCredential | Self::NoCredential => 401,
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
            Self::NoCredential | Self::NotFound => "Repository not found.",
            Self::NotGranted => "Write access to repository not granted.",
        }
    }
}

/// The repository that the caller may use, or why not.
pub(super) fn admit<'a>(
    caller: Caller<'_>,
    repository: Option<&'a Repository>,
    service: Service,
) -> Result<&'a Repository, Refusal> {
    let visible = repository.filter(|it| caller.sees(it));
    match (caller, visible) {
        (Caller::Refused, _) => Err(Refusal::BadCredential),
        (Caller::Anonymous, None) => Err(Refusal::NoCredential),
        (Caller::Anonymous, Some(_)) if service == Service::ReceivePack => Err(Refusal::NoCredential),
        (Caller::Known(..), None) => Err(Refusal::NotFound),
        (Caller::Known(..), Some(_)) if service == Service::ReceivePack => Err(Refusal::NotGranted),
        (Caller::Known(token, _), Some(it)) if it.private && !token.contents => Err(Refusal::NotGranted),
        (_, Some(it)) => Ok(it),
    }
}

/// What follows the scheme in an `Authorization` header, if it is that scheme.
fn credential<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    if head.eq_ignore_ascii_case(scheme.as_bytes()) { rest.strip_prefix(b" ") } else { None }
}

/// The token of that value. Takes the same time whichever token it is, or none.
fn known<'a>(value: &[u8], hub: &'a Hub) -> Option<&'a Token> {
    let given = Sha256::digest(value);
    hub.tokens.iter().fold(None, |found, token| {
        let own = Sha256::digest(token.value.0.as_bytes());
        let difference = given.iter().zip(own).fold(0, |sum, (a, b)| sum | (a ^ b));
        // An empty token would let an empty password in.
        if difference == 0 && !token.value.0.is_empty() { Some(token) } else { found }
    })
}
