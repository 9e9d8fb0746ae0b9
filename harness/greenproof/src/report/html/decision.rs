//! The decisions on policies, each with the documents that made it and the place of the statement that decided.
//!
//! Each recorded decision is made again by the policies that the run began with. Only where that comes out the same is a
//! document shown: a device may change policies while it runs, and then the document is not the one that decided.

use super::timeline::{Of, Timeline};
use crate::evidence::{Evidence, recovery};
use cloud::{event::Decision, policies::Account, world::World};
use iam::{Layer, StatementRef};
use serde::{Serialize, de::IgnoredAny};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// The policies that a run began with, as they are written. Nothing else of its world is kept.
#[derive(Debug)]
pub struct Documents {
    account: Account,
    /// By layer, by who or what has the policy, and by its name.
    texts: BTreeMap<(u8, String, String), String>,
}

impl Documents {
    /// The policies of a world; `clean` takes out of a text what must not be shown.
    ///
    /// # Errors
    /// If AWS would refuse one.
    pub fn of(world: &World, clean: impl Fn(&str) -> String) -> Result<Self, String> {
        let mut texts = BTreeMap::new();
        let mut add = |layer: Layer, of: &str, name: &str, text: &str| {
            texts.insert((layer as u8, of.to_owned(), name.to_owned()), clean(text));
        };
        for (name, text) in &world.thing.policies {
            add(Layer::Identity, CERTIFICATE, name, text);
        }
        for (role, it) in &world.roles {
            it.policies.iter().for_each(|(name, text)| add(Layer::Identity, role, name, text));
            it.boundary.iter().for_each(|boundary| add(Layer::Boundary, role, &boundary.name, &boundary.text));
            add(Layer::Resource, "", &format!("trust/{role}"), &it.trust);
        }
        for secret in &world.secrets {
            secret.policy.iter().for_each(|text| add(Layer::Resource, "", &format!("secret/{}", secret.name), text));
        }
        for bucket in &world.buckets {
            bucket.policy.iter().for_each(|text| add(Layer::Resource, "", &format!("bucket/{}", bucket.name), text));
        }
        world.keys.iter().for_each(|(name, key)| add(Layer::Resource, "", &format!("key/{name}"), &key.policy));
        for (layer, levels) in [(Layer::Scp, &world.scps), (Layer::Rcp, &world.rcps)] {
            levels.iter().flatten().for_each(|(name, text)| add(layer, "", name, text));
        }
        Ok(Self { account: Account::of(world)?, texts })
    }

    /// The layer and the text of the policy of a name that bears on a decision.
    fn text(&self, decision: &Decision, layer: Option<Layer>, name: &str) -> Option<(Layer, String)> {
        if let Some(index) = name.strip_prefix("session/") {
            return Some((Layer::Session, decision.session.get(index.parse::<usize>().ok()?)?.clone()));
        }
        let role = decision.principal.split_once(":assumed-role/").and_then(|(_, session)| session.split('/').next());
        let who = if decision.is_of_certificate() { CERTIFICATE } else { role.unwrap_or_default() };
        let found = |layer: Layer| {
            let of = [who, ""].into_iter();
            let mut text = of.filter_map(|of| self.texts.get(&(layer as u8, of.to_owned(), name.to_owned())));
            text.next().map(|text| (layer, text.clone()))
        };
        match layer {
            Some(layer) => found(layer),
            // What allows is an identity policy or the resource's own.
            None => found(Layer::Identity).or_else(|| found(Layer::Resource)),
        }
    }
}

/// Whose the policies of the device's certificate are.
const CERTIFICATE: &str = "certificate";

/// A policy as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Shown {
    layer: String,
    name: String,
    text: String,
}

/// Where a decision was made: a document, and the statement in it that decided, counted as scripts count letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Place {
    policy: usize,
    statement: Option<Range<usize>>,
}

/// A decision as the page shows it.
#[derive(Clone, Debug, Serialize)]
struct Line<'a> {
    number: usize,
    row: Option<usize>,
    time: &'a str,
    action: &'a str,
    resource: &'a str,
    principal: &'a str,
    outcome: &'static str,
    layer: Option<&'a str>,
    statement: Option<&'a str>,
    clause: Option<String>,
    /// Why no document is shown.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'static str,
    places: Vec<Place>,
}

