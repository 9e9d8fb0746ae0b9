//! What a client asks of the jobs service, as far as the service takes it, and why it does not.

use super::execution::Status;
use regex::Regex;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Longest value in `statusDetails`, in characters.
const MAX_VALUE: usize = 1024;

/// Longest key in `statusDetails`, in characters.
const MAX_KEY: usize = 128;

/// Why a request is rejected.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The execution's state, where it explains the rejection.
    pub(super) state: Option<Value>,
}

impl Rejection {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), state: None }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidRequest", message)
    }
}

/// The request in a payload; an empty one asks for nothing in particular.
pub(super) fn parse(payload: &[u8]) -> Result<Value, Rejection> {
    if payload.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| Rejection::new("InvalidJson", format!("the payload is no valid JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Rejection::invalid("the payload is no object")) }
}

/// The wanted status of an update.
pub(super) fn status(request: &Value) -> Result<Status, Rejection> {
    let status = request.get("status").and_then(Value::as_str).unwrap_or_default();
    Status::settable(status).ok_or_else(|| Rejection::invalid(format!("`{status}` is no status that a device can set")))
}

/// `statusDetails`, if given: a flat map of texts.
pub(super) fn details(request: &Value) -> Result<Option<&Map<String, Value>>, Rejection> {
    let details = match request.get("statusDetails") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(details)) => details,
        Some(_) => return Err(Rejection::invalid("statusDetails is no map")),
    };
    for (key, value) in details {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(plain) {
            return Err(Rejection::invalid(format!("`{key}` is no valid key of statusDetails")));
        }
        if !value.as_str().is_some_and(valid_value) {
            return Err(Rejection::invalid(format!(
                "the value of `{key}` in statusDetails is no text of 1 to {MAX_VALUE} printable characters"
            )));
        }
    }
    Ok(Some(details))
}

/// Whether a text may be a value: not empty, not too long, no control character, so no line break.
fn valid_value(text: &str) -> bool {
    static PRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[^\p{C}]+$").expect("the pattern is a regular expression"));
    text.chars().count() <= MAX_VALUE && PRINTABLE.is_match(text)
}

/// `expectedVersion`, if given; it may come as a number or as text.
pub(super) fn expected_version(request: &Value) -> Result<Option<i64>, Rejection> {
    let Some(value) = request.get("expectedVersion").filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.map(Some).ok_or_else(|| Rejection::invalid("expectedVersion is no number"))
}
