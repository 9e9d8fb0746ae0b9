//! How long a device stays broken after its policies were put right.
//!
//! The token exchange service keeps a refusal for minutes, so a device goes on failing when AWS would let it. What counts is
//! the device's own time, which may pass faster than the world's.

use super::log::{self, Millis};
use cloud::event::{Decision, Event, What};
use std::collections::BTreeMap;

/// Seconds of the device's time from a moment until everything is allowed again that was refused last before it; `clock`
/// is how fast that time passes. Nothing if something is not allowed yet, or nothing was refused.
#[must_use]
pub fn after(events: &[Event], moment: Millis, clock: f64) -> Option<f64> {
    let mut refused = BTreeMap::new();
    let mut recovered = None;
    for event in events {
        let time = log::millis_of(&event.time)?;
        for (what, allowed) in outcomes(&event.what) {
            if time < moment {
                refused.insert(what, allowed);
            } else if allowed && refused.get(&what) == Some(&false) {
                refused.insert(what, true);
                recovered = Some(time);
            }
        }
    }
    let all = refused.values().all(|allowed| *allowed);
    #[expect(clippy::cast_precision_loss, reason = "a run lasts no 2^52 milliseconds")]
    recovered.filter(|_| all).map(|time| (time - moment) as f64 / 1000.0 * clock)
}

/// What an event shows to be allowed or refused.
fn outcomes(what: &What) -> Vec<(String, bool)> {
    match what {
        // A refusal of the provider may have other reasons than a policy.
        What::Credentials { alias, status, .. } => vec![(format!("credentials of {alias}"), *status == 200)],
        _ => decisions(what)
            .filter(|decision| decision.was_made())
            .map(|decision| (format!("{} {}", decision.action, decision.resource), decision.is_allowed()))
            .collect(),
    }
}

/// The decisions of an event.
pub(crate) fn decisions(what: &What) -> impl Iterator<Item = &Decision> {
    let (first, further): (Option<&Decision>, &[Decision]) = match what {
        What::Api(call) => (Some(&call.decision), &call.further),
        What::Credentials { decision, further, .. } => (decision.as_deref(), further),
        What::Mqtt { decision, .. } | What::DataPlane { decision, .. } => (decision.as_deref(), &[]),
        _ => (None, &[]),
    };
    first.into_iter().chain(further)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(time: &str, status: u16) -> Event {
        let (alias, thing, message) = ("A".into(), None, None);
        let what = What::Credentials { alias, thing, status, message, decision: None, further: Vec::new() };
        Event { time: format!("2026-01-01T00:00:{time}Z"), from: None, what }
    }

    #[test]
    fn a_device_has_recovered_when_it_is_allowed_what_it_was_refused() {
        let moment = log::millis_of("2026-01-01T00:00:02Z").expect("a time");
        let events = [asked("01.000", 403), asked("03.000", 403), asked("05.500", 200), asked("06.000", 200)];
        assert_eq!(after(&events, moment, 10.0), Some(35.0));
        assert_eq!(after(&events[..2], moment, 10.0), None, "it is still refused");
        assert_eq!(after(&events[2..], moment, 10.0), None, "nothing was refused before");
    }
}
