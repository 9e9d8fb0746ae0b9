//! The scripts of one component: what its states run, and what becomes of the processes.

use super::trouble::Phase;
use crate::{
    exec::{Killer, Process, Stream},
    kernel::Kernel,
    log::{Cause, Line},
    service::{Report, Request, Service, State, Trouble},
    step::{self, LOGGER, Script, Step, context, thread},
    user::{Nobody, RunAs},
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::OwnedMutexGuard, task::JoinHandle};

/// The scripts of a component.
#[derive(Debug)]
pub(super) struct Scripts {
    kernel: Arc<Kernel>,
    service: Arc<Service>,
    /// Held by whoever starts or stops scripts, and by whoever tells of an exit.
    lock: Arc<tokio::sync::Mutex<()>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Who runs the scripts, from the first one until the component is installed anew or has shut down.
    run_as: Option<RunAs>,
    processes: Vec<(Step, Process)>,
    /// The script that a state waits for.
    foreground: Option<(Step, Process)>,
    /// The shutdown script as it was when the component started.
    shutdown: Option<Step>,
    /// Who tells of the exits of `startup` and `run`.
    watchers: Vec<(Process, JoinHandle<()>)>,
    /// Counts the times that the component began to install or to start.
    generation: u64,
}

/// How a script that was waited for ended.
enum End {
    Nothing,
    Good,
    Bad(Option<Trouble>),
}

/// What starting came to.
pub(super) enum Started {
    /// `startup` runs.
    Startup,
    /// `run` runs; nothing else may happen until the guard is gone.
    Run(OwnedMutexGuard<()>),
    Nothing,
}

/// Why a state went wrong: a reason, and a status if it has one of its own.
pub(super) struct Wrong {
    pub(super) reason: &'static str,
    pub(super) trouble: Option<Trouble>,
}

impl Scripts {
    pub(super) fn new(kernel: Arc<Kernel>, service: Arc<Service>) -> Self {
        Self { kernel, service, lock: Arc::default(), inner: Mutex::default() }
    }

    /// A state begins whose late exits concern nobody else.
    pub(super) fn next_generation(&self) {
        self.inner().generation += 1;
    }

    /// Runs `install`.
    pub(super) async fn install(&self) -> Result<(), Wrong> {
        let _guard = self.lock.lock().await;
        self.end_processes().await;
        self.inner().run_as = None;
        match self.foreground("install", Some(Phase::Install)).await {
            End::Nothing | End::Good => Ok(()),
            End::Bad(trouble) => Err(Wrong { reason: "Script errored in install", trouble }),
        }
    }

    /// Starts `startup`, or `run` if there is nothing to do for `startup`.
    pub(super) async fn startup(self: &Arc<Self>) -> Result<Started, Wrong> {
        let guard = self.lock.clone().lock_owned().await;
        let shutdown = self.prepare("shutdown", Some(Phase::Shutdown)).ok().flatten();
        self.inner().shutdown = shutdown;
        self.end_processes().await;
        let wrong = |trouble| Wrong { reason: "Script errored in startup", trouble };
        if let Some(step) = self.prepare("startup", Some(Phase::Startup)).map_err(wrong)? {
            let process = self.start(&step).map_err(|()| wrong(None))?;
            self.watch(process, Self::startup_exited);
            return Ok(Started::Startup);
        }
        let wrong = |trouble| Wrong { reason: "Script errored in run", trouble };
        let Some(step) = self.prepare("run", Some(Phase::Run)).map_err(wrong)? else { return Ok(Started::Nothing) };
        let process = self.start(&step).map_err(|()| wrong(None))?;
        self.watch(process.clone(), Self::run_exited);
        if let Some(limit) = step::timeout(&self.service, "run") {
            tokio::spawn(self.clone().limit_run(process, limit));
        }
        Ok(Started::Run(guard))
    }

    /// Runs `shutdown`, ends what still runs, and lets those tell who saw it exit.
    pub(super) async fn shutdown(&self) {
        let guard = self.lock.lock().await;
        self.log(Line::info(LOGGER).message("Shutdown initiated"));
        let prepared = self.inner().shutdown.clone();
        match prepared {
            Some(step) => _ = self.execute(&step).await,
            None => _ = self.foreground("shutdown", Some(Phase::Shutdown)).await,
        }
        self.end_processes().await;
        self.log(Line::info(LOGGER).event("generic-service-shutdown"));
        self.inner().run_as = None;
        drop(guard);
        self.settle().await;
    }

