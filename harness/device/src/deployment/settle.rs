//! Waiting until components have reached what they are to be.

use crate::{
    kernel::Kernel,
    service::{Service, State},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often the nucleus looks whether its services have settled.
const POLL: Duration = Duration::from_secs(1);

/// What the waiting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Reached,
    /// This component is BROKEN.
    Broken(String),
    /// The deployment was cancelled meanwhile.
    Cancelled,
}

/// Waits until every component is RUNNING or FINISHED, or one is BROKEN.
///
/// A component whose process still runs counts only at the nucleus's polls, since it may yet fail before the next one.
pub(super) async fn settle(
    kernel: &Arc<Kernel>,
    names: &BTreeSet<String>,
    cancelled: &mut watch::Receiver<bool>,
) -> Settled {
    let mut ticks = kernel.ticks();
    let mut poll = kernel.config.clock.interval(POLL);
    let mut polled = false;
    loop {
        if *cancelled.borrow_and_update() {
            return Settled::Cancelled;
        }
        let services: Vec<Arc<Service>> = names.iter().filter_map(|name| kernel.service(name)).collect();
        let settled = |service: &Arc<Service>| service.is_settled().then(|| service.state());
        if let Some(broken) = services.iter().find(|service| settled(service) == Some(State::Broken)) {
            return Settled::Broken(broken.name.clone());
        }
        let done = |service: &Arc<Service>| match settled(service) {
            Some(State::Finished) => true,
            Some(State::Running) => polled || !service.may_still_exit(),
            _ => false,
        };
        // One that isn't there yet has not settled.
        if services.len() == names.len() && services.iter().all(done) {
            return Settled::Reached;
        }
        tokio::select! {
            _ = ticks.changed() => polled = false,
            () = poll.tick() => polled = true,
            // A sender that is gone can't cancel any more.
            Ok(()) = cancelled.changed() => {}
        }
    }
}
