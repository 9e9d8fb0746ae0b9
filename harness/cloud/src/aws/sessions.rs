//! Credentials that were issued, and to whom: to the device by the credentials provider, to a role session by
//! `sts:AssumeRole`, to AWS's own services by themselves; and the access keys of users, which last.

use crate::{
    clock::{self, Clock},
    minted::{Seed, SessionKeys},
    world::Operator,
};
use iam::Policy;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use time::{Duration, OffsetDateTime};

/// A session that credentials were issued for.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The role's name; empty for AWS's own and for a user's.
    pub(super) role: String,
    /// The role session's name: the certificate id, unless it was chosen in `sts:AssumeRole`. A user's own.
    pub(super) name: String,
    /// Who made it.
    pub(super) origin: Origin,
    /// What limits it; nothing does if there is none.
    pub(super) limits: Vec<Limit>,
    /// Its tags, without those of the role.
    pub(super) tags: BTreeMap<String, String>,
    /// The tags that sessions have too that it makes in turn.
    pub(super) transitive: BTreeSet<String>,
    /// Its source identity, which sessions have too that it makes in turn.
    pub(super) source_identity: Option<String>,
    /// The access key id; empty until it is issued, as the other two.
    pub(super) key: String,
    /// The secret access key.
    pub(super) secret: String,
    /// The session token; a user's access key has none.
    pub(super) token: String,
    /// When it was issued.
    pub(super) issued: OffsetDateTime,
    /// When it expires.
    pub(super) expires: OffsetDateTime,
}

/// Who made a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The credentials provider, for the certificate after which the session is called; with the
    /// `x-amzn-iot-thingname` that was sent.
    Certificate { thing: Option<String> },
    /// Another role session, by `sts:AssumeRole`.
    Role,
    /// A user of IAM: its access key, and what it made of that by `sts:GetSessionToken`.
    User,
    /// AWS itself, for what it hands out.
    Service,
}

/// A session policy.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    /// As it was sent.
    pub(super) text: String,
    /// As it is asked.
    pub(super) policy: Policy,
}

impl Session {
    /// A session from now on, for some seconds, with nothing but its names.
    pub(super) fn new(role: &str, name: &str, origin: Origin, seconds: u32) -> Self {
        let issued = clock::now();
        Self {
            role: role.to_owned(),
            name: name.to_owned(),
            origin,
            limits: Vec::new(),
            tags: BTreeMap::new(),
            transitive: BTreeSet::new(),
            source_identity: None,
            key: String::new(),
            secret: String::new(),
            token: String::new(),
            issued,
            expires: issued + Duration::seconds(seconds.into()),
        }
    }

    /// A session for the holder of a certificate.
    pub(super) fn of_device(role: &str, certificate: &str, thing: Option<&str>, seconds: u32) -> Self {
        Self::new(role, certificate, Origin::Certificate { thing: thing.map(str::to_owned) }, seconds)
    }
}

/// All sessions by access key id, and AWS's clock, by which they begin and end.
#[derive(Debug)]
pub(super) struct Sessions {
    by_key: Mutex<HashMap<String, Session>>,
    clock: Arc<Clock>,
    seed: Seed,
    /// How many had their keys minted.
    minted: AtomicU64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::by(Arc::default(), Seed::unknown())
    }
}

impl Sessions {
    /// Sessions by a clock, with keys from a seed.
    pub(super) fn by(clock: Arc<Clock>, seed: Seed) -> Self {
        Self { by_key: Mutex::default(), clock, seed, minted: AtomicU64::default() }
    }

    /// The time by AWS's clock.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Issues the credentials of a session: new keys, unless it has some.
    pub(super) fn issue(&self, mut session: Session) -> Session {
        if session.key.is_empty() {
            let SessionKeys { id, secret, token } = self.seed.session(self.minted.fetch_add(1, Ordering::Relaxed));
            (session.key, session.secret, session.token) = (id, secret.0, token.0);
        }
        let ahead = self.clock.ahead();
        let (issued, expires) = (session.issued.saturating_add(ahead), session.expires.saturating_add(ahead));
        let session = Session { issued, expires, ..session };
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).insert(session.key.clone(), session.clone());
        session
    }

    /// Credentials for the holder of a certificate.
    pub(super) fn issue_device(&self, role: &str, certificate: &str, thing: Option<&str>, seconds: u32) -> Session {
        self.issue(Session::of_device(role, certificate, thing, seconds))
    }

    /// The access key of a user, which lasts as long as the account.
    pub(super) fn know_user(&self, operator: &Operator) {
        let Operator { user, access_key_id, secret_access_key } = operator;
        self.issue(Session {
            key: access_key_id.clone(),
            secret: secret_access_key.0.clone(),
            token: String::new(),
            ..Session::new("", user, Origin::User, LASTING)
        });
    }

    /// Credentials of AWS's own, with which it signs URLs for others.
    pub(super) fn issue_service(&self, seconds: u32) -> Session {
        self.issue(Session::new("", "greengrass", Origin::Service, seconds))
    }

    /// The session of an access key id.
    pub(super) fn find(&self, key: &str) -> Option<Session> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// A hundred years in seconds.
const LASTING: u32 = 100 * 365 * 24 * 3600;