    /// Runs `recover` for at most `limit`; if nothing is run, that time passes all the same.
    pub(super) async fn recover(&self, limit: Duration) -> bool {
        let started = self.prepare("recover", None).ok().flatten().and_then(|step| self.start(&step).ok());
        let clock = self.kernel.config.clock;
        let Some(process) = started else {
            clock.sleep(limit).await;
            return false;
        };
        clock.timeout(limit, process.finished()).await.is_ok()
    }

    /// Runs `uninstall`.
    pub(super) async fn uninstall(&self) {
        let _guard = self.lock.lock().await;
        self.log(Line::info(LOGGER).message("Shutdown initiated"));
        if let Ok(Some(mut step)) = self.prepare("uninstall", None) {
            let version = self.service.spec().version.to_string();
            step.plan.environment.insert("GREENGRASS_COMPONENT_VERSION".into(), version);
            self.execute(&step).await;
        }
    }

    /// Runs `bootstrap` and gives its exit code, or nothing if it takes longer than `limit`.
    pub(super) async fn bootstrap(&self, limit: Duration) -> Option<i32> {
        let _guard = self.lock.lock().await;
        let step = match self.prepare("bootstrap", None) {
            Ok(Some(step)) => step,
            Ok(None) => return Some(0),
            Err(_) => return Some(1),
        };
        let Ok(process) = self.start(&step) else { return Some(1) };
        let code = self.kernel.config.clock.timeout(limit, process.finished()).await.ok();
        process.close(self.killer(), || self.tell_stubborn(&step)).await;
        code
    }

    /// What becomes of a step that its state no longer waits for: its script gets 5 s, then it is killed alone.
    pub(super) fn interrupt(self: &Arc<Self>, step: &'static str) {
        let foreground = self.inner().foreground.take();
        let guard = self.lock.clone().try_lock_owned();
        let scripts = self.clone();
        tokio::spawn(async move {
            let _guard = match guard {
                Ok(guard) => guard,
                Err(_) => scripts.lock.clone().lock_owned().await,
            };
            if let Some((running, process)) = foreground {
                if process.interrupt(scripts.kernel.config.clock).await {
                    let sink = running.sink(&scripts.kernel, &scripts.service);
                    sink(Stream::Stderr, "[TIMEOUT after InterruptedException]");
                }
                scripts.tell_interrupted(step);
            }
            if step == "shutdown" {
                scripts.kill_processes().await;
                scripts.log(Line::info(LOGGER).event("generic-service-shutdown"));
                scripts.inner().run_as = None;
            }
        });
    }

    fn tell_interrupted(&self, step: &str) {
        let (event, text) = match step {
            "install" => ("service-install-interrupted", "Service interrupted while running install"),
            "shutdown" => ("generic-service-shutdown", "Thread interrupted while shutting down service"),
            _ => ("generic-service-uninstall-interrupted", "Thread interrupted while uninstalling service"),
        };
        self.log(Line::warn(LOGGER).event(event).message(text));
    }

    /// Ends what a `shutdown` that took too long has left, without waiting for it.
    async fn kill_processes(&self) {
        for (step, process) in self.alive() {
            process.force(self.killer()).await;
            self.log(Line::info(LOGGER).message(format!("Shutdown completed for process {}", step.command())));
        }
    }

    /// Ends what runs without its `shutdown` step.
    pub(super) async fn force(&self) {
        for (step, process) in self.alive() {
            let tell = |what: &str| {
                self.log(Line::info(LOGGER).message(format!("Force {what} process {}", step.command())));
            };
            tell("shutting down");
            process.close(self.killer(), || self.tell_stubborn(&step)).await;
            tell("shutdown completed for");
        }
        self.log(Line::info(LOGGER).event("force-service-shutdown"));
        self.inner().run_as = None;
    }

    /// Makes a step ready; `None` if there is nothing to do.
    fn prepare(&self, name: &str, phase: Option<Phase>) -> Result<Option<Step>, Option<Trouble>> {
        let script = Script::read(&self.kernel, &self.service, name).map_err(|_| phase.and_then(Phase::invalid))?;
        let Some(script) = script else { return Ok(None) };
        let run_as = self.run_as().map_err(|()| phase.and_then(Phase::nobody))?;
        if script.text.is_empty() {
            return Ok(None);
        }
        let folder = self.kernel.store.make_work(&self.service.name);
        folder.map_err(|error| self.tell_unprepared(&script, &error, phase))?;
        Ok(Some(Step::new(&self.kernel, &self.service, script, &run_as)))
    }

