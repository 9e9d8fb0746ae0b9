use super::*;
use crate::report::{Came, Event, Judged, Reader, Record, Told, junit, markdown};
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// Scenarios that say when they go on, each told by three events.
struct Fake {
    verdicts: Vec<Result<Came, &'static str>>,
    /// The order in which they end.
    ends: Mutex<Vec<usize>>,
    step: Notify,
    at_once: AtomicUsize,
    most: AtomicUsize,
    begun: Mutex<Vec<usize>>,
}

impl Fake {
    fn new(verdicts: &[Result<Came, &'static str>], ends: &[usize]) -> Self {
        Self {
            verdicts: verdicts.to_vec(),
            ends: Mutex::new(ends.iter().rev().copied().collect()),
            step: Notify::new(),
            at_once: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            begun: Mutex::default(),
        }
    }

    /// Waits until it is the turn of one to end; without an order each ends when it likes.
    async fn turn_to_end(&self, index: usize) {
        loop {
            let next = self.step.notified();
            if self.ends.lock().unwrap().last().is_none_or(|last| *last == index) {
                self.ends.lock().unwrap().pop();
                self.step.notify_waiters();
                return;
            }
            next.await;
        }
    }
}

/// An event whose time is no matter.
fn event(index: usize, told: Told) -> Event {
    Event { time: String::new(), scenario: Some(format!("s{index}")), told }
}

fn judged(verdict: Came, why: &str) -> Told {
    Told::Judged(Box::new(Judged {
        verdict,
        why: why.to_owned(),
        findings: Vec::new(),
        devices: Vec::new(),
        leaks: Vec::new(),
        file: None,
        evidence: None,
        bundle: None,
        again: None,
        versions: BTreeMap::new(),
        output: String::new(),
        milliseconds: 0,
        attempts: Vec::new(),
    }))
}

impl Work for Fake {
    type Outcome = Came;
    type Error = &'static str;

    async fn run(&self, index: usize, turn: &Turn<'_>) -> Result<Came, &'static str> {
        self.begun.lock().unwrap().push(index);
        self.most.fetch_max(self.at_once.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let (stages, steps) = (Vec::new(), Vec::new());
        turn.take(&event(index, Told::Begun { summary: "x".to_owned(), file: None, stages, steps }));
        tokio::task::yield_now().await;
        turn.take(&event(index, Told::note("between")));
        self.turn_to_end(index).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let verdict = self.verdicts[index]?;
        turn.take(&event(index, judged(verdict, "")));
        Ok(verdict)
    }

    fn skip(&self, index: usize, red: usize, turn: &Turn<'_>) -> Came {
        turn.take(&event(index, judged(Came::Skipped, &format!("s{red} did not pass"))));
        Came::Skipped
    }

    fn is_red(outcome: &Came) -> bool {
        *outcome == Came::Failed
    }

    fn note(&self) {}
}

async fn run(fake: &Fake, jobs: usize, fail_fast: bool) -> (Result<Vec<Came>, &'static str>, Vec<Event>) {
    let record = Record::default();
    let pace = Pace { jobs: NonZeroUsize::new(jobs).unwrap(), fail_fast };
    let result = many(fake, fake.verdicts.len(), pace, &Turns::new(&record)).await;
    (result, record.events())
}

const PASSED: Result<Came, &str> = Ok(Came::Passed);
const FAILED: Result<Came, &str> = Ok(Came::Failed);

/// The stream, and so every report made of it.
#[tokio::test]
async fn side_by_side_tells_what_one_after_the_other_does() {
    fidelity::fidelity!("jobs-1");
    let verdicts = [PASSED, FAILED, PASSED, PASSED, FAILED];
    let (alone, told_alone) = run(&Fake::new(&verdicts, &[]), 1, false).await;
    for ends in [[0, 1, 2, 3, 4], [1, 2, 0, 4, 3], [2, 1, 0, 3, 4], [2, 3, 4, 1, 0]] {
        let fake = Fake::new(&verdicts, &ends);
        let (together, told) = run(&fake, 3, false).await;
        assert_eq!(fake.most.load(Ordering::Relaxed), 3);
        assert_eq!(*fake.begun.lock().unwrap(), [0, 1, 2, 3, 4], "they begin in their order");
        assert_eq!((&together, &told), (&alone, &told_alone), "{ends:?}");
        assert_eq!(junit(&told).unwrap(), junit(&told_alone).unwrap());
        assert_eq!(markdown(&told, 1 << 20), markdown(&told_alone, 1 << 20));
    }
}

#[tokio::test]
async fn after_a_red_one_none_is_begun_and_those_under_way_end() {
    fidelity::fidelity!("jobs-2");
    let fake = Fake::new(&[PASSED, FAILED, PASSED, PASSED, PASSED], &[1, 2, 0]);
    let (outcomes, told) = run(&fake, 3, true).await;
    assert_eq!(outcomes.unwrap(), [Came::Passed, Came::Failed, Came::Passed, Came::Skipped, Came::Skipped]);
    assert_eq!(*fake.begun.lock().unwrap(), [0, 1, 2]);
    let last: Vec<_> = told.iter().rev().take(2).collect();
    assert_eq!(last[0].scenario.as_deref(), Some("s4"));
    assert!(matches!(&last[1].told, Told::Judged(judged) if judged.why == "s1 did not pass"), "{last:?}");
}

#[tokio::test]
async fn after_an_error_none_is_begun_and_those_under_way_end() {
    fidelity::fidelity!("jobs-3");
    let fake = Fake::new(&[PASSED, Err("no Docker"), PASSED, PASSED], &[1, 2, 0]);
    let (outcomes, told) = run(&fake, 3, false).await;
    assert_eq!(outcomes.unwrap_err(), "no Docker");
    assert_eq!(*fake.begun.lock().unwrap(), [0, 1, 2]);
    let judged = told.iter().filter(|event| matches!(event.told, Told::Judged(_)));
    let judged: Vec<_> = judged.map(|event| event.scenario.as_deref().unwrap()).collect();
    assert_eq!(judged, ["s0", "s2"]);
}
