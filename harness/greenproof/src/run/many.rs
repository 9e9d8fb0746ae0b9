//! Many runs side by side, told as if they were made one after the other.

use crate::report::{Turn, Turns};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{collections::BTreeMap, num::NonZeroUsize};

/// How many run at once, and when no further one is begun.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many run at once.
    pub jobs: NonZeroUsize,
    /// Whether none is begun after the first that is red.
    pub fail_fast: bool,
}

/// What is to be run, each known by its place in the order.
pub trait Work {
    /// What comes of one.
    type Outcome;
    /// What ends all of it.
    type Error;

    /// Runs one, and tells of it.
    fn run(&self, index: usize, turn: &Turn<'_>) -> impl Future<Output = Result<Self::Outcome, Self::Error>>;

    /// Tells that one is not run, since the one of the other place is red.
    fn skip(&self, index: usize, red: usize, turn: &Turn<'_>) -> Self::Outcome;

    /// Whether it did not pass.
    fn is_red(outcome: &Self::Outcome) -> bool;

    /// Takes note that one more came out, and was told if it was its turn.
    fn note(&self);
}

/// Runs so many, in their order, and gives what came of each. When one can't be run, no further one is begun and those under
/// way come to their end; dropped, it drops them all.
///
/// # Errors
/// The first error, in order of time.
///
/// # Panics
/// Never: all are begun unless one is red.
pub async fn many<W: Work>(work: &W, count: usize, pace: Pace, turns: &Turns<'_>) -> Result<Vec<W::Outcome>, W::Error> {
    let mut waiting = 0..count;
    let mut under_way = FuturesUnordered::new();
    let mut outcomes = BTreeMap::new();
    let mut error = None;
    let red = |outcomes: &BTreeMap<usize, W::Outcome>| {
        outcomes.iter().find(|(_, outcome)| W::is_red(outcome)).map(|(index, _)| *index).filter(|_| pace.fail_fast)
    };
    loop {
        while under_way.len() < pace.jobs.get() && error.is_none() && red(&outcomes).is_none() {
            let Some(index) = waiting.next() else { break };
            under_way.push(Box::pin(async move {
                let turn = turns.of(index);
                let result = work.run(index, &turn).await;
                turn.end();
                (index, result)
            }));
        }
        match under_way.next().await {
            None => break,
            Some((index, Ok(outcome))) => {
                outcomes.insert(index, outcome);
                work.note();
            }
            Some((_, Err(failure))) => error = error.or(Some(failure)),
        }
    }
    if let Some(error) = error {
        return Err(error);
    }
    for index in waiting {
        let red = red(&outcomes).expect("all are begun unless one is red");
        let turn = turns.of(index);
        outcomes.insert(index, work.skip(index, red, &turn));
        turn.end();
        work.note();
    }
    Ok(outcomes.into_values().collect())
}

#[cfg(test)]
mod tests;
