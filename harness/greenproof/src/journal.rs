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
    events: Arc<Mutex<Vec<Event>>>,
    changed: watch::Sender<usize>,
    /// Who else gets each event, in a fleet.
    sorted: Option<Arc<Sorted>>,
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
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
        self.changed.send_replace(events.len());
    }

    /// All events so far, in order of time.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events.sort_by(|a, b| a.time.cmp(&b.time));
        events
    }

    /// The events that arrived after the first `known`, in the order of their arrival; waits until there is one.
    pub async fn arrived_after(&self, known: usize) -> Vec<Event> {
        let mut changed = self.changed.subscribe();
        // The sender lives as long as the journal.
        _ = changed.wait_for(|count| *count > known).await;
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().skip(known).cloned().collect()
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
            if let Some(answer) = answer(&self.events()) {
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
        self.events().iter().rev().find_map(|event| match &event.what {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
