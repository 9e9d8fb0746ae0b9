//! What the cloud containers say while a run goes on, as it arrives.

mod sorted;

pub(crate) use sorted::Known;

use cloud::event::{Event, What};
use sorted::Sorted;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// The events of one environment; clones share them.
#[derive(Clone, Debug)]
pub struct Journal {
    events: Arc<Mutex<Held>>,
    changed: watch::Sender<usize>,
    /// Who else gets each event, in a fleet.
    sorted: Option<Arc<Sorted>>,
}

/// What has arrived.
#[derive(Debug, Default)]
struct Held {
    /// In order of time, and of arrival where that is equal.
    events: Vec<Event>,
    /// The place of each in the order of arrival.
    arrived: Vec<usize>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { events: Arc::default(), changed: watch::channel(0).0, sorted: None }
    }
}

impl Journal {
    /// A journal of a whole fleet, which also gives each device's journal what is about it, and the common one the rest.
    pub(crate) fn sorted(devices: &[Known<'_>], common: Self) -> Self {
        Self { sorted: Some(Arc::new(Sorted::new(devices, common))), ..Self::default() }
    }

    /// Takes one line of a cloud container's standard output. A line that is no event is dropped: a cloud prints
    /// nothing else, and what a broken one prints is in its container's log, not redacted.
    pub(crate) fn take(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(event) => self.push(event),
            Err(error) => {
                let (kind, bytes) = (error.classify(), line.len());
                tracing::warn!(?kind, bytes, "a cloud printed something that is no event");
            }
        }
    }

    pub(crate) fn push(&self, event: Event) {
        if let Some(sorted) = &self.sorted {
            sorted.give(&event);
        }
        let mut held = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, place) = (held.events.len(), held.events.partition_point(|other| other.time <= event.time));
        held.events.insert(place, event);
        held.arrived.insert(place, count);
        // Still held, so that the count never goes back.
        self.changed.send_replace(count + 1);
    }

    /// Reads all events so far, in order of time; nothing arrives meanwhile.
    pub(crate) fn read<T>(&self, reader: impl FnOnce(&[Event]) -> T) -> T {
        reader(&self.events.lock().unwrap_or_else(PoisonError::into_inner).events)
    }

    /// All events so far, in order of time.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.read(<[Event]>::to_vec)
    }

    /// The events that arrived after the first `known`, in the order of their arrival; waits until there is one.
    pub async fn arrived_after(&self, known: usize) -> Vec<Event> {
        let mut changed = self.changed.subscribe();
        // The sender lives as long as the journal.
        _ = changed.wait_for(|count| *count > known).await;
        let held = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after: Vec<_> = held.arrived.iter().zip(&held.events).filter(|(place, _)| **place >= known).collect();
        after.sort_by_key(|(place, _)| **place);
        after.into_iter().map(|(_, event)| event.clone()).collect()
    }

    /// Tells how many events there are, whenever one comes.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.changed.subscribe()
    }

    /// Waits until the events so far give an answer; `None` when patience ends first.
    pub async fn wait<T>(&self, patience: Duration, mut answer: impl FnMut(&[Event]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(answer) = self.read(&mut answer) {
                return Some(answer);
            }
            if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return None;
            }
        }
    }

    /// The last thing that a person would want to know when nothing happens any more.
    #[must_use]
    pub fn last_trouble(&self) -> Option<String> {
        let trouble = |event: &Event| match &event.what {
            What::Credentials { alias, status, message: Some(message), .. } => {
                Some(format!("the credentials provider answered {status} `{message}` for role alias `{alias}`"))
            }
            What::Api(call) if call.error_code.is_some() => Some(format!(
                "{} was answered {} {}",
                call.event_name,
                call.error_code.as_deref().unwrap_or_default(),
                call.error_message.as_deref().unwrap_or_default()
            )),
            What::DataPlane { operation, subject, status, .. } if *status >= 400 => {
                Some(format!("{operation} for {subject} was answered {status}"))
            }
            What::Oversize { .. } => event.what.oversize(),
            What::Mqtt { action, resource, allowed: false, .. } => Some(format!("{action} on {resource} was denied")),
            _ => None,
        };
        self.read(|events| events.iter().rev().find_map(trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_read_by_time_and_told_as_they_arrive() {
        let journal = Journal::default();
        let event = |time: &str, reason: &str| {
            let what = What::Failed { reason: reason.to_owned() };
            Event { time: format!("2026-01-01T00:00:0{time}Z"), from: None, what }
        };
        for (time, reason) in [("2", "a"), ("1", "b"), ("3", "c"), ("2", "d"), ("1", "e")] {
            journal.push(event(time, reason));
        }
        let reasons = |events: &[Event]| {
            let reason = |event: &Event| match &event.what {
                What::Failed { reason } => reason.clone(),
                other => panic!("{other:?}"),
            };
            events.iter().map(reason).collect::<String>()
        };
        assert_eq!((reasons(&journal.events()), journal.read(reasons)), ("beadc".to_owned(), "beadc".to_owned()));
        assert_eq!(reasons(&journal.arrived_after(0).await), "abcde");
        assert_eq!(reasons(&journal.arrived_after(3).await), "de");
    }

    #[test]
    fn a_message_that_was_too_large_for_the_device_is_trouble() {
        fidelity::fidelity!("wire-2");
        let journal = Journal::default();
        let topic = "$aws/things/Core/jobs/notify-next-namespace-aws-gg-deployment";
        let what = What::Oversize { client: "Core".into(), topic: topic.into(), bytes: 5300, limit: 5000 };
        journal.push(Event { time: "2026-01-01T00:00:00.000Z".into(), from: None, what });
        let told = format!("`Core` was not sent `{topic}`: 5300 bytes, and it takes at most 5000");
        assert_eq!(journal.last_trouble(), Some(told));
    }
}
