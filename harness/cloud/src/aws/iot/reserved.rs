//! The services behind the reserved topics `$aws/things/THING/…`: jobs, shadows and the fleet status.

use super::{jobs::Jobs, shadow::Shadows};
use crate::{
    event::{What, emit},
    world::World,
};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard};

/// A message that a service publishes.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) topic: String,
    pub(super) payload: Value,
}

/// The services of the one thing that the account has.
#[derive(Debug)]
pub(super) struct Reserved {
    thing: String,
    jobs: Mutex<Jobs>,
    shadows: Mutex<Shadows>,
}

impl Reserved {
    pub(super) fn new(world: &World) -> Self {
        let thing = world.thing.name.clone();
        Self { jobs: Mutex::new(Jobs::new(world)), shadows: Mutex::new(Shadows::new(&thing)), thing }
    }

    /// What the service of a topic says to a message, in its order; nothing for a topic that no service listens to.
    pub(super) fn answer(&self, topic: &str, payload: &[u8]) -> Vec<Reply> {
        let prefix = format!("$aws/things/{}/", self.thing);
        let Some(rest) = topic.strip_prefix(&prefix) else { return Vec::new() };
        let segments: Vec<_> = rest.split('/').collect();
        match segments.as_slice() {
            ["jobs", request @ ..] => lock(&self.jobs).answer(request, topic, payload),
            ["shadow", operation @ ("get" | "update" | "delete")] => {
                lock(&self.shadows).answer(None, operation, topic, payload)
            }
            ["shadow", "name", name, operation @ ("get" | "update" | "delete")] => {
                lock(&self.shadows).answer(Some(name), operation, topic, payload)
            }
            ["greengrassv2", "health", "json"] => {
                match serde_json::from_slice(payload) {
                    Ok(message) => emit(What::Fleet { message }),
                    Err(error) => tracing::warn!(%error, "a fleet status message is no JSON"),
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds a service's state")
}
