//! Several engines, and which of them the next scenario gets: the one with the most memory left.
//!
//! How much that is is asked once, at the start; from then on each scenario that runs there counts for what one takes. There
//! is no other scheduler.

use super::Room;
use crate::{
    report::Reader,
    stage::{Error, Options, Stage},
};
use futures_util::future::try_join_all;
use std::{
    num::NonZeroUsize,
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};

/// Stages on one engine or on several.
#[derive(Debug)]
pub struct Spread(Vec<Ground>);

/// A stage, with what its machine has room for and how many scenarios it has.
#[derive(Debug)]
struct Ground {
    stage: Stage,
    room: Room,
    taken: AtomicU64,
}

/// A stage as long as a scenario has it.
#[derive(Debug)]
pub struct Taken<'a>(&'a Ground);

impl Deref for Taken<'_> {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0.stage
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spread {
    /// Sets a stage on each of these engines, as [`Options::on_each`] has them. The images are made on the first, and brought
    /// from there to the others.
    ///
    /// # Errors
    /// As [`Stage::set`], and when an engine does not say how much memory it has.
    ///
    /// # Panics
    /// Never: there is an engine.
    pub async fn set(options: &Options, engines: &[String], reader: &dyn Reader) -> Result<Self, Error> {
        let mut each = options.on_each(engines).into_iter();
        let first = Stage::set(each.next().expect("there is an engine"), reader).await?;
        let others = try_join_all(each.map(|options| Box::pin(first.set_beside(options, reader)))).await?;
        Ok(Self(try_join_all([first].into_iter().chain(others).map(Ground::of)).await?))
    }

    /// How many scenarios all of them have room for.
    #[must_use]
    pub fn room(&self) -> NonZeroUsize {
        let all = self.0.iter().map(|ground| ground.room.scenarios().get()).sum();
        NonZeroUsize::new(all).unwrap_or(NonZeroUsize::MIN)
    }

    /// The stage for the next scenario.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn take(&self) -> Taken<'_> {
        // Of two that have the same, the one that was named first.
        let most = self.0.iter().rev().max_by_key(|ground| ground.left()).expect("there is a stage");
        most.taken.fetch_add(1, Ordering::Relaxed);
        Taken(most)
    }

    /// The stage on the first engine.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn first(&self) -> &Stage {
        &self.0.first().expect("there is a stage").stage
    }
}

impl Ground {
    async fn of(stage: Stage) -> Result<Self, Error> {
        let room = Room::of(&stage).await?;
        Ok(Self { stage, room, taken: AtomicU64::new(0) })
    }

    /// The memory that the scenarios there have left, in bytes; below 0 where they are more than fit.
    fn left(&self) -> i128 {
        self.room.left(self.taken.load(Ordering::Relaxed))
    }
}
