//! The state machine itself.

use super::trouble::Phase;
use crate::{
    clock::{Clock, Moment},
    exec::Process,
    kernel::Kernel,
    local,
    log::Line,
    service::{Request, Service, State, Trouble},
    step::{self, LOGGER, Step, context, thread},
    tes, tree,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// Errors in one state that break a component.
const LIMIT: usize = 3;
/// `errorResetTime`, `install` and `startup`, `shutdown`, `recover` by default.
const RESET: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_mins(2);
const SHUTDOWN: Duration = Duration::from_secs(15);
const RECOVER: Duration = Duration::from_mins(1);

/// The lifecycle of one component.
pub(super) struct Machine {
    kernel: Arc<Kernel>,
    service: Arc<Service>,
    requests: UnboundedReceiver<Request>,
    /// What `run` or `startup` left running.
    process: Option<(Step, Process)>,
    /// The shutdown script as it was when the component started.
    shutdown: Option<Step>,
    endpoint: Option<tes::Endpoint>,
    /// The socket of the command line.
    command_line: Option<local::Endpoint>,
    /// When `install`, `startup` and `run` went wrong.
    errors: [Vec<Moment>; 3],
    /// The state after STOPPING.
    after: State,
    /// Whether an error in NEW led to ERRORED.
    installing: bool,
    /// The step that broke the component, until BROKEN has been entered fully.
    broken_in: Option<Phase>,
    owned: bool,
    closing: bool,
}

/// How a script that was waited for ended.
enum End {
    Nothing,
    Exit(i32),
    Timeout,
    Failed(Trouble),
    Interrupted(Request),
}

impl Machine {
    pub(super) fn new(kernel: Arc<Kernel>, service: Arc<Service>, requests: UnboundedReceiver<Request>) -> Self {
        Self {
            kernel,
            service,
            requests,
            process: None,
            shutdown: None,
            endpoint: None,
            command_line: None,
            errors: Default::default(),
            after: State::Finished,
            installing: false,
            broken_in: None,
            owned: false,
            closing: false,
        }
    }

    pub(super) async fn run(mut self) {
        while !self.closing || self.service.state() == State::Stopping {
            match self.service.state() {
                State::New => self.install().await,
                State::Installed => self.await_start().await,
                State::Starting => self.start().await,
                State::Running => self.running().await,
                State::Stopping => self.stop().await,
                State::Errored => self.recover().await,
                State::Broken | State::Finished => self.rest().await,
            }
        }
        self.log(Line::info(self.logger()).event("service-close").message("Service is now closing"));
    }

    async fn install(&mut self) {
        self.owned = false;
        match self.foreground("install", Phase::Install, PATIENCE).await {
            End::Nothing | End::Exit(0) => {
                self.errors[Phase::Install as usize].clear();
                self.set(State::Installed);
            }
            End::Exit(_) => self.fail(Phase::Install, Phase::Install.error(None), "Script errored in install", None),
            End::Timeout => self.fail(Phase::Install, Phase::Install.timeout(), "Timeout in install", None),
            End::Failed(trouble) => self.fail(Phase::Install, trouble, "Script errored in install", None),
            End::Interrupted(request) => self.obey(request).await,
        }
    }

    async fn await_start(&mut self) {
        let mut ticks = self.kernel.ticks();
        loop {
            if let Ok(request) = self.requests.try_recv() {
                return self.obey(request).await;
            }
            if self.kernel.dependencies_ready(&self.service) {
                return self.set(State::Starting);
            }
            tokio::select! {
                _ = ticks.changed() => {}
                request = self.requests.recv() => return self.obey(request.unwrap_or(Request::Close)).await,
            }
        }
    }

    async fn start(&mut self) {
        if self.service.name == tes::NAME {
            return self.start_tes().await;
        }
        if self.service.name == local::NAME {
            return self.start_command_line();
        }
        self.shutdown = step::prepare(&self.kernel, &self.service, "shutdown").ok().flatten();
        match self.foreground("startup", Phase::Startup, PATIENCE).await {
            End::Nothing => self.start_run(),
            End::Exit(code) => {
                let line = |logger: &str| {
                    Line::info(logger).message("Startup script exited").with("exitCode", code.to_string())
                };
                self.both(line);
                if code == 0 {
                    self.errors[Phase::Startup as usize].clear();
                    self.set(State::Running);
                } else {
                    let trouble = Phase::Startup.error(Some(code));
                    self.fail(Phase::Startup, trouble, "Non-zero exit code in startup", Some(code));
                }
            }
            End::Timeout => self.fail(Phase::Startup, Phase::Startup.timeout(), "startup timeout", None),
            End::Failed(trouble) => self.fail(Phase::Startup, trouble, "Script errored in startup", None),
            End::Interrupted(request) => self.obey(request).await,
        }
    }

    fn start_run(&mut self) {
        let step = match step::prepare(&self.kernel, &self.service, "run") {
            Ok(Some(step)) => step,
            Ok(None) => {
                let line = Line::info(LOGGER).event("generic-service-finished").message("Nothing done");
                self.log(line);
                return self.set(State::Finished);
            }
            Err(why) => return self.fail(Phase::Startup, Phase::Run.unready(why), "Script errored in run", None),
        };
        match self.spawn(&step) {
            Ok(process) => {
                self.process = Some((step, process));
                self.errors[Phase::Startup as usize].clear();
                self.set(State::Running);
            }
            Err(()) => self.fail(Phase::Startup, Phase::Run.io(), "Script errored in run", None),
        }
    }

    async fn start_tes(&mut self) {
        match tes::start(&self.kernel, &self.service).await {
            Ok(endpoint) => {
                self.endpoint = Some(endpoint);
                self.set(State::Running);
            }
            Err(cause) => {
                self.log(Line::error(tes::LOGGER).event("service-errored").cause(cause));
                self.book(Phase::Startup, Phase::Startup.error(None));
            }
        }
    }

    fn start_command_line(&mut self) {
        match local::start(&self.kernel, &self.service) {
            Ok(endpoint) => {
                self.command_line = Some(endpoint);
                self.set(State::Running);
            }
            Err(error) => {
                let line = Line::error(LOGGER).event("cli-ipc-info-generation-error");
                self.log(line.message("Failed to create cli_ipc_info file").cause(error.to_string()));
                self.book(Phase::Startup, Phase::Startup.error(None));
            }
        }
    }

    async fn running(&mut self) {
        let mut ticks = self.kernel.ticks();
        let process = self.process.clone();
        let limit = process.as_ref().and_then(|(step, _)| step.timeout);
        let exit = async {
            match &process {
                Some((_, process)) => process.wait().await,
                None => std::future::pending().await,
            }
        };
        let clock = self.clock();
        let late = async {
            match limit {
                Some(limit) => clock.sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let service = self.service.clone();
        let kernel = self.kernel.clone();
        let dependency = async {
            loop {
                if let Some(name) = kernel.bad_dependency(&service) {
                    return name;
                }
                if ticks.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            request = self.requests.recv() => self.obey(request.unwrap_or(Request::Close)).await,
            code = exit => self.exited(code),
            () = late => self.overran().await,
            name = dependency => {
                let text = format!("Restarting service because dependency {name} was in a bad state");
                self.log(Line::info(LOGGER).event("service-restart").message(text));
                self.after = State::Installed;
                self.set(State::Stopping);
            }
        }
    }

    fn exited(&mut self, code: i32) {
        self.both(|logger| Line::info(logger).message("Run script exited").with("exitCode", code.to_string()));
        if code == 0 {
            let line = Line::info(LOGGER).event("generic-service-stopping").message("Service finished running");
            self.log(line);
            self.after = State::Finished;
            return self.set(State::Stopping);
        }
        let trouble = Phase::Run.error(Some(code));
        let line = Line::error(LOGGER).event("service-errored").with("exitCode", code.to_string());
        self.log(line.with("statusCode", trouble.code));
        self.book(Phase::Run, trouble);
    }

    async fn overran(&mut self) {
        let text = "Service failed to run within timeout, calling close in process";
        self.log(Line::warn(LOGGER).event("service-run-timed-out").message(text));
        self.end_process().await;
        self.book(Phase::Run, Phase::Run.timeout());
    }

    async fn stop(&mut self) {
        self.shut_down().await;
        if self.closing {
            self.after = State::Finished;
        }
        self.set(self.after);
        self.owned = false;
    }

    /// The shutdown step, then the end of what still runs.
    async fn shut_down(&mut self) {
        if self.service.name == tes::NAME {
            return tes::stop(&self.kernel, &self.service, self.endpoint.take());
        }
        if self.service.name == local::NAME {
            self.command_line = None;
            return;
        }
        self.log(Line::info(LOGGER).message("Shutdown initiated"));
        if let Some(step) = self.shutdown.take() {
            let limit = step.timeout.unwrap_or(SHUTDOWN);
            if matches!(self.wait_for(&step, limit, Phase::Run, false).await, End::Timeout) {
                let line = Line::error(LOGGER).event("service-errored").with("reason", "Timeout in shutdown");
                self.log(line.with("statusCode", "SHUTDOWN_TIMEOUT"));
            }
        }
        self.end_process().await;
        self.log(Line::info(LOGGER).event("generic-service-shutdown"));
    }

    async fn end_process(&mut self) {
        let Some((step, process)) = self.process.take() else { return };
        if process.is_alive() {
            self.kill(&step, &process).await;
        }
    }

    async fn kill(&self, step: &Step, process: &Process) {
        let command = step.command();
        self.log(Line::info(LOGGER).message(format!("Shutting down process {command}")));
        if process.kill(self.clock()).await {
            self.log(Line::info(LOGGER).message(format!("Shutdown completed for process {command}")));
        } else {
            self.log(Line::warn(LOGGER).message(format!("Shutdown timed out for process {command}")));
        }
    }

    async fn recover(&mut self) {
        if tree::get(&self.service.spec().lifecycle, "recover").is_some() {
            let prepared = step::prepare(&self.kernel, &self.service, "recover");
            let end = if let Ok(Some(step)) = &prepared {
                self.wait_for(step, step.timeout.unwrap_or(RECOVER), Phase::Run, false).await
            } else {
                // The nucleus waits for a script that it never started.
                self.clock().sleep(RECOVER).await;
                End::Timeout
            };
            if matches!(end, End::Timeout) {
                self.log(Line::error(LOGGER).message("Error recovery handler timed out after 60 seconds"));
            }
        }
        if self.installing {
            return self.set(State::New);
        }
        self.after = State::Installed;
        self.set(State::Stopping);
    }

    /// BROKEN and FINISHED: nothing happens until somebody asks.
    async fn rest(&mut self) {
        if let Some(phase) = self.broken_in.take() {
            self.break_down(phase).await;
        }
        let request = self.requests.recv().await.unwrap_or(Request::Close);
        if matches!(request, Request::Restart | Request::Stop) && self.service.state() == State::Broken {
            self.service.served();
            let line = Line::error(LOGGER).event("service-broken").message("service is broken. Deployment is needed");
            return self.log(line);
        }
        self.obey(request).await;
    }

    /// Does what was asked, from any state but STOPPING and ERRORED.
    async fn obey(&mut self, request: Request) {
        let state = self.service.state();
        self.closing = request == Request::Close;
        self.after = match request {
            Request::Restart => State::Installed,
            Request::Reinstall => State::New,
            Request::Stop | Request::Close => State::Finished,
        };
        if request == Request::Reinstall {
            self.errors = Default::default();
        }
        let active = matches!(state, State::Starting | State::Running);
        if active {
            self.set(State::Stopping);
        } else if !(self.closing || state == State::New || state == self.after) {
            self.set(self.after);
        } else if self.closing {
            self.end_process().await;
        }
        self.service.served();
    }

    async fn foreground(&mut self, name: &str, phase: Phase, limit: Duration) -> End {
        match step::prepare(&self.kernel, &self.service, name) {
            Ok(Some(step)) => {
                let limit = step.timeout.unwrap_or(limit);
                self.wait_for(&step, limit, phase, true).await
            }
            Ok(None) => End::Nothing,
            Err(why) => End::Failed(phase.unready(why)),
        }
    }

    /// Runs a script to its end; requests end it only if it is `interruptible`.
    async fn wait_for(&mut self, step: &Step, limit: Duration, phase: Phase, interruptible: bool) -> End {
        let Ok(process) = self.spawn(step) else { return End::Failed(phase.io()) };
        let clock = self.clock();
        let outcome = tokio::select! {
            biased;
            request = self.requests.recv(), if interruptible => Err(Some(request.unwrap_or(Request::Close))),
            ended = clock.timeout(limit, process.wait()) => ended.map_err(|_| None),
        };
        match outcome {
            Ok(code) => {
                // Startup says how it ended in a line of its own.
                if code != 0 && (phase != Phase::Startup) {
                    let line = Line::warn(&self.service.name).thread(self.kernel.logs.pool_thread());
                    let line = step.line(line.event("shell-runner-error"), &self.service);
                    self.kernel.logs.component(&self.service.name, &line.with("command", step.command()));
                }
                End::Exit(code)
            }
            Err(request) => {
                self.kill(step, &process).await;
                request.map_or(End::Timeout, End::Interrupted)
            }
        }
    }

    fn spawn(&mut self, step: &Step) -> Result<Process, ()> {
        if !self.owned {
            step.own_files(&self.kernel, &self.service);
            self.owned = true;
        }
        let service = &self.service;
        let line = Line::info(&service.name).thread(self.kernel.logs.pool_thread()).event("shell-runner-start");
        let line = step.line(line, service).with("command", step.command());
        self.kernel.logs.component(&service.name, &line);
        step.plan.spawn(step.sink(&self.kernel, service)).map_err(|error| {
            let line = Line::error(&service.name).thread(self.kernel.logs.pool_thread()).event("shell-runner-error");
            let line = line.message("Error while running component lifecycle script").cause(error.to_string());
            let line = step.line(line, service).with("command", step.command());
            self.kernel.logs.component(&service.name, &line);
        })
    }

    /// Logs and books an error of a step.
    fn fail(&mut self, phase: Phase, trouble: Trouble, reason: &str, exit: Option<i32>) {
        let mut line = Line::error(self.logger()).event("service-errored").with("reason", reason);
        if let Some(code) = exit {
            line = line.with("exitCode", code.to_string());
        }
        // A plain failure of the install script carries no code.
        if trouble.code != "INSTALL_ERROR" {
            line = line.with("statusCode", trouble.code);
        }
        self.log(line);
        self.book(phase, trouble);
    }

    /// Counts an error and goes to ERRORED or BROKEN.
    fn book(&mut self, phase: Phase, trouble: Trouble) {
        let reset = tree::text(&self.service.spec().lifecycle, "errorResetTime").and_then(|text| text.parse().ok());
        let reset = reset.map_or(RESET, Duration::from_secs);
        let clock = self.clock();
        let times = &mut self.errors[phase as usize];
        if times.last().is_some_and(|last| clock.since(*last) > reset) {
            times.clear();
        }
        times.push(clock.now());
        self.installing = phase == Phase::Install;
        self.service.set_trouble(trouble);
        if times.len() < LIMIT {
            return self.set(State::Errored);
        }
        self.broken_in = Some(phase);
        self.set(State::Broken);
    }

    /// What entering BROKEN does once.
    async fn break_down(&mut self, phase: Phase) {
        if phase != Phase::Install {
            self.log(Line::info(LOGGER).message("Stopping service in BROKEN state"));
            self.shut_down().await;
        }
        // After an error of `run` no other state is wanted.
        if phase != Phase::Run {
            let line = Line::error(LOGGER).event("service-broken").message("service is broken. Deployment is needed");
            self.log(line);
        }
    }

    fn set(&self, new: State) {
        let line = Line::info(self.logger()).event("service-set-state").with("newState", new.to_string());
        self.log(line);
        if !matches!(new, State::Errored | State::Broken) && new != State::Stopping {
            self.service.set_trouble(Trouble::default());
        }
        self.service.set_state(new);
        self.kernel.changed(&self.service, new);
    }

    fn clock(&self) -> Clock {
        self.kernel.config.clock
    }

    fn logger(&self) -> &'static str {
        if self.service.name == tes::NAME { tes::LOGGER } else { LOGGER }
    }

    fn log(&self, line: Line) {
        self.kernel.logs.nucleus(&context(line.thread(thread(&self.service)), &self.service));
    }

    /// The same line in the component's log and in the nucleus's.
    fn both(&self, line: impl Fn(&str) -> Line) {
        let thread = self.kernel.logs.pool_thread();
        let (own, nucleus) = (line(&self.service.name).thread(&thread), line(LOGGER).thread(&thread));
        self.kernel.logs.component(&self.service.name, &context(own, &self.service));
        self.kernel.logs.nucleus(&context(nucleus, &self.service));
    }
}
