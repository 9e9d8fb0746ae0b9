//! The text of a template, YAML or JSON, as a tree in which each value has its place.
//!
//! A short intrinsic (`!Sub TEXT`) is turned into its long form (`Fn::Sub: TEXT`), so that nothing later sees the
//! difference. Anchors are refused, as CloudFormation refuses them.

use iam::Position;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// How deep a template may nest, so that nothing that walks the tree runs out of stack.
const DEPTH: usize = 100;

/// A value and where it starts.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Position,
    pub(super) content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A text, and whether it has no quotes, so that `true` is a truth value.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A member of a map, in the order of the text.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) place: Position,
    pub(super) value: Node,
}

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) place: Position,
    pub(super) message: String,
}

impl Node {
    /// Reads the first document of a text.
    pub(super) fn read(text: &str) -> Result<Self, Unreadable> {
        // JSON may be indented with tabs; YAML may not.
        let json = text.trim_start().starts_with('{').then(|| text.replace('\t', " "));
        let mut builder = Builder::default();
        for item in Parser::new_from_str(json.as_deref().unwrap_or(text)) {
            let (event, span) = item.map_err(|error| {
                let mark = error.marker();
                Unreadable { place: position(mark.line(), mark.col()), message: error.info().to_owned() }
            })?;
            if let Some(node) = builder.take(event, span)? {
                return Ok(node);
            }
        }
        Err(Unreadable { place: position(1, 0), message: "the file is empty".into() })
    }

    pub(super) fn text_node(place: Position, text: impl Into<String>) -> Self {
        Self { place, content: Content::Scalar { text: text.into(), plain: false } }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Content::Scalar { text, .. } = &self.content { Some(text) } else { None }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        if let Content::List(items) = &self.content { Some(items) } else { None }
    }

    pub(super) fn members(&self) -> &[Member] {
        if let Content::Map(members) = &self.content { members } else { &[] }
    }

    /// The member of that name.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// The one member of a map that has just one.
    pub(super) fn only(&self) -> Option<&Member> {
        if let [member] = self.members() { Some(member) } else { None }
    }
}

/// The parser's lines count from 1, its columns from 0.
fn position(line: usize, column: usize) -> Position {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: number(line.max(1)), column: number(column + 1) }
}

/// Collects values from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
}

/// A list or a map that hasn't ended.
struct Open {
    place: Position,
    intrinsic: Option<String>,
    shape: Shape,
}

enum Shape {
    List(Vec<Node>),
    /// The members, and a key that waits for its value.
    Map(Vec<Member>, Option<(String, Position)>),
}

impl Builder {
    /// Takes one event; the whole value once it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Unreadable> {
        let place = position(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, _, tag) => {
                if let Some(Open { shape: Shape::Map(_, key @ None), .. }) = self.open.last_mut() {
                    *key = Some((text.into_owned(), place));
                    return Ok(None);
                }
                let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
                let node = Node { place, content: Content::Scalar { text: text.into_owned(), plain } };
                Ok(self.add(wrapped(node, intrinsic(tag.as_deref()))))
            }
            Event::SequenceStart(_, tag) => self.start(place, tag.as_deref(), Shape::List(Vec::new())),
            Event::MappingStart(_, tag) => self.start(place, tag.as_deref(), Shape::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { place, intrinsic, shape }) = self.open.pop() else { return Ok(None) };
                let content = match shape {
                    Shape::List(items) => Content::List(items),
                    Shape::Map(members, _) => Content::Map(members),
                };
                Ok(self.add(wrapped(Node { place, content }, intrinsic)))
            }
            Event::Alias(_) => {
                Err(Unreadable { place, message: "CloudFormation takes no YAML aliases (`*NAME`)".into() })
            }
            _ => Ok(None),
        }
    }

    fn start(&mut self, place: Position, tag: Option<&Tag>, shape: Shape) -> Result<Option<Node>, Unreadable> {
        let refused = |message: String| Err(Unreadable { place, message });
        if matches!(self.open.last(), Some(Open { shape: Shape::Map(_, None), .. })) {
            return refused("a key is a text, not a list or a map".into());
        }
        if self.open.len() == DEPTH {
            return refused(format!("the file nests more than {DEPTH} levels deep"));
        }
        self.open.push(Open { place, intrinsic: intrinsic(tag), shape });
        Ok(None)
    }

    /// Adds a value to what is open; gives it back if nothing is.
    fn add(&mut self, node: Node) -> Option<Node> {
        match self.open.last_mut() {
            None => return Some(node),
            Some(Open { shape: Shape::Map(members, key), .. }) => {
                if let Some((key, place)) = key.take() {
                    members.push(Member { key, place, value: node });
                }
            }
            Some(Open { shape: Shape::List(items), .. }) => items.push(node),
        }
        None
    }
}

/// The long name of the intrinsic that a tag stands for.
fn intrinsic(tag: Option<&Tag>) -> Option<String> {
    let tag = tag.filter(|tag| tag.handle == "!")?;
    let bare = matches!(tag.suffix.as_str(), "Ref" | "Condition");
    Some(if bare { tag.suffix.clone() } else { format!("Fn::{}", tag.suffix) })
}

fn wrapped(value: Node, intrinsic: Option<String>) -> Node {
    let Some(key) = intrinsic else { return value };
    let place = value.place;
    Node { place, content: Content::Map(vec![Member { key, place, value }]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_intrinsics_become_long_ones_and_places_count_from_one() {
        let node = Node::read("a: !Sub '${x}'\nb:\n  - !Join ['', [1, true]]\n").unwrap();
        let sub = node.get("a").unwrap().only().unwrap();
        assert_eq!((sub.key.as_str(), sub.value.text()), ("Fn::Sub", Some("${x}")));
        let join = node.get("b").unwrap().list().unwrap()[0].only().unwrap().clone();
        assert_eq!((join.key.as_str(), join.place), ("Fn::Join", Position { line: 3, column: 5 }));
    }

    #[test]
    fn json_is_read_with_tabs_and_what_is_no_document_is_refused_with_its_place() {
        let node = Node::read("{\n\t\"a\": [1,\n\t\"x\\u0041\\/\"]}").unwrap();
        let item = &node.get("a").unwrap().list().unwrap()[1];
        assert_eq!((item.text(), item.place), (Some("xA/"), Position { line: 3, column: 2 }));
        assert_eq!(Node::read("a: &x 1\nb: *x\n").unwrap_err().place, Position { line: 2, column: 4 });
        assert_eq!(Node::read("").unwrap_err().message, "the file is empty");
        assert!(Node::read(&"[".repeat(100_000)).is_err());
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Node::read(&nested(DEPTH)).is_ok() && Node::read(&nested(DEPTH + 1)).is_err());
        assert_eq!(Node::read("a: [").unwrap_err().place.line, 2);
    }
}
