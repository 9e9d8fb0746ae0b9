//! JSON with places: a tree that knows the line and column of each value and keeps a key that occurs twice.

use serde_json::{Number, Value};
use std::fmt;

/// A place in the text of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it starts; a value that was not read from a text has no place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Option<Position>,
    pub(crate) json: Json,
}

#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) place: Option<Position>,
    pub(crate) value: Node,
}

impl Node {
    /// Reads a text.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        // The parser proper checks the text and its depth; what follows only has to find the places.
        serde_json::from_str::<Value>(text)?;
        Ok(Walk { rest: text, place: Position { line: 1, column: 1 } }.node())
    }

    pub(crate) fn object(&self) -> Option<&[Member]> {
        if let Json::Object(members) = &self.json { Some(members) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Json::Text(text) = &self.json { Some(text) } else { None }
    }

    /// The member of that name; of two, the last, as parsers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let member = self.object()?.iter().rev().find(|member| member.key == key)?;
        Some(&member.value)
    }

    /// The items of a list; one value is a list of one.
    pub(crate) fn listed(&self) -> &[Node] {
        if let Json::List(list) = &self.json { list } else { std::slice::from_ref(self) }
    }

    /// The text of a scalar; numbers and truth values stand for theirs.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.json {
            Json::Text(text) | Json::Number(text) => Some(text.clone()),
            Json::Bool(truth) => Some(truth.to_string()),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        let json = match value {
            Value::Null => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Number(number) => Json::Number(number.to_string()),
            Value::String(text) => Json::Text(text.clone()),
            Value::Array(list) => Json::List(list.iter().map(Node::from).collect()),
            Value::Object(members) => Json::Object(members.iter().map(member).collect()),
        };
        Self { place: None, json }
    }
}

fn member((key, value): (&String, &Value)) -> Member {
    Member { key: key.clone(), place: None, value: value.into() }
}

/// Shows the value as JSON, for messages.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.json {
            Json::Null => f.write_str("null"),
            Json::Bool(truth) => write!(f, "{truth}"),
            Json::Number(text) => f.write_str(text),
            Json::Text(text) => write!(f, "{text:?}"),
            Json::List(_) => f.write_str("[…]"),
            Json::Object(_) => f.write_str("{…}"),
        }
    }
}

/// A walk over a text that is known to be JSON.
struct Walk<'t> {
    rest: &'t str,
    place: Position,
}

impl<'t> Walk<'t> {
    fn node(&mut self) -> Node {
        self.blank();
        let place = Some(self.place);
        let json = match self.rest.as_bytes().first() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => Json::Text(self.string()),
            _ => self.word(),
        };
        Node { place, json }
    }

    fn object(&mut self) -> Json {
        let mut members = Vec::new();
        self.take(1);
        while self.next_is('"') {
            let place = Some(self.place);
            let key = self.string();
            self.blank();
            self.take(1);
            members.push(Member { key, place, value: self.node() });
            self.blank();
            if self.rest.starts_with(',') {
                self.take(1);
            }
        }
        self.take(1);
        Json::Object(members)
    }

    fn list(&mut self) -> Json {
        let mut list = Vec::new();
        self.take(1);
        while !self.rest.is_empty() && !self.next_is(']') {
            list.push(self.node());
            self.blank();
            if self.rest.starts_with(',') {
                self.take(1);
            }
        }
        self.take(1);
        Json::List(list)
    }

    fn string(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let quoted = self.take(end.map_or(self.rest.len(), |end| end + 2));
        serde_json::from_str(quoted).unwrap_or_default()
    }

    fn word(&mut self) -> Json {
        let end = self.rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(self.rest.len());
        match self.take(end.max(1)) {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => {
                serde_json::from_str::<Number>(number).map_or(Json::Null, |number| Json::Number(number.to_string()))
            }
        }
    }

    fn next_is(&mut self, character: char) -> bool {
        self.blank();
        self.rest.starts_with(character)
    }

    fn blank(&mut self) {
        let end = self.rest.find(|c: char| !c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        self.take(end);
    }

    /// Goes on by some bytes.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        for character in taken.chars() {
            if character == '\n' {
                self.place = Position { line: self.place.line.saturating_add(1), column: 1 };
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_each_place_and_keeps_what_occurs_twice() {
        let text = "{ \"a\\\"\" : [1.5e2,\n  true, null],\n\"ü\": {\"k\":\"\\u00e9\"}, \"k\" : 1,\"k\":-2 }";
        let node = Node::read(text).unwrap();
        let at = |node: &Node| node.place.unwrap().to_string();
        let list = node.get("a\"").unwrap().listed();
        assert_eq!(list.iter().map(at).collect::<Vec<_>>(), ["1:12", "2:3", "2:9"]);
        assert_eq!(list[0].scalar().as_deref(), Some("150.0"));
        assert_eq!(list[1].scalar().as_deref(), Some("true"));
        assert_eq!(list[2].scalar(), None);
        assert_eq!(at(node.get("ü").unwrap()), "3:6");
        assert_eq!(node.get("ü").unwrap().get("k").unwrap().text(), Some("é"));
        assert_eq!(node.object().unwrap().iter().filter(|member| member.key == "k").count(), 2);
        assert_eq!(node.get("k").unwrap().scalar().as_deref(), Some("-2"));
        assert_eq!(node.object().unwrap()[3].place.unwrap().to_string(), "3:30");
    }

    #[test]
    fn a_broken_text_is_refused_with_its_place() {
        let error = Node::read("{\"a\": [1,\n 2}").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 3));
        assert!(Node::read(&"[".repeat(100_000)).is_err());
        assert!(Node::read("").is_err());
        assert!(Node::read("[1] x").is_err());
    }
}
