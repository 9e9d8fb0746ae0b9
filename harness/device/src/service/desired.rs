//! The states that a component is to pass through next.
//!
//! A start wants `[RUNNING]`, a stop `[FINISHED]`, a restart `[INSTALLED, RUNNING]`, a reinstallation `[NEW, RUNNING]`;
//! a wish for NEW is never overridden by a restart or a stop.

use super::State;

/// A request to the lifecycle of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Start,
    Stop,
    /// Stop because `run` has ended well, unless the component is to start anew already.
    Rest,
    Restart,
    Reinstall,
    /// Stop for good and run the `uninstall` step.
    Uninstall,
    /// End the lifecycle at the next state that allows it.
    Close,
}

/// The list of desired states, first to reach first.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    list: Vec<State>,
    /// Whether the lifecycle hasn't looked at the list since it changed.
    fresh: bool,
    closed: bool,
    uninstall: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether the request was taken.
    pub(super) taken: bool,
    /// Whether the lifecycle has to be told.
    pub(super) news: bool,
}

impl Desired {
    /// Takes a request of somebody who sees the component in `state`.
    pub(super) fn request(&mut self, request: Request, state: State) -> Outcome {
        let news = match request {
            Request::Start => {
                self.closed = false;
                self.start()
            }
            // The nucleus forgets the new start here, so that a deployment may succeed whose version never ran.
            Request::Rest if self.list.iter().any(|state| matches!(state, State::New | State::Installed)) => {
                return Outcome::default();
            }
            Request::Rest | Request::Stop => self.stop(),
            Request::Restart if self.closed || (self.list.is_empty() && state == State::New) => {
                return Outcome::default();
            }
            Request::Restart => match self.after_new() {
                Some(rest) => self.replace_from(rest, State::Running),
                None => self.set(&[State::Installed, State::Running]),
            },
            Request::Reinstall => {
                (self.closed, self.uninstall) = (false, false);
                self.set(&[State::New, State::Running])
            }
            Request::Uninstall => {
                self.uninstall = true;
                if state == State::Broken {
                    self.set(&[State::Uninstalled])
                } else {
                    self.set(&[State::Finished, State::Uninstalled])
                }
            }
            Request::Close => {
                self.closed = true;
                true
            }
        };
        Outcome { taken: true, news }
    }

    /// The first state to reach from `current`, which itself is reached.
    pub(super) fn next(&mut self, current: State) -> Option<State> {
        self.fresh = false;
        while self.list.first() == Some(&current) {
            self.list.remove(0);
        }
        self.list.first().copied()
    }

    /// The first state of the list, which is taken off it if it is `state`.
    pub(super) fn take(&mut self, state: State) -> Option<State> {
        let first = self.list.first().copied()?;
        if first == state {
            self.list.remove(0);
        }
        Some(first)
    }

    /// Whether a component in `state` is where it is wanted. A broken one is where it stays, once it knows what is
    /// asked of it, unless that is to start anew.
    pub(super) fn is_reached(&self, state: State) -> bool {
        let stuck = state == State::Broken && !self.fresh && !self.list.contains(&State::New);
        stuck || self.list.iter().all(|desired| *desired == state)
    }

    /// Whether the component is to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the component is to be uninstalled.
    pub(super) fn is_uninstall(&self) -> bool {
        self.uninstall
    }

    fn start(&mut self) -> bool {
        match self.list.as_slice() {
            [] | [State::Finished] => self.set(&[State::Running]),
            [.., State::Running] => false,
            [.., State::Finished] => self.replace_from(self.list.len() - 1, State::Running),
            _ => self.replace_from(self.list.len(), State::Running),
        }
    }

    fn stop(&mut self) -> bool {
        let news = match self.after_new() {
            Some(rest) => self.replace_from(rest, State::Finished),
            None => self.set(&[State::Finished]),
        };
        if self.uninstall {
            self.list.push(State::Uninstalled);
        }
        news
    }

    fn after_new(&self) -> Option<usize> {
        self.list.iter().position(|state| *state == State::New).map(|index| index + 1)
    }

    /// Changes the tail of the list, which is no news: its head stays.
    fn replace_from(&mut self, index: usize, state: State) -> bool {
        self.list.truncate(index);
        self.list.push(state);
        false
    }

    fn set(&mut self, list: &[State]) -> bool {
        if self.list == list {
            return false;
        }
        self.list = list.into();
        self.fresh = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Request::*, State::*, *};
    use fidelity::fidelity;

    fn after(requests: &[Request], state: State) -> Vec<State> {
        let mut desired = Desired::default();
        for request in requests {
            desired.request(*request, state);
        }
        desired.list
    }

    #[test]
    fn requests_make_lists() {
        fidelity!("core-lifecycle-10");
        assert_eq!(after(&[Start], New), [Running]);
        assert_eq!(after(&[Start, Stop], Running), [Finished]);
        assert_eq!(after(&[Start, Restart], Running), [Installed, Running]);
        assert_eq!(after(&[Restart, Reinstall], Running), [New, Running]);
        assert_eq!(after(&[Stop, Start], Running), [Running]);
        assert_eq!(after(&[Start, Uninstall, Close, Stop], Running), [Finished, Uninstalled]);
        assert_eq!(after(&[Start, Uninstall], Broken), [Uninstalled]);
    }

    #[test]
    fn a_reinstallation_is_not_overridden() {
        fidelity!("core-lifecycle-10");
        assert_eq!(after(&[Reinstall, Restart], Running), [New, Running]);
        assert_eq!(after(&[Reinstall, Stop], Running), [New, Finished]);
        assert_eq!(after(&[Reinstall, Stop, Start], Running), [New, Running]);
        assert_eq!(after(&[Reinstall, Rest], Running), [New, Running]);
        assert_eq!(after(&[Restart, Rest], Running), [Installed, Running]);
        assert_eq!(after(&[Start, Rest], Running), [Finished]);
    }

    #[test]
    fn a_restart_needs_a_component_that_was_started() {
        fidelity!("core-lifecycle-10");
        let mut desired = Desired::default();
        assert!(!desired.request(Restart, New).taken);
        assert!(desired.request(Restart, Finished).taken);
        desired.request(Close, Finished);
        assert!(!desired.request(Restart, Finished).taken);
    }

    #[test]
    fn reached_states_leave_the_list() {
        let mut desired = Desired::default();
        desired.request(Restart, Running);
        assert_eq!(desired.next(Running), Some(Installed));
        assert_eq!(desired.take(Finished), Some(Installed));
        assert_eq!(desired.next(Installed), Some(Running));
        assert!(!desired.is_reached(Starting) && desired.is_reached(Running));
        assert_eq!(desired.next(Running), None);
        assert!(desired.is_reached(Starting));
    }

    #[test]
    fn a_broken_component_stays_where_it_is_until_it_is_installed_anew() {
        let mut desired = Desired::default();
        desired.request(Start, New);
        assert!(!desired.is_reached(Broken));
        assert_eq!(desired.next(Broken), Some(Running));
        assert!(desired.is_reached(Broken));
        desired.request(Reinstall, Broken);
        desired.next(Broken);
        assert!(!desired.is_reached(Broken));
    }
}
