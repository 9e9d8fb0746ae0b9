//! Device shadows in memory: get, update and delete of the classic shadow and of named ones.
//!
//! `delta` and `update/documents` are not published.

use super::reserved::Reply;
use crate::clock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The longest state in bytes, of `desired` and of `reported` each; metadata does not count.
const MAX_STATE: usize = 8 * 1024;

/// The longest client token in bytes.
const MAX_TOKEN: usize = 64;

/// Levels of nesting that a state may have.
const MAX_DEPTH: usize = 6;

/// The shadows of one thing.
#[derive(Debug)]
pub(super) struct Shadows {
    thing: String,
    /// By name; the classic shadow has none.
    shadows: BTreeMap<Option<String>, Shadow>,
}

#[derive(Debug, Default)]
struct Shadow {
    /// `desired` and `reported`; empty once the shadow is deleted, when only the version goes on.
    state: Map<String, Value>,
    metadata: Map<String, Value>,
    version: i64,
}

/// HTTP-like code and message of a rejection.
type Answer = Result<Value, (u16, String)>;

impl Shadows {
    pub(super) fn new(thing: &str) -> Self {
        Self { thing: thing.to_owned(), shadows: BTreeMap::new() }
    }

    /// Answers one operation: `get`, `update` or `delete`.
    pub(super) fn answer(&mut self, name: Option<&str>, operation: &str, topic: &str, payload: &[u8]) -> Vec<Reply> {
        let request = parse(payload);
        let token = request.as_ref().ok().and_then(|request| request.get("clientToken")).cloned();
        let answer = request.and_then(|request| match operation {
            "get" => self.get(name),
            "update" => self.update(name, &request),
            _ => self.delete(name),
        });
        let (suffix, mut payload) = match answer {
            Ok(payload) => ("accepted", payload),
            Err((code, message)) => ("rejected", json!({"code": code, "message": message})),
        };
        payload["timestamp"] = clock::now().unix_timestamp().into();
        if let Some(token) = token {
            payload["clientToken"] = token;
        }
        vec![Reply { topic: format!("{topic}/{suffix}"), payload }]
    }

    /// What the account itself writes into a named shadow; returns what subscribers are told.
    pub(super) fn write(&mut self, name: &str, state: &Value) -> Vec<Reply> {
        let topic = format!("$aws/things/{}/shadow/name/{name}/update", self.thing);
        self.answer(Some(name), "update", &topic, json!({"state": state}).to_string().as_bytes())
    }

    fn get(&self, name: Option<&str>) -> Answer {
        let shadow = self.shadows.get(&name.map(str::to_owned)).filter(|shadow| !shadow.state.is_empty());
        let shadow = shadow.ok_or_else(|| self.missing(name))?;
        Ok(json!({"state": shadow.state, "metadata": shadow.metadata, "version": shadow.version}))
    }

    fn delete(&mut self, name: Option<&str>) -> Answer {
        let missing = self.missing(name);
        let shadow = self.shadows.get_mut(&name.map(str::to_owned)).filter(|shadow| !shadow.state.is_empty());
        let shadow = shadow.ok_or(missing)?;
        shadow.state.clear();
        shadow.metadata.clear();
        Ok(json!({"version": shadow.version}))
    }

    fn update(&mut self, name: Option<&str>, request: &Value) -> Answer {
        let state = state(request)?;
        let key = name.map(str::to_owned);
        let shadow = self.shadows.entry(key).or_default();
        let wanted = match request.get("version") {
            None | Some(Value::Null) => None,
            Some(version) => Some(version.as_i64().ok_or_else(|| bad("Invalid version"))?),
        };
        if wanted.is_some_and(|wanted| wanted != shadow.version) {
            return Err((409, "Version conflict".to_owned()));
        }
        let now = clock::now().unix_timestamp();
        let (mut changed, mut metadata) = (shadow.state.clone(), Map::new());
        for (section, change) in state {
            merge(changed.entry(section.clone()).or_insert(Value::Null), change);
            metadata.insert(section.clone(), stamped(change, now));
        }
        if changed.values().any(|section| section.to_string().len() > MAX_STATE) {
            return Err((413, "The payload exceeds the maximum size allowed".to_owned()));
        }
        shadow.state = changed;
        for (section, stamps) in &metadata {
            merge(shadow.metadata.entry(section.clone()).or_insert(Value::Null), stamps);
        }
        shadow.state.retain(|_, section| !section.is_null());
        shadow.metadata.retain(|_, section| !section.is_null());
        shadow.version += 1;
        Ok(json!({"state": request["state"], "metadata": metadata, "version": shadow.version}))
    }

    fn missing(&self, name: Option<&str>) -> (u16, String) {
        let name = name.map(|name| format!("~{name}")).unwrap_or_default();
        (404, format!("No shadow exists with name: '{}{name}'", self.thing))
    }
}

fn bad(message: &str) -> (u16, String) {
    (400, message.to_owned())
}

/// The request in a payload; an empty one asks for nothing in particular.
fn parse(payload: &[u8]) -> Result<Value, (u16, String)> {
    if payload.is_empty() {
        return Ok(json!({}));
    }
    let text = std::str::from_utf8(payload)
        .map_err(|_| (415, "Unsupported documented encoding; supported encoding is UTF-8".to_owned()))?;
    let request: Value = serde_json::from_str(text).map_err(|_| bad("Invalid JSON"))?;
    let token = request.get("clientToken").filter(|token| !token.is_null());
    if token.is_some_and(|token| token.as_str().is_none_or(|token| token.len() > MAX_TOKEN)) {
        return Err(bad("Invalid clientToken"));
    }
    if request.is_object() { Ok(request) } else { Err(bad("Invalid JSON")) }
}

