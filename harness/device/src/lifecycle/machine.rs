//! The state machine itself.

use super::{
    dependency,
    errors::Errors,
    scripts::{Scripts, Started, Wrong},
    trouble::{self, Phase},
};
use crate::{
    clock::Clock,
    kernel::Kernel,
    local,
    log::Line,
    service::{Inbox, Report, Request, Service, State, Trouble},
    step::{self, LOGGER, context, thread},
    tes, tree,
};
use std::{sync::Arc, time::Duration};

/// `errorResetTime`, and `Timeout` of `install` and `startup`, `shutdown`, `recover`, `uninstall` by default.
const RESET: Duration = Duration::from_hours(1);
const START: Duration = Duration::from_mins(2);
const SHUTDOWN: Duration = Duration::from_secs(15);
const RECOVER: Duration = Duration::from_mins(1);
const UNINSTALL: Duration = Duration::from_mins(2);

/// The lifecycle of one component.
pub(super) struct Machine {
    kernel: Arc<Kernel>,
    service: Arc<Service>,
    scripts: Arc<Scripts>,
    inbox: Inbox,
    errors: Errors,
    /// The state before the current one.
    previous: State,
    endpoint: Option<tes::Endpoint>,
    /// The socket of the command line.
    command_line: Option<local::Endpoint>,
}

/// The logger of a component's lifecycle.
pub(super) fn logger(service: &Service) -> &'static str {
    if service.name == tes::NAME { tes::LOGGER } else { LOGGER }
}

impl Machine {
    pub(super) fn new(kernel: Arc<Kernel>, service: Arc<Service>, scripts: Arc<Scripts>, inbox: Inbox) -> Self {
        let (errors, previous) = (Errors::default(), State::New);
        Self { kernel, service, scripts, inbox, errors, previous, endpoint: None, command_line: None }
    }

    /// Goes from state to state until the component is closed.
    pub(super) async fn run(mut self) {
        loop {
            let state = self.service.state();
            if self.is_over(state) {
                return;
            }
            self.inbox.desired.mark_unchanged();
            let desired = self.service.next_desired(state);
            let report = match state {
                State::New => self.install(desired).await,
                State::Installed => self.await_start(desired).await,
                State::Starting => self.start(desired).await,
                State::Running if desired.is_some() => Some(State::Stopping.into()),
                State::Stopping => Some(self.stop().await),
                State::Errored => Some(self.recover(desired).await),
                State::Broken => self.break_down(desired).await,
                State::Finished if let Some(desired) = desired => Some(self.terminated(desired)),
                State::Uninstalling => Some(self.uninstall().await),
                State::Uninstalled if desired == Some(State::New) => Some(State::New.into()),
                State::Running | State::Finished | State::Uninstalled => self.idle().await,
            };
            if let Some(report) = report {
                self.set(report);
            }
        }
    }

    fn is_over(&self, state: State) -> bool {
        if self.service.is_uninstall() {
            return state == State::Uninstalled;
        }
        self.service.is_closed() && state.is_closable()
    }

    /// Waits until somebody reports a state, or other states are desired.
    async fn idle(&mut self) -> Option<Report> {
        tokio::select! {
            biased;
            report = self.inbox.reports.recv() => report,
            // The sender lives as long as the service.
            _ = self.inbox.desired.changed() => None,
        }
    }

    async fn install(&mut self, desired: Option<State>) -> Option<Report> {
        if desired.is_none() {
            return self.idle().await;
        }
        self.scripts.next_generation();
        let limit = self.limit("install", START);
        let report = match self.clock().timeout(limit, self.scripts.install()).await {
            Ok(Ok(())) => State::Installed.into(),
            Ok(Err(wrong)) => self.wrong(wrong),
            Err(_) => {
                let report = self.errored("Timeout in install", Some(Phase::Install.timeout()));
                self.log(Line::info(LOGGER).message("Stopping backingTask install"));
                self.scripts.interrupt("install");
                report
            }
        };
        Some(report)
    }

    async fn await_start(&mut self, desired: Option<State>) -> Option<Report> {
        match desired {
            None => return self.idle().await,
            Some(State::Running) => {}
            Some(desired) => return Some(self.terminated(desired)),
        }
        let mut ticks = self.kernel.ticks();
        while !dependency::are_ready(&self.kernel, &self.service) {
            tokio::select! {
                biased;
                report = self.inbox.reports.recv() => return report,
                _ = self.inbox.desired.changed() => {
                    let text = "Stopping backingTask waiting for dependency ready";
                    self.log(Line::info(self.logger()).message(text));
                    return None;
                }
                _ = ticks.changed() => {}
            }
        }
        Some(State::Starting.into())
    }