/// All decisions of a run and the documents that made them.
#[derive(Debug, Serialize)]
pub(super) struct Decisions<'a> {
    lines: Vec<Line<'a>>,
    policies: Vec<Shown>,
}

const UNKNOWN: &str = "The policies that decided are not known here.";
const UNASKED: &str = "No policy was asked.";
const CHANGED: &str = "The policies that the run began with decide otherwise: they were changed before this request.";

impl<'a> Decisions<'a> {
    /// The decisions of an evidence.
    pub(super) fn of(evidence: &'a Evidence, timeline: &Timeline, documents: Option<&Documents>) -> Self {
        let rows = timeline.rows.iter().enumerate();
        let rows: HashMap<usize, usize> =
            rows.filter_map(|(row, it)| if let Of::Event(event) = it.of { Some((event, row)) } else { None }).collect();
        let mut all = Self { lines: Vec::new(), policies: Vec::new() };
        let mut known = HashMap::new();
        for (index, event) in evidence.events.iter().enumerate() {
            for decision in recovery::decisions(&event.what) {
                let (clause, why, places) = match documents {
                    _ if !decision.was_made() => (None, UNASKED, Vec::new()),
                    Some(documents) => all.decided(documents, decision, &mut known),
                    None => (None, UNKNOWN, Vec::new()),
                };
                all.lines.push(Line {
                    number: all.lines.len() + 1,
                    row: rows.get(&index).copied(),
                    time: &event.time,
                    action: &decision.action,
                    resource: &decision.resource,
                    principal: &decision.principal,
                    outcome: decision.word(),
                    layer: decision.layer.as_deref(),
                    statement: decision.statement.as_deref(),
                    clause,
                    why,
                    places,
                });
            }
        }
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// AWS's clause of a denial, why nothing is shown, and where it was decided.
    fn decided(
        &mut self,
        documents: &Documents,
        decision: &Decision,
        known: &mut HashMap<Shown, usize>,
    ) -> (Option<String>, &'static str, Vec<Place>) {
        let policies = documents.account.applying(decision);
        let again = iam::decide(&policies, &decision.request());
        let same = again.statement.map(|statement| statement.to_string()) == decision.statement
            && cloud::event::Outcome::from(again.outcome) == decision.outcome;
        if !same {
            return (None, CHANGED, Vec::new());
        }
        let named: Vec<(&str, Option<StatementRef<'_>>)> = match (again.statement, again.layer) {
            (Some(statement), _) => vec![(statement.policy, Some(statement))],
            // Nothing allowed it: these are the policies that would have had to.
            (None, Some(layer)) => {
                policies.levels(layer).flatten().map(|policy| (policy.name.as_str(), None)).collect()
            }
            (None, None) => Vec::new(),
        };
        let mut places = Vec::new();
        for (name, statement) in named {
            let Some((layer, text)) = documents.text(decision, again.layer, name) else { continue };
            let statement = statement.and_then(|statement| range(&text, statement));
            let shown = Shown { layer: layer.to_string(), name: name.to_owned(), text };
            let next = self.policies.len();
            let policy = *known.entry(shown.clone()).or_insert(next);
            if policy == next {
                self.policies.push(shown);
            }
            places.push(Place { policy, statement });
        }
        (again.clause(&decision.action), "", places)
    }
}

impl std::hash::Hash for Shown {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.layer, &self.name, &self.text).hash(state);
    }
}

/// Where a statement stands in its document; nothing if it is not there, since something was taken out of the text.
fn range(text: &str, statement: StatementRef<'_>) -> Option<Range<usize>> {
    let position = statement.position?;
    let line: usize = text.split_inclusive('\n').take(position.line as usize - 1).map(str::len).sum();
    let column: usize = text[line..].chars().take(position.column as usize - 1).map(char::len_utf8).sum();
    let start = line + column;
    if !text[start..].starts_with('{') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let end = start + values.byte_offset();
    let letters = |text: &str| text.encode_utf16().count();
    Some(letters(&text[..start])..letters(&text[..end]))
}

#[cfg(test)]
mod tests;
