//! How often a component went wrong, by the state in which it did.

use crate::{
    clock::{Clock, Moment},
    service::State,
};
use std::{collections::BTreeMap, time::Duration};

/// Errors in one state that break a component.
const LIMIT: usize = 3;

/// The errors so far.
#[derive(Debug, Default)]
pub(super) struct Errors(BTreeMap<&'static str, Vec<Moment>>);

impl Errors {
    /// Books that a component in `state` is to be in `new`; tells what becomes of it.
    ///
    /// Errors count in NEW, STARTING and RUNNING, and the third in a row breaks the component. One that comes `reset` or
    /// more after the last begins a new row, as does anything else than an error.
    pub(super) fn book(&mut self, state: State, new: State, clock: Clock, reset: Duration) -> State {
        let key = match state {
            State::New => "NEW",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            _ => return new,
        };
        if new != State::Errored {
            self.0.remove(key);
            return new;
        }
        let times = self.0.entry(key).or_default();
        if times.last().is_some_and(|last| clock.since(*last) >= reset) {
            times.clear();
        }
        times.push(clock.now());
        if times.len() < LIMIT { State::Errored } else { State::Broken }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{State::*, *};
    use fidelity::fidelity;

    const HOUR: Duration = Duration::from_hours(1);

    fn booked(errors: &mut Errors, state: State, new: State, reset: Duration) -> State {
        errors.book(state, new, Clock::default(), reset)
    }

    #[test]
    fn the_third_error_in_a_state_breaks() {
        fidelity!("core-lifecycle-7");
        let mut errors = Errors::default();
        let mut error = |state| booked(&mut errors, state, Errored, HOUR);
        assert_eq!([error(Running), error(Starting), error(Running), error(Starting)], [Errored; 4]);
        assert_eq!(error(Running), Broken);
        assert_eq!(error(New), Errored);
        assert_eq!([error(Stopping), error(Stopping), error(Stopping)], [Errored; 3]);
    }

    #[test]
    fn success_in_a_state_clears_its_errors_alone() {
        fidelity!("core-lifecycle-7");
        let mut errors = Errors::default();
        for state in [Starting, Running, Starting, Running] {
            booked(&mut errors, state, Errored, HOUR);
        }
        assert_eq!(booked(&mut errors, Starting, Running, HOUR), Running);
        assert_eq!(booked(&mut errors, Starting, Errored, HOUR), Errored);
        assert_eq!(booked(&mut errors, Running, Errored, HOUR), Broken);
        errors.clear();
        assert_eq!(booked(&mut errors, Running, Errored, HOUR), Errored);
    }

    #[test]
    fn old_errors_are_forgotten() {
        fidelity!("core-lifecycle-7");
        let mut errors = Errors::default();
        for _ in 0..5 {
            assert_eq!(booked(&mut errors, New, Errored, Duration::ZERO), Errored);
        }
        assert_eq!(booked(&mut errors, New, Errored, HOUR), Errored);
        assert_eq!(booked(&mut errors, New, Errored, HOUR), Broken);
    }
}
