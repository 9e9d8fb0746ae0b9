//! YAML and JSON text as the nucleus's parser reads it, each value with the place where it stands.
//!
//! The nucleus takes plain scalars by the rules of YAML 1.1 (`yes` and `on` are booleans, `010` is octal), reads the
//! first document only, lets the last of several equal keys win, and knows no anchors: an alias is the text of its name.
//! A document may nest 128 levels deep, so that nothing that walks the tree runs out of stack.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};
use std::str::CharIndices;

/// How deep a document may nest.
const DEPTH: usize = 128;
/// How many characters the nucleus's YAML parser reads.
const LENGTH: usize = 3 * 1024 * 1024;

/// A place in a text, both numbers from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// A value and where it starts.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub content: Content,
    /// Where it starts.
    pub place: Place,
    /// Whether it is a reference to an anchor, which the nucleus doesn't follow.
    pub alias: bool,
    /// Whether it is a scalar without quotes whose text says something else than its value, as `yes` does.
    pub reread: Option<String>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the text.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it starts.
    pub place: Place,
}

/// A text that is no document.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message} (line {}, column {})", place.line, place.column)]
pub struct Unreadable {
    /// What is wrong with it.
    pub message: String,
    /// Where.
    pub place: Place,
}

impl Node {
    /// Reads the first document of a text.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let whole = Place { line: 1, column: 1 };
        if text.chars().nth(LENGTH).is_some() {
            let message = format!("The incoming YAML document exceeds the limit: {LENGTH} code points.");
            return Err(Unreadable { message, place: whole });
        }
        let mut builder = Builder { text, cursor: text.char_indices(), at: 0, open: Vec::new() };
        for item in Parser::new_from_str(text) {
            let (event, span) = item.map_err(|error| {
                let mark = error.marker();
                unreadable(error.info(), Place { line: mark.line().max(1), column: mark.col() + 1 })
            })?;
            if let Some(node) = builder.take(event, span)? {
                return Ok(node);
            }
        }
        Err(unreadable("No content to map due to end-of-input", whole))
    }

    /// The value without places; of several equal keys the last one counts.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => items.iter().map(Self::value).collect(),
            Content::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| (key.text.clone(), node.value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

/// Collects values from the parser's events.
struct Builder<'a> {
    text: &'a str,
    /// Reading position of `text`, moved forward only.
    cursor: CharIndices<'a>,
    /// How many characters `cursor` has passed.
    at: usize,
    open: Vec<Open>,
}

/// A list or a map that hasn't ended.
struct Open {
    place: Place,
    shape: Shape,
}

enum Shape {
    List(Vec<Node>),
    /// The entries, and a key that waits for its value.
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Builder<'_> {
    /// Takes one event; the whole value once it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Unreadable> {
        let place = Place { line: span.start.line().max(1), column: span.start.col() + 1 };
        let node = |content| Node { content, place, alias: false, reread: None };
        match event {
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), place),
            Event::Alias(_) => {
                let name = self.slice(span).trim_start_matches('*').trim().to_owned();
                self.add(Node { alias: true, ..node(Content::Text(name)) })
            }
            Event::SequenceStart(..) => self.start(Shape::List(Vec::new()), place),
            Event::MappingStart(..) => self.start(Shape::Map(Vec::new(), None), place),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { place, shape }) = self.open.pop() else { return Ok(None) };
                let content = match shape {
                    Shape::List(items) => Content::List(items),
                    Shape::Map(entries, _) => Content::Map(entries),
                };
                self.add(Node { content, place, alias: false, reread: None })
            }
            _ => Ok(None),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<Option<Node>, Unreadable> {
        if let Some(Open { shape: Shape::Map(_, key @ None), .. }) = self.open.last_mut() {
            *key = Some(Key { text: text.into(), place });
            return Ok(None);
        }
        let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
        let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
        let content = match core {
            _ if plain => plain_scalar(text),
            Some("null") => Content::Null,
            Some("int" | "float" | "bool") => plain_scalar(text),
            _ => Content::Text(text.into()),
        };
        let spelled = match &content {
            Content::Bool(flag) => !text.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            Content::Number(number) => number.to_string() != text,
            _ => false,
        };
        self.add(Node { content, place, alias: false, reread: spelled.then(|| text.to_owned()) })
    }

    fn start(&mut self, shape: Shape, place: Place) -> Result<Option<Node>, Unreadable> {
        if matches!(self.open.last(), Some(Open { shape: Shape::Map(_, None), .. })) {
            return Err(unreadable("Expected a field name (Scalar value in YAML), got a list or a map", place));
        }
        if self.open.len() == DEPTH {
            let message = format!("Document nesting depth ({}) exceeds the maximum allowed ({DEPTH})", DEPTH + 1);
            return Err(Unreadable { message, place });
        }
        self.open.push(Open { place, shape });
        Ok(None)
    }

    fn add(&mut self, node: Node) -> Result<Option<Node>, Unreadable> {
        let Some(Open { shape, .. }) = self.open.last_mut() else { return Ok(Some(node)) };
        match shape {
            Shape::List(items) => items.push(node),
            Shape::Map(entries, key) => match (key.take(), node.content) {
                (Some(key), content) => entries.push((key, Node { content, ..node })),
                (None, Content::Text(text)) => *key = Some(Key { text, place: node.place }),
                (None, _) => return Err(unreadable("Expected a field name (Scalar value in YAML)", node.place)),
            },
        }
        Ok(None)
    }

    /// The text of a span that starts after those before it.
    fn slice(&mut self, span: Span) -> String {
        while self.at < span.start.index() && self.cursor.next().is_some() {
            self.at += 1;
        }
        let start = self.cursor.offset();
        let length = span.end.index().saturating_sub(span.start.index());
        self.text[start..].chars().take(length).collect()
    }
}

