//! Credentials that are handed out while a world runs, known ahead to whoever has its seed.
//!
//! The n-th of a kind is a function of the seed alone, and nobody without the seed can tell it, or the seed, from those
//! that he has seen. So the harness knows from the start what it must mask and look for.

use crate::world::Sensitive;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// How many of a kind are known ahead.
pub const AHEAD: u64 = 64;

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What all of a world's credentials come from.
#[derive(Clone)]
pub struct Seed(hmac::Key);

/// The keys of an AWS session.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// The access key id, `ASIA…`.
    pub id: String,
    /// The secret access key.
    pub secret: Sensitive,
    /// The session token.
    pub token: Sensitive,
}

/// What an installation token of a GitHub App looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenForm {
    /// `ghs_`, the App's id and a JWT: about 520 characters.
    #[default]
    Long,
    /// `ghs_` and 36 letters and digits, as until 2026.
    Short,
}

impl Seed {
    /// The seed that a text is.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
    }

    /// A seed that nobody knows.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(&hex::encode(rand::random::<[u8; 32]>()))
    }

    /// The keys of the n-th session that AWS issues.
    #[must_use]
    pub fn session(&self, n: u64) -> SessionKeys {
        SessionKeys {
            id: format!("ASIA{}", self.text("session id", n, BASE32, 16)),
            secret: Sensitive(self.text("session secret", n, BASE64, 40)),
            token: Sensitive(format!("IQoJb3JpZ2luX2Vj{}", self.text("session token", n, BASE64, 400))),
        }
    }

    /// The n-th installation token that a GitHub App gets.
    #[must_use]
    pub fn installation_token(&self, app: u64, n: u64, form: TokenForm) -> String {
        let what = |part: &str| format!("installation token of {app}, {part}");
        match form {
            TokenForm::Short => format!("ghs_{}", self.text(&what("short"), n, ALPHANUMERIC, 36)),
            TokenForm::Long => {
                let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
                let id = self.text(&what("id"), n, ALPHANUMERIC, 84);
                let claims = encoded(&format!(r#"{{"jti":"{id}"}}"#));
                let signature: Vec<u8> = self.bytes(&what("signature"), n).take(256).collect();
                let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
                format!("ghs_{app}_{}.{claims}.{signature}", encoded(r#"{"alg":"RS256","typ":"JWT"}"#))
            }
        }
    }

    /// The value that a rotation gives a secret of this name and value: another one of the same form. Of JSON every text is
    /// another one; each keeps the beginning that tells a token's kind.
    #[must_use]
    pub fn rotated(&self, secret: &str, value: &str) -> String {
        match serde_json::from_str::<Value>(value) {
            Ok(Value::Object(mut members)) => {
                self.rotate(secret, &mut members);
                Value::Object(members).to_string()
            }
            _ => self.another(secret, value),
        }
    }

    fn rotate(&self, secret: &str, members: &mut Map<String, Value>) {
        for (name, member) in members {
            if let Value::String(text) = member {
                *text = self.another(&format!("{secret}, {name}"), text);
            }
        }
    }

    /// The id of the version in which a rotation gives a secret this value: a random UUID by its form.
    #[must_use]
    pub fn version(&self, secret: &str, value: &str) -> String {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(self.bytes(&format!("version of {secret}, {value}"), 0)).for_each(|(to, from)| *to = from);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Another text of the same length and kind.
    fn another(&self, what: &str, text: &str) -> String {
        let (kind, rest) = text.split_once('_').map_or(("", text), |(kind, rest)| (kind, rest));
        let rest = self.text(&format!("rotation of {what}, {text}"), 0, ALPHANUMERIC, rest.chars().count());
        if kind.is_empty() { rest } else { format!("{kind}_{rest}") }
    }

    fn text(&self, what: &str, n: u64, alphabet: &[u8], length: usize) -> String {
        // What does not divide evenly is left out, so that no letter is likelier than another.
        let even = 256 - 256 % alphabet.len();
        let bytes = self.bytes(what, n).map(usize::from).filter(|byte| *byte < even);
        bytes.take(length).map(|byte| char::from(alphabet[byte % alphabet.len()])).collect()
    }

    fn bytes(&self, what: &str, n: u64) -> impl Iterator<Item = u8> {
        (0_u64..).flat_map(move |block| {
            let signed = hmac::sign(&self.0, format!("{what} {n} {block}").as_bytes());
            signed.as_ref().to_vec()
        })
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_gives_the_same_and_another_seed_another() {
        fidelity::fidelity!("minted-1");
        let (one, same, other) = (Seed::of("a"), Seed::of("a"), Seed::of("b"));
        assert_eq!(one.session(3).token, same.session(3).token);
        let mut all = BTreeSet::new();
        for seed in [&one, &other] {
            for n in 0..AHEAD {
                let SessionKeys { id, secret, token } = seed.session(n);
                let tokens = [(1, TokenForm::Long), (1, TokenForm::Short), (2, TokenForm::Long)];
                all.extend(tokens.map(|(app, form)| seed.installation_token(app, n, form)));
                all.extend([id, secret.0, token.0]);
            }
        }
        assert_eq!(all.len(), 2 * 64 * 6);
    }

    #[test]
    fn a_rotated_value_has_the_form_of_the_old_one_and_is_always_the_same() {
        fidelity::fidelity!("minted-2", "fault-12");
        let (seed, other) = (Seed::of("a"), Seed::of("b"));
        let old = r#"{"mypat":"ghp_abcdefghijklmnop","n":1}"#;
        let new = seed.rotated("s", old);
        let json: Value = serde_json::from_str(&new).unwrap();
        let token = json["mypat"].as_str().unwrap();
        assert!(token.starts_with("ghp_") && token.len() == 20 && token != "ghp_abcdefghijklmnop", "{token}");
        assert_eq!((&json["n"], new == seed.rotated("s", old)), (&Value::from(1), true));
        let plain = seed.rotated("s", "plainplainplain");
        assert_eq!(plain.len(), 15);
        for another in [other.rotated("s", "plainplainplain"), seed.rotated("t", "plainplainplain")] {
            assert_ne!(another, plain);
        }
        let version = seed.version("s", &new);
        assert_eq!((version.len(), &version[14..15], &version), (36, "4", &seed.version("s", &new)));
        assert_ne!(version, seed.version("s", &plain));
    }

    #[test]
    fn what_is_minted_has_the_form_that_it_has_in_the_field() {
        fidelity::fidelity!("minted-1", "github-16");
        let seed = Seed::unknown();
        let keys = seed.session(0);
        assert_eq!((keys.id.len(), keys.secret.0.len(), keys.token.0.len()), (20, 40, 416));
        let long = seed.installation_token(1_234_567, 0, TokenForm::Long);
        let pattern = regex::Regex::new(r"^ghs_1234567_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{342}$").unwrap();
        assert!(pattern.is_match(&long) && (515..=525).contains(&long.len()), "{} {long}", long.len());
        let short = seed.installation_token(1_234_567, 0, TokenForm::Short);
        assert!(regex::Regex::new("^ghs_[A-Za-z0-9]{36}$").unwrap().is_match(&short), "{short}");
    }
}
