//! What the IoT policies of the device's certificate allow.

use crate::world::World;
use iam::{Document, Kind, Request};

/// The policies attached to the certificate, by name.
#[derive(Debug)]
pub(super) struct Policies(Vec<(String, Document)>);

impl Policies {
    /// Reads the policies of the world's thing.
    ///
    /// # Errors
    /// If one is no policy that can be decided; the text names it.
    pub(super) fn parse(world: &World) -> Result<Self, String> {
        let read = |(name, policy): (&String, &String)| match Document::read(policy, Kind::Iot) {
            Ok(document) => Ok((name.clone(), document)),
            Err(error) => Err(format!("reading IoT policy `{name}`: {error}")),
        };
        world.thing.policies.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an action on a resource is allowed; `context` holds the policy variables and condition keys.
    pub(super) fn allow(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        let request = Request::new(action, resource);
        let request = context.iter().fold(request, |request, (key, value)| request.with(key, *value));
        let policies: Vec<_> = self.0.iter().map(|(name, document)| (name.as_str(), document)).collect();
        iam::iot::evaluate(&policies, &request).is_allowed()
    }
}
