//! The policies that take part in a decision, layer by layer.

use crate::document::Document;
use std::{fmt, sync::Arc};

/// A named policy. Cloning it does not copy the document.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What people call it.
    pub name: String,
    /// What it says.
    pub document: Arc<Document>,
}

impl Policy {
    /// A policy of a name.
    #[must_use]
    pub fn new(name: &str, document: impl Into<Arc<Document>>) -> Self {
        Self { name: name.to_owned(), document: document.into() }
    }
}

/// All policies that bear on a request.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of the user, with its groups', or of the role.
    pub identity: Vec<Policy>,
    /// That of the resource; a role's trust policy for `sts:AssumeRole`, a key's policy for KMS.
    pub resource: Option<Policy>,
    /// The permissions boundary of the user or role.
    pub boundary: Option<Policy>,
    /// Those given when the session was made; none means that the session is not limited.
    pub session: Vec<Policy>,
    /// Service control policies of the principal's account, level by level, root first.
    pub scp: Vec<Vec<Policy>>,
    /// Resource control policies of the resource's account, level by level. `RCPFullAWSAccess` is implied.
    pub rcp: Vec<Vec<Policy>>,
    /// That of the VPC endpoint that the request comes through.
    pub vpce: Vec<Policy>,
}

impl Policies {
    /// The levels of a layer; all but SCPs and RCPs have one.
    pub fn levels(&self, layer: Layer) -> impl Iterator<Item = &[Policy]> {
        let (levels, one): (&[Vec<Policy>], Option<&[Policy]>) = match layer {
            Layer::Scp => (&self.scp, None),
            Layer::Rcp => (&self.rcp, None),
            Layer::Vpce => (&[], Some(&self.vpce)),
            Layer::Resource => (&[], Some(self.resource.as_slice())),
            Layer::Identity => (&[], Some(&self.identity)),
            Layer::Boundary => (&[], Some(self.boundary.as_slice())),
            Layer::Session => (&[], Some(&self.session)),
        };
        levels.iter().map(Vec::as_slice).chain(one)
    }

    /// Whether there is a policy of that layer to obey. Whoever has no identity policy has none that allows.
    pub(crate) fn has(&self, layer: Layer) -> bool {
        match layer {
            Layer::Identity => true,
            Layer::Scp | Layer::Rcp => self.levels(layer).next().is_some(),
            _ => self.levels(layer).any(|level| !level.is_empty()),
        }
    }
}

/// A kind of policies in a decision, in the order in which one of several that deny is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Service control policies.
    Scp,
    /// Resource control policies.
    Rcp,
    /// The VPC endpoint's policy.
    Vpce,
    /// The resource's policy.
    Resource,
    /// Identity policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// Session policies.
    Session,
}

impl Layer {
    /// Every layer, in order.
    pub const ALL: [Self; 7] =
        [Self::Scp, Self::Rcp, Self::Vpce, Self::Resource, Self::Identity, Self::Boundary, Self::Session];

    /// Whether the statements of the layer name principals.
    pub(crate) fn names_principals(self) -> bool {
        matches!(self, Self::Rcp | Self::Vpce | Self::Resource)
    }
}

/// Shows the layer's short name, such as `identity`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Vpce => "vpce",
            Self::Resource => "resource",
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Session => "session",
        })
    }
}
