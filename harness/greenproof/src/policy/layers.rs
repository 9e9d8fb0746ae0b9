//! The policies that a request is decided by, layer by layer, each with its text, so that a report can show what they say.

use super::{
    Error,
    source::{Found, Given, Role, Source, Written},
};
use iam::{Kind, Layer, Policies, Policy};
use serde_json::Value;

/// Policies by layer, as they are named on a command line.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// What [`iam::decide`] takes.
    pub policies: Policies,
    texts: Vec<(Layer, Written)>,
}

/// What a statement is about, as its author wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// `Action`, or `NotAction`.
    pub action: (String, Vec<String>),
    /// `Resource`, or `NotResource`.
    pub resource: (String, Vec<String>),
    /// `Principal`, or `NotPrincipal`, as JSON.
    pub principal: Option<(String, String)>,
}

impl Layers {
    /// Adds the policies of sources as identity policies; a role brings its boundary too.
    ///
    /// # Errors
    /// When a source can't be read, or AWS would refuse it.
    pub fn identity(&mut self, sources: &[String], given: &Given) -> Result<(), Error> {
        for source in sources {
            match Source::parse(source).read(given)? {
                Found::Policy(policy) => self.add_identity(policy, Kind::Inline)?,
                Found::Role(Role { policies, boundary, .. }) => {
                    policies.into_iter().try_for_each(|policy| self.add_identity(policy, Kind::Inline))?;
                    if let Some(boundary) = boundary {
                        self.policies.boundary = Some(self.compiled(Layer::Boundary, boundary, Kind::Boundary)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds IoT policies, which hang on a certificate as identity policies hang on a role.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn iot(&mut self, sources: &[String], given: &Given) -> Result<(), Error> {
        sources.iter().try_for_each(|source| self.add_identity(policy(source, given)?, Kind::Iot))
    }

    fn add_identity(&mut self, policy: Written, kind: Kind) -> Result<(), Error> {
        let kind = policy.kind.filter(|kind| *kind == Kind::Managed).unwrap_or(kind);
        let policy = self.compiled(Layer::Identity, policy, kind)?;
        self.policies.identity.push(policy);
        Ok(())
    }

    /// Sets the permissions boundary.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn boundary(&mut self, source: &str, given: &Given) -> Result<(), Error> {
        self.policies.boundary = Some(self.compiled(Layer::Boundary, policy(source, given)?, Kind::Boundary)?);
        Ok(())
    }

    /// Adds session policies.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn session(&mut self, sources: &[String], given: &Given) -> Result<(), Error> {
        for source in sources {
            let policy = self.compiled(Layer::Session, policy(source, given)?, Kind::Session)?;
            self.policies.session.push(policy);
        }
        Ok(())
    }

    /// Sets the resource's policy; that of a role is its trust policy.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn resource(&mut self, source: &str, given: &Given) -> Result<(), Error> {
        let (policy, kind) = match Source::parse(source).read(given)? {
            Found::Role(role) => {
                let missing = || Error::new(source, "the role has no trust policy", "name a policy of a resource");
                (role.trust.ok_or_else(missing)?, Kind::Trust)
            }
            // A policy without `Resource` is the trust policy of a role.
            Found::Policy(policy) => {
                let trust =
                    statements(&policy.text).iter().all(|one| one.get("Resource").or(one.get("NotResource")).is_none());
                let kind = if trust { Kind::Trust } else { Kind::Resource };
                (policy, kind)
            }
        };
        self.policies.resource = Some(self.compiled(Layer::Resource, policy, kind)?);
        Ok(())
    }

    /// Adds levels of service control policies, root first; a level is one or several files, with commas between them.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn scp(&mut self, levels: &[String], given: &Given) -> Result<(), Error> {
        let levels = self.levels(Layer::Scp, Kind::Scp, levels, given)?;
        self.policies.scp.extend(levels);
        Ok(())
    }

    /// Adds levels of resource control policies, as [`Layers::scp`] does.
    ///
    /// # Errors
    /// As [`Layers::identity`].
    pub fn rcp(&mut self, levels: &[String], given: &Given) -> Result<(), Error> {
        let levels = self.levels(Layer::Rcp, Kind::Rcp, levels, given)?;
        self.policies.rcp.extend(levels);
        Ok(())
    }

    fn levels(
        &mut self,
        layer: Layer,
        kind: Kind,
        levels: &[String],
        given: &Given,
    ) -> Result<Vec<Vec<Policy>>, Error> {
        let mut read = Vec::new();
        for level in levels {
            let sources = level.split(',').filter(|source| !source.is_empty());
            let level = sources.map(|source| self.compiled(layer, policy(source, given)?, kind));
            read.push(level.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(read)
    }

    /// Whether there is no policy at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Compiles a policy and keeps its text; of two with one name in a layer, the second is called by its file.
    fn compiled(&mut self, layer: Layer, mut written: Written, kind: Kind) -> Result<Policy, Error> {
        if self.written(layer, &written.name).is_some() {
            written.name.clone_from(&written.origin);
        }
        let policy = written.compile(kind)?;
        self.texts.push((layer, written));
        Ok(policy)
    }

    /// The policy of a name in a layer, as it is written.
    #[must_use]
    pub fn written(&self, layer: Layer, name: &str) -> Option<&Written> {
        self.texts.iter().find(|(of, written)| *of == layer && written.name == name).map(|(_, written)| written)
    }
}

/// A source that must be a policy.
fn policy(source: &str, given: &Given) -> Result<Written, Error> {
    match Source::parse(source).read(given)? {
        Found::Policy(policy) => Ok(policy),
        Found::Role(_) => Err(Error::new(source, "this is a role, not a policy", "name one of its policies")),
    }
}

/// The statements of a policy's text.
pub(super) fn statements(text: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    match &document["Statement"] {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

impl Spoken {
    /// What the statement of an index says.
    #[must_use]
    pub fn of(text: &str, index: usize) -> Self {
        let statement = statements(text).into_iter().nth(index).unwrap_or_default();
        let list = |keys: [&str; 2]| {
            let key = keys.into_iter().find(|key| statement.get(key).is_some()).unwrap_or(keys[0]);
            let values = match &statement[key] {
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                Value::String(one) => vec![one.clone()],
                _ => Vec::new(),
            };
            (key.to_owned(), values)
        };
        let mut principal = ["Principal", "NotPrincipal"].into_iter();
        Self {
            action: list(["Action", "NotAction"]),
            resource: list(["Resource", "NotResource"]),
            principal: principal.find_map(|key| Some((key.to_owned(), statement.get(key)?.to_string()))),
        }
    }
}
