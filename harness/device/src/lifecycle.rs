//! The lifecycle state machine of one component.
//!
//! One task drives one component. Scripts run as the component's user; three errors in the same state within
//! `errorResetTime` break the component until it is installed anew.

mod machine;
mod trouble;

use crate::{
    kernel::Kernel,
    service::{Request, Service},
};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Drives `service` until it is asked to close.
pub(crate) async fn drive(kernel: Arc<Kernel>, service: Arc<Service>, requests: UnboundedReceiver<Request>) {
    machine::Machine::new(kernel, service, requests).run().await;
}

#[cfg(test)]
mod tests;
