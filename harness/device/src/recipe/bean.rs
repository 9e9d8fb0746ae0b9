//! The properties of one object of a recipe, by name without regard to case.

use super::Error;
use serde_json::{Map, Value};

/// An object whose properties have names that the format knows.
pub(super) struct Bean<'a> {
    map: &'a Map<String, Value>,
    what: &'static str,
}

impl<'a> Bean<'a> {
    /// `value` as an object; `what` names it in errors.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn of(value: &'a Value, what: &'static str) -> Result<Self, Error> {
        let map = value.as_object().ok_or_else(|| Error::parse(format!("{what} is not a map")))?;
        Ok(Self { map, what })
    }

    /// A property; one that is null is absent, and the last of several spellings counts.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        let (_, value) = self.map.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        (!value.is_null()).then_some(value)
    }

    /// A scalar as text.
    ///
    /// # Errors
    /// If it is a list or a map.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Error> {
        self.get(key).map(|value| text(value).ok_or_else(|| self.wrong(key, "a string"))).transpose()
    }

    /// A scalar that must be there.
    ///
    /// # Errors
    /// If it isn't, or is a list or a map.
    pub(super) fn required(&self, key: &str) -> Result<String, Error> {
        self.text(key)?.ok_or_else(|| Error::parse(format!("{}.{key} is marked non-null but is null", self.what)))
    }

    /// One of the values that an enumeration has, without regard to case.
    ///
    /// # Errors
    /// If it is another one.
    pub(super) fn choice(&self, key: &str, values: &[&'static str]) -> Result<Option<&'static str>, Error> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let known = values.iter().find(|value| value.eq_ignore_ascii_case(&text));
        let other = || Error::parse(format!("{}.{key}: `{text}` is not one of the values {values:?}", self.what));
        known.map(|value| Some(*value)).ok_or_else(other)
    }

    /// A map with free keys. The nucleus resolves from the recipe that it has written to disk, by a serializer that leaves
    /// out what is null (`SerializerFactory`: `NON_NULL`): at any depth a null entry is as absent as a null property.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn map(&self, key: &str) -> Result<Option<Map<String, Value>>, Error> {
        Ok(self.node(key)?.map(without_nulls))
    }

    /// A map that the model keeps as a JSON tree (`JsonNode`), nulls and all.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn node(&self, key: &str) -> Result<Option<&'a Map<String, Value>>, Error> {
        self.get(key).map(|value| value.as_object().ok_or_else(|| self.wrong(key, "a map"))).transpose()
    }

    /// A list.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn list(&self, key: &str) -> Result<&'a [Value], Error> {
        let Some(value) = self.get(key) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.wrong(key, "a list"))
    }

    /// A list of objects.
    ///
    /// # Errors
    /// If it is something else, or an element is null.
    pub(super) fn objects(&self, key: &str) -> Result<&'a [Value], Error> {
        let items = self.list(key)?;
        if items.iter().any(Value::is_null) {
            return Err(Error::parse(format!("{key} contains one or more null element(s)")));
        }
        Ok(items)
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        Error::parse(format!("{}.{key} is not {expected}", self.what))
    }
}

/// The entries that are not null, of maps in lists too; the items of a list stay, null or not.
fn without_nulls(map: &Map<String, Value>) -> Map<String, Value> {
    let kept = map.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| (key.clone(), value_without_nulls(value))).collect()
}

fn value_without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_nulls(map)),
        Value::Array(items) => items.iter().map(value_without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
