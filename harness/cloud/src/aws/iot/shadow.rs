//! Device shadows in memory: get, update and delete of the classic shadow and of named ones.
//!
//! `delta` and `update/documents` are not published.

use super::reserved::Reply;
use crate::clock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

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
        let request = match payload {
            [] => Ok(json!({})),
            bytes => serde_json::from_slice::<Value>(bytes).map_err(|_| (400, "Invalid JSON".to_owned())),
        };
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
        let Some(state) = request.get("state").and_then(Value::as_object) else {
            return Err((400, "Missing required node: state".to_owned()));
        };
        let shadow = self.shadows.entry(name.map(str::to_owned)).or_default();
        let wanted = request.get("version").and_then(Value::as_i64);
        if wanted.is_some_and(|wanted| wanted != shadow.version) {
            return Err((409, "Version conflict".to_owned()));
        }
        let now = clock::now().unix_timestamp();
        let mut metadata = Map::new();
        for (section, change) in state.iter().filter(|(key, _)| matches!(key.as_str(), "desired" | "reported")) {
            let stamped = stamped(change, now);
            merge(shadow.state.entry(section.clone()).or_insert(Value::Null), change);
            merge(shadow.metadata.entry(section.clone()).or_insert(Value::Null), &stamped);
            metadata.insert(section.clone(), stamped);
        }
        shadow.state.retain(|_, section| !section.is_null());
        shadow.metadata.retain(|_, section| !section.is_null());
        shadow.version += 1;
        Ok(json!({"state": state, "metadata": metadata, "version": shadow.version}))
    }

    fn missing(&self, name: Option<&str>) -> (u16, String) {
        let name = name.map(|name| format!("~{name}")).unwrap_or_default();
        (404, format!("No shadow exists with name: '{}{name}'", self.thing))
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

    /// `[iot-16]`
    #[test]
    fn a_shadow_that_is_not_there_is_rejected_with_404() {
        let reply = ask(&mut Shadows::new("T"), "get", &json!({}));
        assert_eq!(reply.topic, "t/rejected");
        assert_eq!(reply.payload["code"], 404);
        assert_eq!(reply.payload["message"], "No shadow exists with name: 'T~N'");
    }

    /// `[iot-17]`
    #[test]
    fn updates_merge_and_count_versions() {
        let mut shadows = Shadows::new("T");
        ask(&mut shadows, "update", &json!({"state": {"reported": {"a": 1, "b": {"c": 2}}}}));
        let second = ask(&mut shadows, "update", &json!({"state": {"reported": {"a": null}}, "version": 1}));
        assert_eq!((second.topic.as_str(), &second.payload["version"]), ("t/accepted", &json!(2)));
        let stale = ask(&mut shadows, "update", &json!({"state": {}, "version": 1}));
        assert_eq!(stale.payload["code"], 409);
        let now = ask(&mut shadows, "get", &json!({}));
        assert_eq!(now.payload["state"], json!({"reported": {"b": {"c": 2}}}));
    }
}