fn unreadable(message: &str, place: Place) -> Unreadable {
    Unreadable { message: message.into(), place }
}

/// What a scalar without quotes and tag means.
fn plain_scalar(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Content::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Content::Bool(false),
        _ => {}
    }
    let number = integer(text).or_else(|| float(text));
    number.map_or_else(|| Content::Text(text.into()), Content::Number)
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        [b'0'..=b'9', ..] => (10, digits),
        _ => return None,
    };
    let plain: String = digits.chars().filter(|digit| *digit != '_').collect();
    if plain.is_empty() || !plain.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u128::from_str_radix(&plain, radix).ok()?;
    match u64::try_from(magnitude) {
        Ok(magnitude) if !negative => Some(magnitude.into()),
        _ if negative => i64::try_from(-i128::try_from(magnitude).ok()?).ok().map(Number::from),
        #[expect(clippy::cast_precision_loss, reason = "a number beyond 64 bits keeps its size")]
        _ => Number::from_f64(magnitude as f64),
    }
}

fn float(text: &str) -> Option<Number> {
    let plain: String = text.chars().filter(|digit| *digit != '_').collect();
    let unsigned = plain.trim_start_matches(['+', '-']);
    let starts = unsigned.starts_with(|first: char| first.is_ascii_digit()) && text.len() - unsigned.len() <= 1
        || unsigned.starts_with('.') && unsigned[1..].starts_with(|next: char| next.is_ascii_digit());
    let shaped =
        unsigned.contains(['.', 'e', 'E']) && unsigned.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if !starts || !shaped {
        return None;
    }
    plain.trim_start_matches('+').parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        Node::parse(text).unwrap().value()
    }

    #[test]
    fn plain_scalars_are_read_as_yaml_1_1_says() {
        fidelity::fidelity!("core-recipe-4");
        let text = "{a: yes, b: 'yes', c: 010, d: 1_000, e: 0x1F, f: 1.50, g: ~, h: , i: 1.2.3, j: 2020-01-25, k: 1:30, \
                    l: -5, m: 1e3, n: Off, o: !!str 5, p: y}";
        let expected = json!({
            "a": true, "b": "yes", "c": 8, "d": 1000, "e": 31, "f": 1.5, "g": null, "h": null, "i": "1.2.3",
            "j": "2020-01-25", "k": "1:30", "l": -5, "m": 1000.0, "n": false, "o": "5", "p": "y",
        });
        assert_eq!(value(text), expected);
        assert_eq!(value("- a-\n- .5\n- '1'\n- 1.\n- 08"), json!(["a-", 0.5, "1", 1.0, "08"]));
    }

    #[test]
    fn an_alias_is_its_name_and_the_last_of_equal_keys_wins() {
        fidelity::fidelity!("core-recipe-4");
        let text = "ä: &anchor {x: 1}\nb: *anchor\nc:\n  <<: *anchor\nd: 1\nd: 2\n---\nsecond: 1";
        assert_eq!(value(text), json!({"ä": {"x": 1}, "b": "anchor", "c": {"<<": "anchor"}, "d": 2}));
        // Nothing multiplies: an alias costs its name only.
        let bomb: Vec<String> = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]", n - 1)).collect();
        assert_eq!(value(&format!("a0: &a0 x\n{}", bomb.join("\n")))["a39"], json!(["a38", "a38"]));
    }

    #[test]
    fn places_count_from_one() {
        let Content::Map(entries) = Node::parse("a: 1\nbc:\n  - x: yes\n").unwrap().content else { panic!() };
        assert_eq!((entries[1].0.place.line, entries[1].0.place.column), (2, 1));
        let Content::List(items) = &entries[1].1.content else { panic!() };
        let Content::Map(inner) = &items[0].content else { panic!() };
        assert_eq!((inner[0].1.place.line, inner[0].1.place.column), (3, 8));
        assert_eq!(inner[0].1.reread.as_deref(), Some("yes"));
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        assert_eq!(Node::parse("a: [").unwrap_err().place.line, 2);
        assert!(Node::parse("").unwrap_err().message.contains("end-of-input"));
        assert!(Node::parse("{[a]: 1}").unwrap_err().message.contains("Expected a field name"));
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let text = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(Node::parse(&text(DEPTH)).is_ok());
            assert!(Node::parse(&text(DEPTH + 1)).unwrap_err().message.contains("nesting depth (129)"));
            assert!(Node::parse(&text(200_000)).is_err());
        }
        assert!(Node::parse(&" ".repeat(LENGTH + 1)).unwrap_err().message.contains("3145728 code points"));
    }
}