    /// Who runs the scripts. The first time the component's files are given to them.
    fn run_as(&self) -> Result<RunAs, ()> {
        if let Some(run_as) = &self.inner().run_as {
            return Ok(run_as.clone());
        }
        let (config, own) = (&self.kernel.config, &self.kernel.own);
        let resolved = RunAs::of(self.service.spec().user.as_deref(), config.default_user.as_deref(), own);
        let run_as = resolved.map_err(|nobody| self.tell_nobody(&nobody))?;
        self.inner().run_as = Some(run_as.clone());
        step::own_files(&self.kernel, &self.service, &run_as);
        Ok(run_as)
    }

    fn tell_nobody(&self, nobody: &Nobody) {
        let generator = "com.aws.greengrass.util.platforms.unix.UnixRunWithGenerator";
        let event = "generate-service-run-with-user-configuration";
        let line = match nobody {
            Nobody::Unset => None,
            Nobody::Unknown(user) => Some(
                Line::error(generator)
                    .message("Could not lookup user.")
                    .with("user", user)
                    .cause(Cause::new("java.io.IOException", format!("Unrecognized user: {user}"))),
            ),
            Nobody::NoGroup(user) => {
                Some(Line::warn(generator).message("No primary group set for user.").with("user", user))
            }
        };
        if let Some(line) = line {
            self.kernel.logs.nucleus(&line.event(event).thread(thread(&self.service)));
        }
        let text = "Could not determine user/group to run with. Ensure that runWithDefault is set for \
                    aws.greengrass.Nucleus";
        self.log(Line::error(LOGGER).message(text));
    }

    fn tell_unprepared(&self, script: &Script, error: &io::Error, phase: Option<Phase>) -> Option<Trouble> {
        let text = format!("Error setting up to run {}", script.name);
        self.log(Line::error(LOGGER).message(text).cause(Cause::io(error)));
        phase.and_then(Phase::unprepared)
    }

    async fn foreground(&self, name: &str, phase: Option<Phase>) -> End {
        match self.prepare(name, phase) {
            Ok(Some(step)) => self.execute(&step).await,
            Ok(None) => End::Nothing,
            Err(trouble) => End::Bad(trouble),
        }
    }

    /// Runs a script and waits for its end.
    async fn execute(&self, step: &Step) -> End {
        let Ok(process) = self.start(step) else { return End::Bad(None) };
        self.inner().foreground = Some((step.clone(), process.clone()));
        let code = process.waited_for(self.kernel.config.clock).await;
        self.inner().foreground = None;
        if code == 0 {
            return End::Good;
        }
        let line = self.line(Line::warn(&self.service.name).event("shell-runner-error"), step);
        self.kernel.logs.component(&self.service.name, &line);
        End::Bad(None)
    }

    /// Starts a script; its processes end with the component.
    fn start(&self, step: &Step) -> Result<Process, ()> {
        let line = self.line(Line::info(&self.service.name).event("shell-runner-start"), step);
        self.kernel.logs.component(&self.service.name, &line);
        self.kernel.places.note(&self.service.name, step);
        let process = step.plan.spawn(step.sink(&self.kernel, &self.service)).map_err(|error| {
            let (message, reason) = step.plan.failure(&error);
            let exception = |message| Cause::new("java.io.IOException", message);
            let line = Line::error(&self.service.name).event("shell-runner-error");
            let line = line.message("Error while running component lifecycle script");
            let line = self.line(line.cause(exception(message).because(exception(reason))), step);
            self.kernel.logs.component(&self.service.name, &line);
        })?;
        self.inner().processes.push((step.clone(), process.clone()));
        Ok(process)
    }

    /// Lets `exited` know the exit code once the process and its pipes have ended.
    fn watch(self: &Arc<Self>, process: Process, exited: fn(&Self, u64, i32)) {
        let (scripts, generation) = (self.clone(), self.inner().generation);
        let started = process.clone();
        let watcher = tokio::spawn(async move {
            let code = started.finished().await;
            let _guard = scripts.lock.lock().await;
            exited(&scripts, generation, code);
        });
        self.inner().watchers.push((process, watcher));
    }

