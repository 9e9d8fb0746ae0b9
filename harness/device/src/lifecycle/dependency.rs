//! What components ask of each other.

use crate::{
    config::NUCLEUS,
    kernel::Kernel,
    log::Line,
    service::{Request, Service, State},
    step::{LOGGER, context},
};

/// Whether all that `service` needs is there. A soft dependency always is.
pub(super) fn are_ready(kernel: &Kernel, service: &Service) -> bool {
    service.spec().dependencies.iter().all(|(name, hard)| !hard || is_ready(kernel, name))
}

/// A hard dependency is there if it runs or has run, or stops without having failed to start.
fn is_ready(kernel: &Kernel, name: &str) -> bool {
    name == NUCLEUS
        || kernel.service(name).is_some_and(|service| match service.state() {
            State::Running | State::Finished => true,
            State::Stopping => !service.startup_errored(),
            _ => false,
        })
}

/// Restarts whoever needs `changed`, if that is no longer there.
pub(super) fn tell_dependers(kernel: &Kernel, changed: &Service) {
    if is_ready(kernel, &changed.name) {
        return;
    }
    let name = &changed.name;
    for service in kernel.all() {
        let needs = service.spec().dependencies.iter().any(|(on, hard)| *hard && on == name);
        if needs && matches!(service.state(), State::Starting | State::Running) {
            service.request(Request::Restart);
            let line = Line::info(LOGGER).thread(format!("{name}-lifecycle")).event("service-restart");
            let line = line.message(format!("Restarting service because dependency {name} was in a bad state"));
            kernel.logs.nucleus(&context(line, &service));
        }
    }
}

/// The components that need `service`.
pub(super) fn hard_dependers(kernel: &Kernel, service: &Service) -> Vec<std::sync::Arc<Service>> {
    let needs = |other: &Service| other.spec().dependencies.iter().any(|(on, hard)| *hard && *on == service.name);
    kernel.all().into_iter().filter(|other| needs(other)).collect()
}
