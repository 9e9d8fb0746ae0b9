//! A component as the kernel knows it: its definition, its state and the requests to its lifecycle.

use crate::{recipe::Dependency, tree};
use semver::Version;
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
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

/// What a changed definition asks of a running component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Restart,
    Reinstall,
}

/// A request to the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Restart,
    Reinstall,
    /// Stop, until something else is asked for.
    Stop,
    /// Stop and don't come back.
    Close,
}

/// Why a component is in an error state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The status code, such as `RUN_ERROR`.
    pub(crate) code: &'static str,
    /// The reason for a person.
    pub(crate) reason: String,
}

/// A component.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// SVCUID: names the component to the token exchange service.
    pub(crate) token: String,
    spec: Mutex<Arc<Spec>>,
    state: watch::Sender<State>,
    trouble: Mutex<Trouble>,
    requests: mpsc::UnboundedSender<Request>,
    pending: AtomicUsize,
}

impl Spec {
    /// Makes the dependency list of a recipe.
    pub(crate) fn dependencies(of: &[Dependency]) -> Vec<(String, bool)> {
        of.iter().map(|dependency| (dependency.name.clone(), dependency.hard)).collect()
    }

    /// What the step from `self` to `new` asks of the component in `state`.
    pub(crate) fn effect(&self, new: &Self, state: State) -> Effect {
        let step = |spec: &Self, name| tree::get(&spec.lifecycle, name).cloned();
        if self.version != new.version || self.user != new.user || step(self, "install") != step(new, "install") {
            return Effect::Reinstall;
        }
        let rest = |spec: &Self| {
            let mut lifecycle = spec.lifecycle.clone();
            _ = tree::reset(&mut lifecycle, "/shutdown");
            lifecycle
        };
        match rest(self) == rest(new) {
            true => Effect::Nothing,
            false if state == State::Broken => Effect::Reinstall,
            false => Effect::Restart,
        }
    }

    /// The component's section of the nucleus's configuration.
    pub(crate) fn section(&self) -> Value {
        let dependencies: Vec<String> = self
            .dependencies
            .iter()
            .map(|(name, hard)| format!("{name}:{}", if *hard { "HARD" } else { "SOFT" }))
            .collect();
        let mut section = json!({
            "componentType": "GENERIC",
            "configuration": self.configuration,
            "dependencies": dependencies,
            "lifecycle": self.lifecycle,
            "version": self.version.to_string(),
        });
        if let Some(user) = &self.user {
            section["runWith"] = json!({"posixUser": user});
        }
        section
    }
}

impl Service {
    /// A component in state NEW, and the receiving end of its requests.
    pub(crate) fn new(name: &str, spec: Spec) -> (Arc<Self>, mpsc::UnboundedReceiver<Request>) {
        let (requests, receiver) = mpsc::unbounded_channel();
        let token = uuid::Uuid::new_v4().simple().to_string()[..16].to_ascii_uppercase();
        let service = Self {
            name: name.into(),
            token,
            spec: Mutex::new(Arc::new(spec)),
            state: watch::Sender::new(State::New),
            trouble: Mutex::default(),
            requests,
            pending: AtomicUsize::new(0),
        };
        (Arc::new(service), receiver)
    }

    pub(crate) fn spec(&self) -> Arc<Spec> {
        self.spec.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn define(&self, spec: Spec) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(spec);
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Sets the state; the lifecycle alone calls this.
    pub(crate) fn set_state(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Asks the lifecycle for something.
    pub(crate) fn request(&self, request: Request) {
        self.pending.fetch_add(1, Ordering::SeqCst);
        if self.requests.send(request).is_err() {
            // The lifecycle has ended.
            self.served();
        }
    }

    /// Notes that a request has taken effect on the state.
    pub(crate) fn served(&self) {
        self.pending.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the state is the answer to every request made so far.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.load(Ordering::SeqCst) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [core-lifecycle-9]
    #[test]
    fn what_a_change_restarts() {
        let old = Spec {
            version: Version::new(1, 0, 0),
            arn: String::new(),
            lifecycle: json!({"Install": {"Script": "i"}, "Run": "r", "Shutdown": "s"}),
            configuration: json!({}),
            dependencies: vec![],
            user: None,
        };
        let with = |change: &dyn Fn(&mut Spec)| {
            let mut new = old.clone();
            change(&mut new);
            new
        };
        let running = |new: &Spec| old.effect(new, State::Running);
        assert_eq!(running(&with(&|new| new.configuration = json!({"a": 1}))), Effect::Nothing);
        assert_eq!(running(&with(&|new| new.lifecycle["Shutdown"] = json!("t"))), Effect::Nothing);
        assert_eq!(running(&with(&|new| new.lifecycle["Install"] = json!("j"))), Effect::Reinstall);
        assert_eq!(running(&with(&|new| new.version = Version::new(1, 0, 1))), Effect::Reinstall);
        let run = with(&|new| new.lifecycle["Run"] = json!("q"));
        assert_eq!(running(&run), Effect::Restart);
        assert_eq!(old.effect(&run, State::Broken), Effect::Reinstall);
    }
}