    /// Waits for those who tell of processes that are over.
    async fn settle(&self) {
        let watchers = std::mem::take(&mut self.inner().watchers);
        for (process, watcher) in watchers {
            if process.is_finished() {
                _ = watcher.await;
            } else {
                self.inner().watchers.push((process, watcher));
            }
        }
    }

    fn startup_exited(&self, generation: u64, code: i32) {
        self.tell_exit("Startup script exited", code);
        let state = self.service.state();
        if generation != self.inner().generation || !matches!(state, State::Starting | State::Running) {
            return;
        }
        if code != 0 {
            let line = Line::error(LOGGER).with("reason", "Non-zero exit code in startup");
            self.errored(line, Phase::Startup.error(Some(code)), Some(code));
        } else if state == State::Starting {
            self.report(State::Running.into());
        }
    }

    fn run_exited(&self, generation: u64, code: i32) {
        self.tell_exit("Run script exited", code);
        if generation != self.inner().generation || !self.service.is_or_will_be(State::Running) {
            return;
        }
        if code == 0 {
            self.log(Line::info(LOGGER).event("generic-service-stopping").message("Service finished running"));
            self.service.request(Request::Rest);
        } else {
            self.errored(Line::error(LOGGER), Phase::Run.error(Some(code)), Some(code));
        }
    }

    /// Reports an error if `run` takes longer than `limit`, and ends it.
    async fn limit_run(self: Arc<Self>, process: Process, limit: Duration) {
        if self.kernel.config.clock.timeout(limit, process.exited()).await.is_ok() {
            return;
        }
        let text = "Service failed to run within timeout, calling close in process";
        self.log(Line::warn(LOGGER).event("service-run-timed-out").message(text));
        self.report(Report { state: State::Errored, trouble: Phase::Run.timeout() });
        process.close(self.killer(), || {}).await;
    }

    fn errored(&self, line: Line, trouble: Trouble, exit: Option<i32>) {
        let mut line = line.event("service-errored").with("statusCode", trouble.code);
        if let Some(code) = exit {
            line = line.with("exitCode", code.to_string());
        }
        self.log(line);
        self.report(Report { state: State::Errored, trouble });
    }

    fn report(&self, report: Report) {
        let state = report.state;
        if !self.service.report(report) {
            let line = Line::warn(LOGGER).event("service-invalid-state-error").message("Invalid reported state");
            self.log(line.with("newState", state.to_string()));
        }
    }

    /// The same line in the component's log and in the nucleus's.
    fn tell_exit(&self, text: &str, code: i32) {
        let line = |logger: &str| {
            let line = Line::info(logger).thread("Copier").message(text).with("exitCode", code.to_string());
            context(line, &self.service)
        };
        self.kernel.logs.nucleus(&line(LOGGER));
        self.kernel.logs.component(&self.service.name, &line(&self.service.name));
    }

    /// Ends whatever the component still runs.
    async fn end_processes(&self) {
        for (step, process) in self.alive() {
            let command = step.command();
            self.log(Line::info(LOGGER).message(format!("Shutting down process {command}")));
            if process.close(self.killer(), || self.tell_stubborn(&step)).await {
                self.log(Line::info(LOGGER).message(format!("Shutdown completed for process {command}")));
            } else {
                self.log(Line::warn(LOGGER).message(format!("Shutdown timed out for process {command}")));
            }
        }
    }

    fn tell_stubborn(&self, step: &Step) {
        let text = "did not respond to interruption within timeout. Going to kill it now";
        let line = Line::warn(&self.service.name).message(format!("Command {} {text}", step.command()));
        self.kernel.logs.component(&self.service.name, &context(line, &self.service));
    }

    /// The processes that run; the others are forgotten.
    fn alive(&self) -> Vec<(Step, Process)> {
        let mut inner = self.inner();
        inner.processes.retain(|(_, process)| process.is_alive());
        inner.processes.clone()
    }

    fn killer(&self) -> Killer<'_> {
        Killer { clock: self.kernel.config.clock, logs: &self.kernel.logs }
    }

    fn line(&self, line: Line, step: &Step) -> Line {
        step.line(line.thread(self.kernel.logs.pool_thread()), &self.service).with("command", step.command())
    }

    fn log(&self, line: Line) {
        self.kernel.logs.nucleus(&context(line.thread(self.kernel.logs.pool_thread()), &self.service));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
