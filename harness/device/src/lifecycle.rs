//! The lifecycle state machine of one component.
//!
//! One task drives one component along its desired states. Scripts run as the component's user; three errors in the
//! same state within `errorResetTime` break the component until it is installed anew.

mod change;
mod dependency;
mod errors;
mod machine;
mod scripts;
mod trouble;

pub(crate) use change::redefine;

use crate::{
    kernel::Kernel,
    log::Line,
    service::{Inbox, Request, Service, Spec},
    step,
};
use scripts::Scripts;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// `Timeout` of `bootstrap` by default.
const BOOTSTRAP: Duration = Duration::from_mins(2);

/// A lifecycle that goes on by itself.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    service: Arc<Service>,
    scripts: Arc<Scripts>,
    task: Option<JoinHandle<()>>,
}

/// The `bootstrap` step took too long.
#[derive(Debug, thiserror::Error)]
#[error("Bootstrap step timed out after '{0}' seconds.")]
pub(crate) struct BootstrapTimeout(u64);

impl Lifecycle {
    /// Drives `service` until it is closed.
    pub(crate) fn start(kernel: &Arc<Kernel>, service: &Arc<Service>, inbox: Inbox) -> Self {
        let scripts = Arc::new(Scripts::new(kernel.clone(), service.clone()));
        let machine = machine::Machine::new(kernel.clone(), service.clone(), scripts.clone(), inbox);
        Self { service: service.clone(), scripts, task: Some(tokio::spawn(machine.run())) }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Begins to end the lifecycle; the rest ends it once all who need the component have ended theirs, or could.
    pub(crate) fn close(&mut self, kernel: &Arc<Kernel>) -> impl Future<Output = ()> + Send + use<> {
        let (kernel, service, task) = (kernel.clone(), self.service.clone(), self.task.take());
        let line = Line::info(machine::logger(&service)).thread(kernel.logs.pool_thread()).event("service-close");
        kernel.logs.nucleus(&step::context(line.message("Service is now closing"), &service));
        service.request(Request::Close);
        async move {
            let mut ticks = kernel.ticks();
            let dependers = dependency::hard_dependers(&kernel, &service);
            while !dependers.iter().all(|depender| depender.state().is_closable()) {
                // The sender lives as long as the kernel.
                _ = ticks.changed().await;
            }
            service.request(Request::Stop);
            if let Some(task) = task
                && let Err(error) = task.await
            {
                tracing::error!(%error, name = service.name, "lifecycle ended badly");
            }
        }
    }

    /// Ends the component's processes without its `shutdown` step.
    pub(crate) async fn force(&self) {
        self.scripts.force().await;
    }
}

/// Runs the `bootstrap` step of a component whose lifecycle isn't driven. 0 if there is none, 1 if it can't run.
///
/// # Errors
/// If it takes too long.
pub(crate) async fn bootstrap(kernel: &Arc<Kernel>, name: &str, spec: Spec) -> Result<i32, BootstrapTimeout> {
    let (service, _inbox) = Service::new(name, spec);
    let limit = step::timeout(&service, "bootstrap").unwrap_or(BOOTSTRAP);
    let scripts = Arc::new(Scripts::new(kernel.clone(), service));
    scripts.bootstrap(limit).await.ok_or(BootstrapTimeout(limit.as_secs()))
}

#[cfg(test)]
mod tests;
