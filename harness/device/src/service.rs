//! A component as the kernel knows it: its definition, its state and the requests to its lifecycle.

mod desired;

pub(crate) use desired::Request;

use crate::tree;
use desired::Desired;
use semver::Version;
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, watch};

/// States of the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Installed,
    Starting,
    Running,
    Stopping,
    Errored,
    Broken,
    Finished,
    Uninstalling,
    Uninstalled,
}

impl State {
    /// Whether a component in this state may report that it is now in `new`.
    pub(crate) fn accepts(self, new: Self) -> bool {
        match self {
            Self::New => new == Self::Errored,
            Self::Starting => matches!(new, Self::Running | Self::Errored | Self::Finished),
            Self::Running | Self::Stopping => matches!(new, Self::Errored | Self::Finished),
            _ => false,
        }
    }

    /// Whether a lifecycle may end in this state.
    pub(crate) fn is_closable(self) -> bool {
        matches!(self, Self::Errored | Self::Broken | Self::Finished | Self::New | Self::Uninstalled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "NEW",
            Self::Installed => "INSTALLED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Errored => "ERRORED",
            Self::Broken => "BROKEN",
            Self::Finished => "FINISHED",
            Self::Uninstalling => "UNINSTALLING",
            Self::Uninstalled => "UNINSTALLED",
        })
    }
}

/// What a component is, after resolution and interpolation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) version: Version,
    /// The ARN that the cloud gave.
    pub(crate) arn: String,
    /// The lifecycle, interpolated.
    pub(crate) lifecycle: Value,
    pub(crate) configuration: Value,
    pub(crate) dependencies: Vec<(String, bool)>,
    /// `runWith.posixUser` of the deployment.
    pub(crate) user: Option<String>,
}

/// What a changed definition asks of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Nothing,
    Restart,
    Reinstall,
}

/// Why a component is in an error state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The status code, such as `RUN_ERROR`.
    pub(crate) code: &'static str,
    /// The reason for a person.
    pub(crate) reason: String,
}

/// A state that a component is to be in now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) state: State,
    pub(crate) trouble: Trouble,
}

/// What the lifecycle of a component listens to.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    /// Changes with the desired states.
    pub(crate) desired: watch::Receiver<Desired>,
}

/// A component.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// SVCUID: names the component to the token exchange service.
    pub(crate) token: String,
    spec: Mutex<Arc<Spec>>,
    /// The state, and the one last reported, which may be on its way.
    state: Mutex<(State, State)>,
    trouble: Mutex<Trouble>,
    desired: watch::Sender<Desired>,
    reports: mpsc::UnboundedSender<Report>,
    may_still_exit: AtomicBool,
    startup_errored: AtomicBool,
}

impl Spec {
    /// Reads the component's section of the nucleus's configuration.
    pub(crate) fn read(section: &Value, arn: String) -> Option<Self> {
        let part = |key: &str| tree::get(section, key).cloned().unwrap_or_else(|| json!({}));
        let dependency = |text: &str| {
            let (name, kind) = text.split_once(':').unwrap_or((text, "HARD"));
            (name.to_owned(), !kind.eq_ignore_ascii_case("SOFT"))
        };
        let dependencies = part("dependencies");
        Some(Self {
            version: Version::parse(&tree::text(section, "version")?).ok()?,
            arn,
            lifecycle: part("lifecycle"),
            configuration: part("configuration"),
            dependencies: dependencies.as_array()?.iter().filter_map(Value::as_str).map(dependency).collect(),
            user: tree::text(&part("runWith"), "posixUser"),
        })
    }
}

impl From<State> for Report {
    fn from(state: State) -> Self {
        Self { state, trouble: Trouble::default() }
    }
}

impl Service {
    /// A component in state NEW that is to run, and what its lifecycle listens to.
    pub(crate) fn new(name: &str, spec: Spec) -> (Arc<Self>, Inbox) {
        let (reports, received) = mpsc::unbounded_channel();
        let (desired, changes) = watch::channel(Desired::default());
        let service = Self {
            name: name.into(),
            token: uuid::Uuid::new_v4().simple().to_string()[..16].to_ascii_uppercase(),
            spec: Mutex::new(Arc::new(spec)),
            state: Mutex::new((State::New, State::New)),
            trouble: Mutex::default(),
            desired,
            reports,
            may_still_exit: AtomicBool::new(false),
            startup_errored: AtomicBool::new(false),
        };
        service.request(Request::Start);
        (Arc::new(service), Inbox { reports: received, desired: changes })
    }

