//! How a GitHub App says who it is: a JSON Web Token (RFC 7519) that it signed with RS256. Pure.
//!
//! The order of the checks and the words of the refusals are GitHub's.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// The farthest that a token may expire in the future, in seconds.
const FARTHEST: f64 = 600.0;

/// Why a token is refused: HTTP's status and GitHub's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

const UNREADABLE: Refusal = Refusal(401, "A JSON web token could not be decoded");

/// The App that signed a token: one of those that `app` finds by id or client id, with its public key in base64.
pub(super) fn signer<'a, A>(
    token: Option<&[u8]>,
    now: f64,
    app: impl Fn(&str) -> Option<(&'a str, A)>,
) -> Result<A, Refusal> {
    let token = token.and_then(|token| std::str::from_utf8(token).ok()).ok_or(UNREADABLE)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(UNREADABLE)?;
    let (header, claims) = signed.split_once('.').ok_or(UNREADABLE)?;
    let (header, claims) = (object(header)?, object(claims)?);
    if header["alg"] != "RS256" {
        return Err(UNREADABLE);
    }
    let issuer = match &claims["iss"] {
        Value::Null => return Err(Refusal(401, "Missing 'issuer' claim ('iss') in assertion")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (key, app) = app(&issuer).ok_or(Refusal(404, "Integration not found"))?;
    let key = BASE64_STANDARD.decode(key).map_err(|_| UNREADABLE)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNREADABLE)?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| UNREADABLE)?;
    timely(&claims, now).map(|()| app)
}

fn object(part: &str) -> Result<Value, Refusal> {
    let text = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| UNREADABLE)?;
    serde_json::from_slice(&text).ok().filter(Value::is_object).ok_or(UNREADABLE)
}

/// Checks when a token was issued and when it expires.
fn timely(claims: &Value, now: f64) -> Result<(), Refusal> {
    let refuse = |message| Err(Refusal(401, message));
    if claims["exp"].is_null() {
        return refuse("Missing 'expiration time' claim ('exp') in assertion");
    }
    if claims["iat"].is_null() {
        return refuse("Missing 'issued at' claim ('iat') in assertion");
    }
    match claims["exp"].as_f64() {
        Some(expires) if expires > now + FARTHEST => {
            return refuse("'Expiration time' claim ('exp') is too far in the future");
        }
        Some(expires) if expires > now => {}
        _ => {
            return refuse(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                 assertion expires",
            );
        }
    }
    if claims["iat"].as_f64().is_some_and(|issued| issued <= now) {
        return Ok(());
    }
    refuse("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
}