/// The sections of an update's state that are stored, in the service's order of objections.
fn state(request: &Value) -> Result<Vec<(&String, &Value)>, (u16, String)> {
    let state = request.get("state").ok_or_else(|| bad("Missing required node: state"))?;
    let state = state.as_object().ok_or_else(|| bad("State node must be an object"))?;
    let object = |section: &str| state.get(section).is_none_or(|section| section.is_object() || section.is_null());
    if !object("desired") {
        return Err(bad("Desired node must be an object"));
    }
    if !object("reported") {
        return Err(bad("Reported node must be an object"));
    }
    let sections: Vec<_> = state.iter().filter(|(key, _)| matches!(key.as_str(), "desired" | "reported")).collect();
    if sections.iter().any(|(_, section)| depth(section) > MAX_DEPTH) {
        return Err(bad("JSON contains too many levels of nesting; maximum is 6"));
    }
    Ok(sections)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Merges a change into a document: objects key by key, null removes, anything else replaces.
fn merge(document: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        document.clone_from(change);
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    let Value::Object(document) = document else { return };
    for (key, value) in change {
        if value.is_null() {
            document.remove(key);
        } else {
            merge(document.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The metadata of a change: each leaf as the time of its change in seconds, null where it is removed.
fn stamped(change: &Value, now: i64) -> Value {
    match change {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), stamped(value, now))).collect(),
        Value::Null => Value::Null,
        Value::Array(list) => list.iter().map(|value| stamped(value, now)).collect(),
        _ => json!({"timestamp": now}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(shadows: &mut Shadows, operation: &str, payload: &Value) -> Reply {
        shadows.answer(Some("N"), operation, "t", payload.to_string().as_bytes()).remove(0)
    }

    #[test]
    fn a_shadow_that_is_not_there_is_rejected_with_404() {
        fidelity::fidelity!("iot-16");
        let reply = ask(&mut Shadows::new("T"), "get", &json!({}));
        assert_eq!(reply.topic, "t/rejected");
        assert_eq!(reply.payload["code"], 404);
        assert_eq!(reply.payload["message"], "No shadow exists with name: 'T~N'");
    }

    #[test]
    fn updates_merge_and_count_versions() {
        fidelity::fidelity!("iot-17");
        let mut shadows = Shadows::new("T");
        ask(&mut shadows, "update", &json!({"state": {"reported": {"a": 1, "b": {"c": 2}}}}));
        let second = ask(&mut shadows, "update", &json!({"state": {"reported": {"a": null}}, "version": 1}));
        assert_eq!((second.topic.as_str(), &second.payload["version"]), ("t/accepted", &json!(2)));
        let stale = ask(&mut shadows, "update", &json!({"state": {}, "version": 1}));
        assert_eq!(stale.payload["code"], 409);
        let now = ask(&mut shadows, "get", &json!({}));
        assert_eq!(now.payload["state"], json!({"reported": {"b": {"c": 2}}}));
    }

    #[test]
    fn bad_updates_are_rejected_in_the_services_words_and_change_nothing() {
        fidelity::fidelity!("iot-30");
        let mut shadows = Shadows::new("T");
        ask(&mut shadows, "update", &json!({"state": {"reported": {"a": 1}}}));
        let deep = |levels| (0..levels).fold(json!({}), |inner, _| json!({"x": inner}));
        let half = json!({"state": {"reported": {"half": "x".repeat(5000)}}});
        let cases = [
            (json!({}), 400, "Missing required node: state"),
            (json!({"state": 1}), 400, "State node must be an object"),
            (json!({"state": {"desired": 1}}), 400, "Desired node must be an object"),
            (json!({"state": {"reported": []}}), 400, "Reported node must be an object"),
            (json!({"state": {}, "version": "1"}), 400, "Invalid version"),
            (json!({"state": {}, "clientToken": "x".repeat(65)}), 400, "Invalid clientToken"),
            (json!({"state": {"reported": deep(6)}}), 400, "JSON contains too many levels of nesting; maximum is 6"),
            (half.clone(), 0, ""),
            // What is stored counts, not what is sent.
            (
                json!({"state": {"reported": {"other": "x".repeat(5000)}}}),
                413,
                "The payload exceeds the maximum size allowed",
            ),
        ];
        for (request, code, message) in cases {
            let reply = ask(&mut shadows, "update", &request);
            let said = (reply.payload["code"].as_i64().unwrap_or(0), reply.payload["message"].as_str().unwrap_or(""));
            assert_eq!(said, (code, message), "{request}");
        }
        for (payload, code) in [(&b"{"[..], 400), (b"[]", 400), (b"\xff", 415)] {
            let reply = shadows.answer(Some("N"), "update", "t", payload).remove(0);
            assert_eq!(reply.payload["code"], code);
        }
        let now = ask(&mut shadows, "get", &json!({})).payload;
        let stored = half["state"]["reported"]["half"].clone();
        assert_eq!((&now["state"], &now["version"]), (&json!({"reported": {"a": 1, "half": stored}}), &json!(2)));
    }
}