    pub(crate) fn spec(&self) -> Arc<Spec> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn define(&self, spec: Spec) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(spec);
    }

    pub(crate) fn state(&self) -> State {
        self.states().0
    }

    /// Whether the state is `state`, or will be.
    pub(crate) fn is_or_will_be(&self, state: State) -> bool {
        let states = self.states();
        states.0 == state || states.1 == state
    }

    fn states(&self) -> (State, State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the state; the lifecycle alone calls this.
    pub(crate) fn set(&self, state: State, trouble: Trouble) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (state, state);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reports a new state to the lifecycle; false if the present one doesn't allow it.
    #[must_use = "a report that isn't accepted is logged"]
    pub(crate) fn report(&self, report: Report) -> bool {
        let mut states = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !states.1.accepts(report.state) {
            return false;
        }
        states.1 = report.state;
        // The lifecycle may have ended.
        _ = self.reports.send(report);
        true
    }

    /// Asks the lifecycle for something; false if it doesn't take it.
    pub(crate) fn request(&self, request: Request) -> bool {
        let state = self.state();
        let mut taken = false;
        self.desired.send_if_modified(|desired| {
            let outcome = desired.request(request, state);
            taken = outcome.taken;
            outcome.news
        });
        taken
    }

    /// The next state to reach; the lifecycle alone calls this.
    pub(crate) fn next_desired(&self, current: State) -> Option<State> {
        self.change_desired(|desired| desired.next(current))
    }

    /// Takes `state` off the desired states if it is the first; tells which is the first.
    pub(crate) fn take_desired(&self, state: State) -> Option<State> {
        self.change_desired(|desired| desired.take(state))
    }

    fn change_desired<T>(&self, change: impl FnOnce(&mut Desired) -> Option<T>) -> Option<T> {
        let mut result = None;
        self.desired.send_if_modified(|desired| {
            result = change(desired);
            false
        });
        result
    }

    /// Whether the component is where every request made so far wants it, or broken for good.
    pub(crate) fn is_settled(&self) -> bool {
        self.desired.borrow().is_reached(self.state())
    }

    /// Whether it is to be closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.desired.borrow().is_closed()
    }

    /// Whether it is to be uninstalled.
    pub(crate) fn is_uninstall(&self) -> bool {
        self.desired.borrow().is_uninstall()
    }

    /// Whether it is RUNNING because of a `run` process, which may yet fail.
    pub(crate) fn may_still_exit(&self) -> bool {
        self.may_still_exit.load(Ordering::SeqCst)
    }

    /// Notes whether a `run` process makes it RUNNING.
    pub(crate) fn set_may_still_exit(&self, may: bool) {
        self.may_still_exit.store(may, Ordering::SeqCst);
    }

    /// Whether it is stopping because it couldn't start.
    pub(crate) fn startup_errored(&self) -> bool {
        self.startup_errored.load(Ordering::SeqCst)
    }

    /// Notes whether it is stopping because it couldn't start.
    pub(crate) fn set_startup_errored(&self, errored: bool) {
        self.startup_errored.store(errored, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::*;
    use fidelity::fidelity;

    #[test]
    fn accepted_reports() {
        fidelity!("core-lifecycle-11");
        let every = [New, Installed, Starting, Running, Stopping, Errored, Broken, Finished, Uninstalling, Uninstalled];
        let accepted = |from: State| every.into_iter().filter(move |new| from.accepts(*new)).collect::<Vec<_>>();
        assert_eq!(accepted(New), [Errored]);
        assert_eq!(accepted(Starting), [Running, Errored, Finished]);
        assert_eq!(accepted(Running), [Errored, Finished]);
        assert_eq!(accepted(Stopping), [Errored, Finished]);
        for state in [Installed, Errored, Broken, Finished, Uninstalling, Uninstalled] {
            assert_eq!(accepted(state), [], "{state}");
        }
    }
}