    async fn start(&mut self, desired: Option<State>) -> Option<Report> {
        match desired {
            None => return self.idle().await,
            Some(State::Running) => {}
            Some(_) => return Some(State::Stopping.into()),
        }
        // Not before: as long as it is STOPPING, whoever needs it asks how its last start ended.
        self.service.set_startup_errored(false);
        self.scripts.next_generation();
        let late = self.clock().after(self.limit("startup", START));
        if !dependency::are_ready(&self.kernel, &self.service) {
            return Some(State::Installed.into());
        }
        if self.service.name == tes::NAME {
            return Some(self.start_token_exchange().await);
        }
        if self.service.name == local::NAME {
            return Some(self.start_command_line());
        }
        match self.scripts.startup().await {
            Err(wrong) => return Some(self.wrong(wrong)),
            Ok(Started::Nothing) => {
                self.log(Line::info(LOGGER).event("generic-service-finished").message("Nothing done"));
                self.service.request(Request::Rest);
                return Some(State::Finished.into());
            }
            Ok(Started::Run(guard)) => {
                // INVARIANT: an exit is told only once the guard is gone, so that it counts for RUNNING.
                self.service.set_may_still_exit(true);
                self.set(State::Running.into());
                drop(guard);
                return None;
            }
            Ok(Started::Startup) => self.service.set_may_still_exit(false),
        }
        let clock = self.clock();
        loop {
            tokio::select! {
                biased;
                report = self.inbox.reports.recv() => return report,
                () = clock.sleep_until(late) => {
                    return Some(self.errored("startup timeout", Some(Phase::Startup.timeout())));
                }
                _ = self.inbox.desired.changed() => {
                    if self.service.take_desired(State::Starting) != Some(State::Running) {
                        return None;
                    }
                }
            }
        }
    }

    async fn start_token_exchange(&mut self) -> Report {
        match tes::start(&self.kernel, &self.service).await {
            Ok(endpoint) => {
                self.endpoint = Some(endpoint);
                State::Running.into()
            }
            Err(cause) => {
                self.log(Line::error(tes::LOGGER).event("service-errored").cause(cause));
                Report { state: State::Errored, trouble: Phase::Startup.error(None) }
            }
        }
    }

    fn start_command_line(&mut self) -> Report {
        match local::start(&self.kernel, &self.service) {
            Ok(endpoint) => {
                self.command_line = Some(endpoint);
                State::Running.into()
            }
            Err(error) => {
                let line = Line::error(LOGGER).event("cli-ipc-info-generation-error");
                self.log(line.message("Failed to create cli_ipc_info file").cause(error.to_string()));
                Report { state: State::Errored, trouble: Phase::Startup.error(None) }
            }
        }
    }

    async fn stop(&mut self) -> Report {
        let limit = self.limit("shutdown", SHUTDOWN);
        if self.clock().timeout(limit, self.shut_down()).await.is_err() {
            let report = self.errored("Timeout in shutdown", Some(Phase::Shutdown.timeout()));
            self.scripts.interrupt("shutdown");
            return report;
        }
        // An error of `run` may have been reported on the way.
        while let Ok(report) = self.inbox.reports.try_recv() {
            if report.state == State::Errored {
                return report;
            }
        }
        let desired = self.service.take_desired(State::Finished);
        self.terminated(desired.unwrap_or(State::Finished))
    }

    async fn shut_down(&mut self) {
        if self.service.name == tes::NAME {
            tes::stop(&self.kernel, &self.service, self.endpoint.take());
        } else if self.service.name == local::NAME {
            self.command_line = None;
        } else {
            self.scripts.shutdown().await;
        }
    }

