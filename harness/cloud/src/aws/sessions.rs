//! Credentials that were issued, and to whom: to the device by the credentials provider, to AWS's own services by
//! themselves.

use crate::clock;
use rand::RngExt;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use time::{Duration, OffsetDateTime};

/// What stands for a role's name in sessions of AWS's own; no role can be called so.
pub(super) const SERVICE: &str = "aws:greengrass";

/// A role session of the device, or one of AWS's own.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The role's name.
    pub(super) role: String,
    /// The role session's name: the certificate id.
    pub(super) name: String,
    /// The `x-amzn-iot-thingname` that was sent.
    pub(super) thing: Option<String>,
    /// The access key id.
    pub(super) key: String,
    /// The secret access key.
    pub(super) secret: String,
    /// The session token.
    pub(super) token: String,
    /// When it was issued.
    pub(super) issued: OffsetDateTime,
    /// When it expires.
    pub(super) expires: OffsetDateTime,
}

/// All sessions by access key id.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// Issues credentials.
    pub(super) fn issue(&self, role: &str, name: &str, thing: Option<&str>, seconds: u32) -> Session {
        let issued = clock::now();
        let session = Session {
            role: role.to_owned(),
            name: name.to_owned(),
            thing: thing.map(str::to_owned),
            key: format!("ASIA{}", random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
            secret: random(BASE64, 40),
            token: format!("IQoJb3JpZ2luX2Vj{}", random(BASE64, 400)),
            issued,
            expires: issued + Duration::seconds(seconds.into()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session.key.clone(), session.clone());
        session
    }

    /// Credentials of AWS's own, with which it signs URLs for others.
    pub(super) fn issue_service(&self, seconds: u32) -> Session {
        self.issue(SERVICE, "greengrass", None, seconds)
    }

    /// The session of an access key id.
    pub(super) fn find(&self, key: &str) -> Option<Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn random(alphabet: &[u8], length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}
