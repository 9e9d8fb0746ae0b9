//! The faults that are on: whoever answers asks here first.

use crate::{
    event::{What, emit},
    fault::{Fault, Kind, Service},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The faults of one environment, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Active>>);

#[derive(Debug)]
struct Active {
    fault: Fault,
    /// Strikes that are left; without a number it lasts.
    left: Option<u32>,
}

/// What a service answers instead of its own answer.
#[derive(Debug)]
pub(super) struct Strike {
    pub(super) status: u16,
    pub(super) body: Option<String>,
}

impl Faults {
    /// Turns a fault on, in place of one with the same name.
    pub(super) fn begin(&self, fault: Fault) {
        let mut active = self.lock();
        active.retain(|known| known.fault.kind != fault.kind);
        active.push(Active { left: fault.times, fault });
    }

    /// Turns a fault off by its name. One that is over already has ended by itself.
    pub(super) fn end(&self, name: &str) {
        self.lock().retain(|known| known.fault.name() != name);
    }

    /// What a service answers to an operation instead of its own answer, if a fault is on. It takes as long as the fault
    /// says, also where the answer is then the right one.
    pub(super) async fn strike(&self, service: Service, operation: &str) -> Option<Strike> {
        let of = |kind: &Kind| match kind {
            Kind::Http { service: which, operation: one, .. } => {
                *which == service && one.as_ref().is_none_or(|one| one.eq_ignore_ascii_case(operation))
            }
            _ => false,
        };
        let Fault { kind, delay, body, .. } = self.take(of)?;
        late(delay).await;
        match kind {
            Kind::Http { status: Some(status), .. } => Some(Strike { status, body }),
            _ => None,
        }
    }

    /// Whether a new MQTT connection is refused.
    pub(super) fn refuses(&self) -> bool {
        self.take(|kind| *kind == Kind::Refuse).is_some()
    }

    /// The first fault of a kind that is on, with one strike less.
    fn take(&self, of: impl Fn(&Kind) -> bool) -> Option<Fault> {
        let mut active = self.lock();
        let index = active.iter().position(|known| of(&known.fault.kind))?;
        let known = &mut active[index];
        known.left = known.left.map(|left| left - 1);
        let fault = known.fault.clone();
        if known.left == Some(0) {
            active.remove(index);
        }
        emit(What::Fault { name: fault.name() });
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn late(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep_until(Instant::now() + delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let faults = Faults::default();
        for text in texts {
            faults.begin(text.parse().unwrap());
        }
        faults
    }

    async fn status(faults: &Faults, service: Service, operation: &str) -> Option<u16> {
        faults.strike(service, operation).await.map(|strike| strike.status)
    }

    #[tokio::test]
    async fn a_fault_strikes_what_it_names_and_as_often_as_it_says() {
        let faults = faults(&["s3.GetObject.503 times=2", "s3.500", "mqtt.refuse times=1"]);
        assert_eq!(status(&faults, Service::Provider, "").await, None);
        for expected in [503, 503, 500, 500] {
            assert_eq!(status(&faults, Service::S3, "GetObject").await, Some(expected));
        }
        assert_eq!(status(&faults, Service::S3, "HeadObject").await, Some(500));
        faults.end("s3.500");
        assert_eq!(status(&faults, Service::S3, "HeadObject").await, None);
        assert_eq!([faults.refuses(), faults.refuses()], [true, false]);
    }

    #[tokio::test]
    async fn a_slow_answer_comes_late_and_is_right() {
        fidelity::fidelity!("fault-1");
        let faults = faults(&["provider.slow delay=0.2"]);
        let asked = Instant::now();
        assert_eq!(status(&faults, Service::Provider, "").await, None);
        assert!(asked.elapsed() >= Duration::from_millis(200));
    }
}
