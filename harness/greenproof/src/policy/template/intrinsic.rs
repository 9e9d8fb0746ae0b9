//! Resolves a template's intrinsic functions: `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::Join`, `Fn::Select`, `Fn::Split`,
//! `Fn::FindInMap` and `Fn::If` with its conditions.
//!
//! What only a deployed stack knows is an error that says which `--parameter` to pass.

use super::{
    physical,
    tree::{Content, Member, Node},
};
use iam::Position;
use std::collections::BTreeMap;

/// What can't be resolved, and where.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) place: Position,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Unresolved {
    fn new(place: Position, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: hint.into() }
    }
}

/// What names in a template stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'t> {
    pub(super) template: &'t Node,
    /// What the user passed: parameters, pseudo parameters, and resources' names and attributes.
    pub(super) given: &'t BTreeMap<String, String>,
    /// How deep names lead to names; a circle ends in an error.
    depth: usize,
}

const CIRCLE: usize = 20;

impl<'t> Scope<'t> {
    pub(super) fn new(template: &'t Node, given: &'t BTreeMap<String, String>) -> Self {
        Self { template, given, depth: 0 }
    }

    fn deeper(self, place: Position) -> Result<Self, Unresolved> {
        if self.depth == CIRCLE {
            return Err(Unresolved::new(place, "names lead in a circle here", "break the circle"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// The value with every intrinsic resolved; nothing for `AWS::NoValue`.
    pub(super) fn resolve(self, node: &Node) -> Result<Option<Node>, Unresolved> {
        if let Some(call) = node.only().filter(|member| is_intrinsic(&member.key)) {
            let called = self.call(call)?;
            return Ok(called.map(|value| Node { place: node.place, ..value }));
        }
        let content = match &node.content {
            Content::Scalar { .. } => return Ok(Some(node.clone())),
            Content::List(items) => {
                let items = items.iter().map(|item| self.resolve(item)).collect::<Result<Vec<_>, _>>()?;
                Content::List(items.into_iter().flatten().collect())
            }
            Content::Map(members) => {
                let mut resolved = Vec::new();
                for Member { key, place, value } in members {
                    if let Some(value) = self.resolve(value)? {
                        resolved.push(Member { key: key.clone(), place: *place, value });
                    }
                }
                Content::Map(resolved)
            }
        };
        Ok(Some(Node { place: node.place, content }))
    }

    /// The text that a value resolves to.
    pub(super) fn text(self, node: &Node) -> Result<String, Unresolved> {
        let resolved = self.resolve(node)?;
        let text = resolved.as_ref().and_then(Node::text).map(str::to_owned);
        text.ok_or_else(|| Unresolved::new(node.place, "a text belongs here", "correct the template"))
    }

    fn list(self, node: &Node) -> Result<Vec<Node>, Unresolved> {
        let resolved = self.resolve(node)?;
        let items = resolved.as_ref().and_then(Node::list).map(<[Node]>::to_vec);
        items.ok_or_else(|| Unresolved::new(node.place, "a list belongs here", "correct the template"))
    }

    fn call(self, Member { key, place, value }: &Member) -> Result<Option<Node>, Unresolved> {
        let scope = self.deeper(*place)?;
        let text = |text: String| Ok(Some(Node::text_node(*place, text)));
        match key.as_str() {
            "Ref" => scope.reference(&scope.text(value)?, value.place),
            "Fn::GetAtt" => text(scope.attribute(&scope.attribute_name(value)?, value.place)?),
            "Fn::Sub" => text(scope.substitute(value)?),
            "Fn::Join" => {
                let [separator, items] = arguments(value)?;
                let items = scope.list(items)?.iter().map(|item| scope.text(item)).collect::<Result<Vec<_>, _>>()?;
                text(items.join(&scope.text(separator)?))
            }
            "Fn::Split" => {
                let [separator, whole] = arguments(value)?;
                let (separator, whole) = (scope.text(separator)?, scope.text(whole)?);
                let parts = whole.split(&separator).map(|part| Node::text_node(*place, part)).collect();
                Ok(Some(Node { place: *place, content: Content::List(parts) }))
            }
            "Fn::Select" => {
                let [index, items] = arguments(value)?;
                let chosen = scope
                    .text(index)?
                    .parse()
                    .ok()
                    .and_then(|index: usize| scope.list(items).ok().and_then(|items| items.into_iter().nth(index)));
                let chosen = chosen.ok_or_else(|| Unresolved::new(value.place, "no such item", "correct the index"))?;
                Ok(Some(chosen))
            }
            "Fn::FindInMap" => scope.mapped(value).map(Some),
            "Fn::If" => {
                let Some([name, then, otherwise]) = value.list() else {
                    return Err(malformed(key, value.place));
                };
                scope.resolve(if scope.holds_named(&scope.text(name)?, name.place)? { then } else { otherwise })
            }
            other => {
                let message = format!("`{other}` can only be resolved by CloudFormation");
                Err(Unresolved::new(*place, message, "write the value that it has, or make it a parameter"))
            }
        }
    }

    /// What `Ref NAME` stands for.
    fn reference(self, name: &str, place: Position) -> Result<Option<Node>, Unresolved> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(parameter) = self.template.get("Parameters").and_then(|all| all.get(name)) {
            let value = self.parameter(name, parameter, place)?;
            let listed = parameter.get("Type").and_then(Node::text).is_some_and(|of| of.contains("List"));
            let items = || value.split(',').map(|item| Node::text_node(place, item.trim())).collect();
            let content =
                if listed { Content::List(items()) } else { Content::Scalar { text: value.clone(), plain: false } };
            return Ok(Some(Node { place, content }));
        }
        self.named(name, None, place).map(|value| Some(Node::text_node(place, value)))
    }

    fn parameter(self, name: &str, parameter: &Node, place: Position) -> Result<String, Unresolved> {
        if let Some(given) = self.given.get(name) {
            return Ok(given.clone());
        }
        let of = parameter.get("Type").and_then(Node::text).unwrap_or_default();
        let hint = format!("pass `--parameter {name}=VALUE`");
        if of.starts_with("AWS::SSM::Parameter::Value") {
            let message = format!("parameter `{name}` has its value in the Systems Manager");
            return Err(Unresolved::new(place, message, hint));
        }
        let default = parameter.get("Default").and_then(Node::text).map(str::to_owned);
        default.ok_or_else(|| Unresolved::new(place, format!("parameter `{name}` has no default"), hint))
    }

    /// `LOGICAL.ATTRIBUTE`, which may be given as a list of both.
    fn attribute_name(self, value: &Node) -> Result<String, Unresolved> {
        let Some(parts) = value.list() else { return self.text(value) };
        let parts = parts.iter().map(|part| self.text(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.join("."))
    }

    fn attribute(self, name: &str, place: Position) -> Result<String, Unresolved> {
        match name.split_once('.') {
            Some((logical, attribute)) => self.named(logical, Some(attribute), place),
            None => Err(Unresolved::new(place, format!("`{name}` names no attribute"), "write `LOGICAL.ATTRIBUTE`")),
        }
    }

    /// A pseudo parameter, or a resource's name or attribute.
    pub(super) fn named(self, name: &str, attribute: Option<&str>, place: Position) -> Result<String, Unresolved> {
        let full = attribute.map_or_else(|| name.to_owned(), |attribute| format!("{name}.{attribute}"));
        if let Some(given) = self.given.get(&full) {
            return Ok(given.clone());
        }
        let hint = format!("pass `--parameter {full}=VALUE`");
        if name.starts_with("AWS::") {
            let known = match name {
                "AWS::Partition" => Some("aws"),
                "AWS::URLSuffix" => Some("amazonaws.com"),
                _ => None,
            };
            return known
                .map(str::to_owned)
                .ok_or_else(|| Unresolved::new(place, format!("the value of `{name}` is not known here"), hint));
        }
        let resource = self.template.get("Resources").and_then(|all| all.get(name));
        let Some(resource) = resource else {
            let message = format!("`{full}` is neither a parameter nor a resource of the template");
            let policy_variable = full.contains(':');
            let hint = if policy_variable {
                format!("a policy's own variable is written `${{!{full}}}` in `Fn::Sub`")
            } else {
                hint
            };
            return Err(Unresolved::new(place, message, hint));
        };
        let value = physical::value(self.deeper(place)?, resource, attribute)?;
        value.ok_or_else(|| Unresolved::new(place, format!("only the deployed stack knows `{full}`"), hint))
    }

    /// `Fn::Sub`: a text, or a text and what its names stand for.
    fn substitute(self, value: &Node) -> Result<String, Unresolved> {
        let (text, own) = match value.list() {
            Some([text, own]) => (text, own.members()),
            Some(_) => return Err(malformed("Fn::Sub", value.place)),
            None => (value, &[][..]),
        };
        let whole = text.text().ok_or_else(|| malformed("Fn::Sub", value.place))?;
        let mut resolved = String::new();
        let mut rest = whole;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(Unresolved::new(text.place, "`${` has no `}`", "close it"));
            };
            resolved.push_str(before);
            rest = after;
            let own = own.iter().find(|member| member.key == name);
            let written = match (name.strip_prefix('!'), own) {
                (Some(literal), _) => format!("${{{literal}}}"),
                (None, Some(own)) => self.text(&own.value)?,
                // A parameter that is a list has no place in a text.
                (None, None) => match self.reference_or_attribute(name, text.place)? {
                    Some(node) => self.text(&node)?,
                    None => String::new(),
                },
            };
            resolved.push_str(&written);
        }
        Ok(resolved + rest)
    }

    fn reference_or_attribute(self, name: &str, place: Position) -> Result<Option<Node>, Unresolved> {
        let parameter = self.template.get("Parameters").is_some_and(|all| all.get(name).is_some());
        if !parameter && !name.starts_with("AWS::") && name.contains('.') {
            return self.attribute(name, place).map(|value| Some(Node::text_node(place, value)));
        }
        self.reference(name, place)
    }

    fn mapped(self, value: &Node) -> Result<Node, Unresolved> {
        let Some([map, first, second]) = value.list() else { return Err(malformed("Fn::FindInMap", value.place)) };
        let keys = [self.text(map)?, self.text(first)?, self.text(second)?];
        let found = keys.iter().try_fold(self.template.get("Mappings"), |node, key| Some(node?.get(key)));
        let missing = || {
            Unresolved::new(
                value.place,
                format!("`Mappings` has no `{}`", keys.join(".")),
                "add it, or correct the key",
            )
        };
        found.flatten().cloned().ok_or_else(missing)
    }

    /// Whether a condition of the template holds.
    pub(super) fn holds_named(self, name: &str, place: Position) -> Result<bool, Unresolved> {
        let condition = self.template.get("Conditions").and_then(|all| all.get(name));
        let missing = || Unresolved::new(place, format!("`Conditions` has no `{name}`"), "add it, or correct the name");
        self.deeper(place)?.holds(condition.ok_or_else(missing)?)
    }

    fn holds(self, condition: &Node) -> Result<bool, Unresolved> {
        let Some(Member { key, value, .. }) = condition.only() else {
            return Err(malformed("the condition", condition.place));
        };
        let each = || value.list().ok_or_else(|| malformed(key, value.place));
        let held = || each()?.iter().map(|one| self.holds(one)).collect::<Result<Vec<_>, _>>();
        match key.as_str() {
            "Fn::Equals" => {
                let [left, right] = arguments(value)?;
                Ok(self.text(left)? == self.text(right)?)
            }
            "Fn::And" => Ok(held()?.into_iter().all(|holds| holds)),
            "Fn::Or" => Ok(held()?.into_iter().any(|holds| holds)),
            "Fn::Not" => Ok(held()?.into_iter().all(|holds| !holds)),
            "Condition" => self.holds_named(&self.text(value)?, value.place),
            other => Err(malformed(other, condition.place)),
        }
    }
}

fn is_intrinsic(key: &str) -> bool {
    key == "Ref" || key.starts_with("Fn::")
}

/// The two arguments of a function.
fn arguments(value: &Node) -> Result<[&Node; 2], Unresolved> {
    match value.list() {
        Some([first, second]) => Ok([first, second]),
        _ => Err(malformed("the function", value.place)),
    }
}

fn malformed(what: &str, place: Position) -> Unresolved {
    Unresolved::new(place, format!("{what} has not the arguments that it takes"), "correct the template")
}