    async fn recover(&mut self, desired: Option<State>) -> Report {
        if tree::get(&self.service.spec().lifecycle, "recover").is_some() {
            let limit = self.limit("recover", RECOVER);
            if !self.scripts.recover(limit).await {
                let text = format!("Error recovery handler timed out after {} seconds", limit.as_secs());
                self.log(Line::error(LOGGER).message(text));
            }
        }
        if desired.is_none() {
            self.service.request(Request::Start);
        }
        match self.previous {
            State::Starting => {
                self.service.set_startup_errored(true);
                State::Stopping.into()
            }
            State::Running => State::Stopping.into(),
            State::New => State::New.into(),
            State::Uninstalling | State::Uninstalled => State::Uninstalled.into(),
            _ => {
                self.service.set_startup_errored(false);
                let desired = self.service.take_desired(State::Finished);
                self.terminated(desired.unwrap_or(State::Finished))
            }
        }
    }

    async fn break_down(&mut self, desired: Option<State>) -> Option<Report> {
        if matches!(self.previous, State::Starting | State::Running | State::Errored) {
            self.log(Line::info(self.logger()).message("Stopping service in BROKEN state"));
            let limit = self.limit("shutdown", SHUTDOWN);
            if self.clock().timeout(limit, self.shut_down()).await.is_err() {
                self.log(Line::warn(self.logger()).event("service-shutdown-timeout"));
                self.scripts.interrupt("shutdown");
            }
        }
        let uninstall = self.service.is_uninstall();
        match desired {
            Some(State::New) => {
                self.set(State::New.into());
                self.errors.clear();
                return None;
            }
            Some(State::Uninstalled) => return Some(State::Uninstalling.into()),
            Some(State::Finished) if uninstall => return Some(State::Uninstalling.into()),
            Some(_) => {
                let line = Line::error(self.logger()).event("service-broken");
                self.log(line.message("service is broken. Deployment is needed"));
            }
            None => {}
        }
        self.idle().await
    }

    async fn uninstall(&mut self) -> Report {
        let limit = self.limit("uninstall", UNINSTALL);
        // What is part of the nucleus here has no scripts.
        if [tes::NAME, local::NAME].contains(&self.service.name.as_str()) {
            return State::Uninstalled.into();
        }
        if self.clock().timeout(limit, self.scripts.uninstall()).await.is_err() {
            let line = Line::error(LOGGER).event("service-uninstalling-error");
            self.log(line.message("Service timed out while UNINSTALLING, proceeding to UNINSTALLED"));
            self.scripts.interrupt("uninstall");
        }
        State::Uninstalled.into()
    }

    /// Where a component goes whose processes have ended.
    fn terminated(&self, desired: State) -> Report {
        let next = if self.service.is_uninstall() && self.service.state() == State::Finished {
            State::Uninstalling
        } else if self.service.is_closed() {
            State::Finished
        } else {
            match desired {
                State::New => State::New,
                State::Installed | State::Running => State::Installed,
                State::Uninstalling | State::Uninstalled => State::Uninstalling,
                _ => State::Finished,
            }
        };
        next.into()
    }

    fn wrong(&self, wrong: Wrong) -> Report {
        self.errored(wrong.reason, wrong.trouble)
    }

    /// Logs an error; one without a status gets that of the current state, which the line doesn't tell.
    fn errored(&self, reason: &str, trouble: Option<Trouble>) -> Report {
        let mut line = Line::error(self.logger()).event("service-errored").with("reason", reason);
        if let Some(trouble) = &trouble {
            line = line.with("statusCode", trouble.code);
        }
        self.log(line);
        let trouble = trouble.unwrap_or_else(|| trouble::by_default(self.service.state()));
        Report { state: State::Errored, trouble }
    }

    /// Goes to a new state and tells everybody. The third error in a state breaks the component.
    fn set(&mut self, report: Report) {
        let state = self.service.state();
        let reset = tree::get(&self.service.spec().lifecycle, "errorResetTime").map_or(RESET, step::seconds);
        let new = self.errors.book(state, report.state, self.clock(), reset);
        if new == state {
            return;
        }
        let line = Line::info(self.logger()).event("service-set-state").with("newState", new.to_string());
        self.log(line);
        self.previous = state;
        self.service.set(new, report.trouble);
        self.kernel.changed(&self.service, new);
        dependency::tell_dependers(&self.kernel, &self.service);
    }

    fn limit(&self, step: &str, default: Duration) -> Duration {
        step::timeout(&self.service, step).unwrap_or(default)
    }

    fn clock(&self) -> Clock {
        self.kernel.config.clock
    }

    fn logger(&self) -> &'static str {
        logger(&self.service)
    }

    fn log(&self, line: Line) {
        self.kernel.logs.nucleus(&context(line.thread(thread(&self.service)), &self.service));
    }
}
