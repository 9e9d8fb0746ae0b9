//! Reads a recorded document of a kind as AWS would be given it.

use iam::{Document, Error, Kind};
use serde_json::Value;

/// Whether AWS takes the document of a line.
pub(crate) fn check(line: &Value) -> Result<(), Error> {
    let policy = &line["policy"];
    let kind = match line["kind"].as_str().unwrap_or_default() {
        "resource" => Kind::Resource,
        "trust" => Kind::Trust,
        "scp" => Kind::Scp,
        "rcp" => Kind::Rcp,
        "boundary" => Kind::Boundary,
        "session" => Kind::Session,
        "vpce" => Kind::Vpce,
        "iot" => Kind::Iot,
        _ => Kind::Managed,
    };
    match policy {
        Value::String(text) => Document::read(text, kind),
        policy => Document::parse_as(policy, kind),
    }
    .map(drop)
}
