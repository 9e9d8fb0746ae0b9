//! What the service's model demands of an input, and pages of answers.
//!
//! The words of a broken constraint are those that AWS's services share; that this one uses them is not confirmed.

use crate::aws::{
    place,
    rest::{Call, Fault},
};
use regex::Regex;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The most that a page may hold, and what it holds where nobody says.
const MOST: usize = 100;
const USUAL: usize = 50;

/// The patterns of the model's ARNs.
pub(super) const COMPONENT: &str = r"arn:[^:]*:greengrass:[^:]*:(aws|[0-9]+):components:[^:]+";
pub(super) const COMPONENT_VERSION: &str = r"arn:[^:]*:greengrass:[^:]*:(aws|[0-9]+):components:[^:]+:versions:[^:]+";
pub(super) const TARGET: &str = r"arn:[^:]*:iot:[^:]*:[0-9]+:(thing|thinggroup)/.+";
pub(super) const GROUP: &str = r"arn:[^:]*:iot:[^:]*:[0-9]+:thinggroup/.+";
pub(super) const TAGGED: &str = r"arn:[^:]*:greengrass:[^:]*:(aws|[0-9]+):(components|deployments|coreDevices):.*";

/// Constraints that an input breaks.
#[derive(Debug, Default)]
pub(super) struct Broken(Vec<(String, String)>);

impl Broken {
    /// A value that has to be there.
    pub(super) fn required(&mut self, name: &str, value: Option<&str>) {
        if value.is_none() {
            self.add(name, None, "Member must not be null");
        }
    }

    /// A text with a pattern, which is matched whole.
    pub(super) fn pattern(&mut self, name: &str, value: Option<&str>, pattern: &str) {
        let fits = |value: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(value));
        if let Some(value) = value.filter(|value| !fits(value)) {
            self.add(name, Some(value), &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A text whose length is limited.
    pub(super) fn length(&mut self, name: &str, value: Option<&str>, limits: RangeInclusive<usize>) {
        let Some(value) = value else { return };
        let length = value.chars().count();
        if length < *limits.start() {
            let must = format!("Member must have length greater than or equal to {}", limits.start());
            self.add(name, Some(value), &must);
        }
        if length > *limits.end() {
            let must = format!("Member must have length less than or equal to {}", limits.end());
            self.add(name, Some(value), &must);
        }
    }

    /// One of some texts.
    pub(super) fn one_of(&mut self, name: &str, value: Option<&str>, set: &[&str]) {
        if let Some(value) = value.filter(|value| !set.contains(value)) {
            self.add(name, Some(value), &format!("Member must satisfy enum value set: [{}]", set.join(", ")));
        }
    }

    /// A number that is limited.
    pub(super) fn number(&mut self, name: &str, value: Option<i64>, limits: RangeInclusive<i64>) {
        let Some(value) = value else { return };
        let bound = if value < *limits.start() {
            format!("greater than or equal to {}", limits.start())
        } else if value > *limits.end() {
            format!("less than or equal to {}", limits.end())
        } else {
            return;
        };
        self.bound(name, &value.to_string(), &bound);
    }

    /// A number that is outside of a bound.
    pub(super) fn bound(&mut self, name: &str, value: &str, bound: &str) {
        self.add(name, Some(value), &format!("Member must have value {bound}"));
    }

    /// Tags: names of 1 to 128 characters, values of at most 256, at most 200.
    pub(super) fn tags(&mut self, call: &Call) {
        let tags = call.tags();
        if tags.len() > 200 {
            self.add("tags", None, "Member must have length less than or equal to 200");
        }
        for (name, value) in &tags {
            self.length("tags.key", Some(name), 1..=128);
            self.length("tags.value", Some(value), 0..=256);
        }
    }

    fn add(&mut self, name: &str, value: Option<&str>, must: &str) {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        let message = format!("Value {value} at '{name}' failed to satisfy constraint: {must}");
        self.0.push((name.to_owned(), message));
    }

    /// # Errors
    /// If any constraint is broken.
    pub(super) fn none(self) -> Result<(), Fault> {
        if self.0.is_empty() {
            return Ok(());
        }
        let fields: Vec<_> = self.0.iter().map(|(name, message)| json!({"name": name, "message": message})).collect();
        let messages: Vec<_> = self.0.iter().map(|(_, message)| message.as_str()).collect();
        let count = self.0.len();
        let errors = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {errors} detected: {}", messages.join("; "));
        Err(invalid("FIELD_VALIDATION_FAILED", message).with("fields", fields))
    }
}

/// Holds one text against a pattern.
pub(super) fn fits(name: &str, value: &str, pattern: &str) -> Result<(), Fault> {
    let mut broken = Broken::default();
    broken.pattern(name, Some(value), pattern);
    broken.none()
}

pub(super) fn invalid(reason: &str, message: impl Into<String>) -> Fault {
    Fault::new(400, "ValidationException", message).with("reason", reason)
}

/// Holds the client token against its constraints.
pub(super) fn token(call: &Call) -> Result<(), Fault> {
    let mut broken = Broken::default();
    broken.length("clientToken", call.text("clientToken"), 1..=64);
    broken.pattern("clientToken", call.text("clientToken"), "[a-zA-Z0-9-]+");
    broken.none()
}

/// The page of a list that a call asks for, as the answer's member; `nextToken` says that there is more.
pub(super) fn page(call: &Call, member: &str, all: &[Value]) -> Result<Value, Fault> {
    let most = match call.query("maxResults") {
        None => USUAL,
        Some(text) => {
            let number = text.parse().map_err(|_| invalid("CANNOT_PARSE", format!("`{text}` is no number")))?;
            let mut broken = Broken::default();
            broken.number("maxResults", Some(number), 1..=i64::try_from(MOST).unwrap_or(i64::MAX));
            broken.none()?;
            usize::try_from(number).unwrap_or(MOST)
        }
    };
    let token = call.query("nextToken").filter(|token| !token.is_empty());
    let page = place::page(member, token, all.to_vec(), most);
    let (page, next) = page.ok_or_else(|| invalid("OTHER", "Invalid nextToken"))?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}
