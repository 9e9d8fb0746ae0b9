//! One stream of several scenarios that run side by side.
//!
//! Readers are told of the scenarios in their order, each from its beginning to its end: the first one that goes on is told
//! as it happens, and what the others tell is held until it is their turn.

use super::{Event, Reader};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

/// The order in which a reader is told.
pub struct Turns<'a> {
    reader: &'a dyn Reader,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose turn it is.
    turn: usize,
    /// What those told whose turn has not come.
    held: BTreeMap<usize, Vec<Event>>,
    /// Those of them that are done.
    done: BTreeSet<usize>,
}

/// What tells of one of the scenarios.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns<'a>,
    index: usize,
}

impl fmt::Debug for Turns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl<'a> Turns<'a> {
    /// Tells a reader, beginning with the scenario of index 0.
    #[must_use]
    pub fn new(reader: &'a dyn Reader) -> Self {
        Self { reader, state: Mutex::default() }
    }

    /// Tells of the scenario of this index, until [`Turn::end`].
    #[must_use]
    pub const fn of(&'a self, index: usize) -> Turn<'a> {
        Turn { turns: self, index }
    }
}

impl Turn<'_> {
    /// The scenario is done: the next one is told, with all that it has told already.
    pub fn end(self) {
        let mut state = self.turns.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done.insert(self.index);
        loop {
            let turn = state.turn;
            for event in state.held.remove(&turn).unwrap_or_default() {
                self.turns.reader.take(&event);
            }
            if !state.done.remove(&turn) {
                return;
            }
            state.turn += 1;
        }
    }
}

impl Reader for Turn<'_> {
    fn take(&self, event: &Event) {
        // INVARIANT: the lock is held while the reader is told, so that nothing comes between what was held and what is new.
        let mut state = self.turns.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.turn == self.index {
            self.turns.reader.take(event);
        } else {
            state.held.entry(self.index).or_default().push(event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Record, Told};

    #[test]
    fn each_is_told_whole_and_in_order_and_the_first_at_once() {
        let record = Record::default();
        let turns = Turns::new(&record);
        let told = || {
            let text = |event: Event| if let Told::Note { text } = event.told { text } else { String::new() };
            record.events().into_iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let [a, b, c] = [0, 1, 2].map(|index| turns.of(index));
        b.tell(Told::note("b1"));
        a.tell(Told::note("a1"));
        c.tell(Told::note("c1"));
        assert_eq!(told(), "a1");
        c.end();
        b.tell(Told::note("b2"));
        assert_eq!(told(), "a1");
        a.tell(Told::note("a2"));
        a.end();
        assert_eq!(told(), "a1 a2 b1 b2");
        b.tell(Told::note("b3"));
        assert_eq!(told(), "a1 a2 b1 b2 b3");
        b.end();
        assert_eq!(told(), "a1 a2 b1 b2 b3 c1");
        let late = turns.of(3);
        late.tell(Told::note("d1"));
        late.end();
        assert_eq!(told(), "a1 a2 b1 b2 b3 c1 d1");
    }
}
