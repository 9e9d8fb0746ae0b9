//! Who there is: repositories, personal access tokens, and the installation tokens that Apps were given.
//!
//! Tokens are compared exactly, byte for byte and in constant time; nothing is trimmed. What has expired by GitHub's
//! clock, or was taken back, is as if it never was.

use super::access::{Caller, Grant, Kind, Refusal};
use crate::{
    clock::Clock,
    event::Credential,
    fault::Special,
    faults::Faults,
    minted::{Seed, TokenForm},
    world::{App, Hub, Permissions, PrivateIndex, Repository, Token, TokenKind},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use time::{Duration, OffsetDateTime};

/// How long an installation token lives.
const LIFE: Duration = Duration::hours(1);

/// The directory of one hub.
#[derive(Debug)]
pub(super) struct Directory {
    hub: Hub,
    faults: Arc<Faults>,
    clock: Arc<Clock>,
    seed: Seed,
    issued: Mutex<Issued>,
}

/// The installation tokens that exist, and how many each App was given.
#[derive(Debug, Default)]
struct Issued {
    tokens: Vec<(String, Arc<Grant>)>,
    given: HashMap<u64, u64>,
}

impl Directory {
    /// A directory of what a hub holds.
    pub(super) fn new(hub: Hub, faults: Arc<Faults>) -> Self {
        let seed = hub.seed.as_ref().map_or_else(Seed::unknown, |seed| Seed::of(&seed.0));
        Self { clock: faults.clock(), hub, faults, seed, issued: Mutex::default() }
    }

    /// What there is.
    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What goes wrong.
    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The time by GitHub's clock.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The private index at a host.
    pub(super) fn index(&self, host: &str) -> Option<&PrivateIndex> {
        self.hub.indexes.iter().find(|index| index.host == host)
    }

    /// The repository `OWNER/NAME` in any case.
    pub(super) fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        let wanted = format!("{owner}/{name}");
        let found = self.hub.repositories.iter().find(|it| it.name.eq_ignore_ascii_case(&wanted))?;
        self.has_user(owner_of(&found.name)).then_some(found)
    }

    /// Whether a user or an organisation is still there.
    pub(super) fn has_user(&self, login: &str) -> bool {
        self.faults.special(Special::UserDeleted, login).is_none()
    }

    /// The caller of a git request: a token as the password of any user, or as the user with the password empty or
    /// `x-oauth-basic`. After `Bearer` or `token`, as REST takes it, even a good token is refused.
    pub(super) fn caller_of_git(&self, authorization: Option<&[u8]>) -> Caller {
        match authorization {
            None => Caller::Anonymous,
            Some(value) => {
                scheme(value, "basic").map_or(Caller::Refused(Refusal::BadScheme), |encoded| self.of_basic(encoded))
            }
        }
    }

    /// The caller of a REST request: as for git, or a token after `Bearer` or `token`.
    pub(super) fn caller_of_api(&self, authorization: Option<&[u8]>) -> Caller {
        match authorization.and_then(bearer) {
            Some(value) => self.known(value, Credential::TokenAsPassword),
            None => self.caller_of_git(authorization),
        }
    }

    fn of_basic(&self, encoded: &[u8]) -> Caller {
        let Some((user, password)) = basic(encoded) else { return Caller::Refused(Refusal::BadCredential) };
        let (value, shown) = match password.as_slice() {
            b"" | b"x-oauth-basic" => (user, Credential::TokenAsUser),
            _ => (password, Credential::TokenAsPassword),
        };
        self.known(&value, shown)
    }

    /// Who shows the token of that value.
    fn known(&self, value: &[u8], shown: Credential) -> Caller {
        self.grant(value).map_or(Caller::Refused(Refusal::BadCredential), |grant| Caller::Known(grant, shown))
    }

    /// What the token of that value grants now.
    fn grant(&self, value: &[u8]) -> Option<Arc<Grant>> {
        let personal = find(value, self.hub.tokens.iter().map(|token| (token.value.0.as_str(), token)));
        let grant = if let Some(token) = personal {
            Arc::new(self.of_person(token)?)
        } else {
            let issued = self.issued();
            Arc::clone(find(value, issued.tokens.iter().map(|(token, grant)| (token.as_str(), grant)))?)
        };
        let lives = grant.expires.is_none_or(|end| self.now() < end);
        (lives && self.has_user(&grant.login)).then_some(grant)
    }

    fn of_person(&self, token: &Token) -> Option<Grant> {
        if self.faults.special(Special::TokenRevoked, &token.name).is_some() {
            return None;
        }
        let kind = match token.kind {
            TokenKind::Classic => Kind::Classic,
            TokenKind::FineGrained => Kind::FineGrained { person: self.seen_by(&token.login) },
        };
        Some(Grant {
            kind,
            login: token.login.clone(),
            repositories: token.repositories.clone(),
            permissions: token.permissions.clone(),
            expires: token.expires.map(instant),
        })
    }

    /// The repositories that a person sees: its own, and those that a classic token of it sees.
    fn seen_by(&self, login: &str) -> Vec<String> {
        let own = self.hub.repositories.iter().map(|it| &it.name);
        let own = own.filter(|name| owner_of(name).eq_ignore_ascii_case(login));
        let classic = self.hub.tokens.iter().filter(|it| it.kind == TokenKind::Classic && it.login == login);
        own.chain(classic.flat_map(|it| &it.repositories)).cloned().collect()
    }

    /// Gives an App a token for its installation.
    pub(super) fn issue(
        &self,
        app: &App,
        repositories: Vec<String>,
        permissions: Permissions,
        form: TokenForm,
    ) -> (String, Arc<Grant>) {
        // GitHub tells whole seconds.
        let expires = (self.now() + LIFE).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let grant = Arc::new(Grant {
            kind: Kind::Installation { id: app.installation.id },
            login: app.installation.owner.clone(),
            repositories,
            permissions,
            expires: Some(expires),
        });
        let mut issued = self.issued();
        let given = issued.given.entry(app.id).or_default();
        let token = self.seed.installation_token(app.id, *given, form);
        *given += 1;
        issued.tokens.push((token.clone(), Arc::clone(&grant)));
        (token, grant)
    }

    /// Takes an installation token back.
    pub(super) fn revoke(&self, grant: &Arc<Grant>) {
        self.issued().tokens.retain(|(_, known)| !Arc::ptr_eq(known, grant));
    }

    /// The text without any token: a caller may have put one into the path.
    pub(super) fn redact(&self, text: &str) -> String {
        let personal = self.hub.tokens.iter().map(|token| token.value.0.as_str()).filter(|value| !value.is_empty());
        let passwords = self.hub.indexes.iter().flat_map(|index| index.users.values()).map(|it| it.0.as_str());
        let text = personal.chain(passwords).fold(text.to_owned(), |text, value| text.replace(value, "***"));
        self.issued().tokens.iter().fold(text, |text, (value, _)| text.replace(value, "***"))
    }

    fn issued(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner in `OWNER/NAME`.
pub(super) fn owner_of(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(owner, _)| owner)
}

/// What follows `Bearer` or `token` in an `Authorization` header.
pub(super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    scheme(value, "bearer").or_else(|| scheme(value, "token"))
}

/// What follows the scheme in an `Authorization` header, if it is that scheme.
pub(super) fn scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    if head.eq_ignore_ascii_case(scheme.as_bytes()) { rest.strip_prefix(b" ") } else { None }
}

/// The user and the password of basic authentication.
pub(super) fn basic(encoded: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut user = BASE64_STANDARD.decode(encoded).ok()?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some((user, password))
}

/// What belongs to the secret of that value. Takes the same time whichever it is, or none.
pub(super) fn find<'a, T>(value: &[u8], all: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    let given = Sha256::digest(value);
    all.fold(None, |found, (own, it)| {
        let known = Sha256::digest(own.as_bytes());
        let difference = given.iter().zip(known).fold(0, |sum, (a, b)| sum | (a ^ b));
        // An empty secret would let an empty password in.
        if difference == 0 && !own.is_empty() { Some(it) } else { found }
    })
}

fn instant(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
