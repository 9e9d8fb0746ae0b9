//! A resolved policy as JSON text, in which each value stands on the line on which the template has it.
//!
//! So whatever is said of the policy by line and column is said of the user's file. JSON takes any white space, and
//! IAM counts none. The column of a statement is exact; one within a line moves where JSON needs more characters.

use super::tree::{Content, Node};
use iam::Position;
use serde_json::Value;

/// Lays a value out.
pub(super) fn text(node: &Node) -> String {
    let mut layout = Layout { text: String::new(), place: Position { line: 1, column: 1 } };
    layout.node(node);
    layout.text + "\n"
}

struct Layout {
    text: String,
    place: Position,
}

impl Layout {
    fn node(&mut self, node: &Node) {
        self.reach(node.place);
        match &node.content {
            Content::Scalar { text, plain } => self.put(&scalar(text, *plain)),
            Content::List(items) => {
                self.put("[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.put(",");
                    }
                    self.node(item);
                }
                self.put("]");
            }
            Content::Map(members) => {
                self.put("{");
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        self.put(",");
                    }
                    self.reach(member.place);
                    self.put(&Value::from(member.key.as_str()).to_string());
                    self.put(":");
                    self.node(&member.value);
                }
                self.put("}");
            }
        }
    }

    /// Goes on to a place, unless it has been passed.
    fn reach(&mut self, place: Position) {
        while self.place.line < place.line {
            self.text.push('\n');
            self.place = Position { line: self.place.line + 1, column: 1 };
        }
        while self.place.line == place.line && self.place.column < place.column {
            self.put(" ");
        }
    }

    /// Adds a token, which has no line break.
    fn put(&mut self, token: &str) {
        self.text.push_str(token);
        self.place.column += u32::try_from(token.chars().count()).unwrap_or(u32::MAX);
    }
}

/// A scalar as JSON: without quotes it may be a truth value, a number or nothing.
fn scalar(text: &str, plain: bool) -> String {
    let value = match text {
        _ if !plain => Value::from(text),
        "true" | "True" | "TRUE" => Value::from(true),
        "false" | "False" | "FALSE" => Value::from(false),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| Value::from(text), Value::Number),
    };
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_stands_where_the_template_has_it() {
        let template = "\n\nVersion: 2012-10-17\nStatement:\n  - Effect: Allow\n    Action:\n      - s3:Get*\n    Resource: '*'\n    Condition: {Bool: {\"aws:SecureTransport\": true}}\n";
        let text = text(&Node::read(template).unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["Statement"][0]["Condition"]["Bool"]["aws:SecureTransport"], true);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "{\"Version\":\"2012-10-17\",");
        assert_eq!(lines[4], "  [ {\"Effect\":\"Allow\",");
        assert_eq!(lines[6].trim(), "[ \"s3:Get*\"],".trim());
        let error = iam::Document::read(&text.replace("s3:Get*", "s3"), iam::Kind::Inline).unwrap_err();
        assert_eq!(error.position().unwrap().line, 7);
    }
}
