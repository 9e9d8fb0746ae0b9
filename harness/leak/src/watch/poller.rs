//! Looks for processes again and again where the kernel does not tell of them. It misses short ones.

use super::{
    connector::{Event, Pid},
    process::{self, Process},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

/// How many times as long as a look takes the rest is: a fortieth of one processor is spent on it.
const REST: u32 = 40;
/// The shortest and the longest rest.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);

/// What was there at the last look.
#[derive(Debug, Default)]
pub(crate) struct Poller {
    container: String,
    /// The container's processes, each with what its arguments were.
    known: HashMap<Pid, u64>,
    /// Those of others; only their number is known, so one that takes it over is missed until the number is free.
    others: Vec<Pid>,
    next: Option<Instant>,
}

impl Poller {
    pub(crate) fn new(container: &str) -> Self {
        Self { container: container.to_owned(), ..Self::default() }
    }

    /// How long to rest until the next look.
    pub(crate) fn rest(&self) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now()))
    }

    /// Looks once; says what is new in the container.
    pub(crate) fn look(&mut self, events: &mut Vec<Event>) {
        let began = Instant::now();
        let all = process::all();
        self.others.retain(|pid| all.binary_search(pid).is_ok() || all.contains(pid));
        self.known.retain(|pid, _| {
            let there = all.contains(pid);
            if !there {
                events.push(Event::Exit(*pid));
            }
            there
        });
        for pid in all {
            if self.others.contains(&pid) {
                continue;
            }
            if !self.known.contains_key(&pid) && process::is_in(pid, &self.container) != Some(true) {
                self.others.push(pid);
                continue;
            }
            let Ok(process) = Process::read(pid) else { continue };
            let mut hasher = DefaultHasher::new();
            (&process.arguments, &process.environment).hash(&mut hasher);
            let hash = hasher.finish();
            if self.known.insert(pid, hash) != Some(hash) {
                events.push(Event::Exec(pid));
            }
        }
        let ended = Instant::now();
        self.next = Some(ended + ((ended - began) * REST).clamp(SHORTEST, LONGEST));
    }
}
