//! The faults that are on: whoever answers asks here first. While none is on, asking costs one load.

use crate::{
    certificates::Flaw,
    clock::Clock,
    event::{What, emit},
    fault::{Effect, Fault, Kind, Service, Special},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The page that stands in place of an answer. It is one line that has no end, as portals send it: of one with lines git
/// says that it is no repository.
pub(crate) const PAGE: &str = "<html><head><meta http-equiv=\"refresh\" content=\"0;url=http://192.0.2.1/login\">\
                               <title>Sign in</title></head><body>Sign in to continue</body></html>";

/// The faults of one role, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    active: Mutex<Vec<Active>>,
    clock: Arc<Clock>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    /// Strikes that are left; without a number it lasts.
    left: Option<u32>,
}

/// What a service answers instead of its own answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// A status, with a body if another than the service's own.
    Status(u16, Option<String>),
    /// What it answers to who asks too often.
    Throttled,
    /// The [`PAGE`].
    Page,
    /// Nothing: the connection is reset.
    Reset,
}

impl Faults {
    /// Turns a fault on, in place of one with the same name about the same.
    pub(crate) fn begin(&self, fault: Fault) {
        let mut active = self.lock();
        active.retain(|known| known.fault.kind != fault.kind || known.fault.about != fault.about);
        if of_clock(&fault) {
            emit(What::Fault { name: fault.name(), about: fault.about.clone() });
        }
        active.push(Active { left: fault.times, fault });
        self.note(&active);
    }

    /// Turns all faults of a name off. One that is over already has ended by itself.
    pub(crate) fn end(&self, name: &str) {
        let mut active = self.lock();
        active.retain(|known| known.fault.name() != name);
        self.note(&active);
    }

    /// The clock, which a fault may shift.
    pub(crate) fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// Whether any is on.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// What a service answers to an operation instead of its own answer, if a fault is on. It takes as long as the fault
    /// says, also where the answer is then the right one.
    pub(crate) async fn strike(&self, service: Service, operation: &str) -> Option<Strike> {
        let of = |fault: &Fault| match &fault.kind {
            Kind::Http { service: which, operation: one, .. } => {
                *which == service && one.as_ref().is_none_or(|one| one.eq_ignore_ascii_case(operation))
            }
            Kind::Special(_) => false,
        };
        let Fault { kind, delay, body, .. } = self.take(of)?;
        late(delay).await;
        let Kind::Http { effect, .. } = kind else { return None };
        match effect {
            Effect::Status(status) => Some(Strike::Status(status, body)),
            Effect::Slow => None,
            // Until the client gives up, which ends the connection and this with it.
            Effect::Hang => std::future::pending().await,
            Effect::Reset => Some(Strike::Reset),
            Effect::Throttled => Some(Strike::Throttled),
            Effect::WrongBody => Some(Strike::Page),
        }
    }

    /// A special fault that is on about this, with one strike less; it has taken as long as it says.
    pub(crate) async fn special_late(&self, special: Special, name: &str) -> Option<Fault> {
        let fault = self.special(special, name)?;
        late(fault.delay).await;
        Some(fault)
    }

    /// A special fault that is on about this, with one strike less.
    pub(crate) fn special(&self, special: Special, name: &str) -> Option<Fault> {
        self.take(|fault| fault.kind == Kind::Special(special) && fault.is_about(name))
    }

    /// A special fault that is on, whatever it is about, with one strike less.
    pub(crate) fn special_of(&self, special: Special) -> Option<Fault> {
        self.take(|fault| fault.kind == Kind::Special(special))
    }

    /// Whether a new MQTT connection is refused.
    pub(crate) fn refuses(&self) -> bool {
        self.special(Special::MqttRefuse, "").is_some()
    }

    /// What is wrong with the answer to a question for a host's address.
    pub(crate) fn of_name(&self, host: &str) -> Option<Special> {
        const ALL: [Special; 4] =
            [Special::DnsNxdomain, Special::DnsServfail, Special::DnsTimeout, Special::DnsSinkhole];
        self.about_host(host, |special| ALL.contains(&special).then_some(special))
    }

    /// What is wrong with the certificate of a host.
    pub(crate) fn of_certificate(&self, host: &str) -> Option<Flaw> {
        self.about_host(host, Flaw::of)
    }

    fn about_host<T>(&self, host: &str, of: impl Fn(Special) -> Option<T>) -> Option<T> {
        let special = |fault: &Fault| match fault.kind {
            Kind::Special(special) => of(special),
            Kind::Http { .. } => None,
        };
        let fault = self.take(|fault| special(fault).is_some() && fault.is_about_host(host))?;
        special(&fault)
    }

    /// The first fault of a sort that is on, with one strike less.
    fn take(&self, of: impl Fn(&Fault) -> bool) -> Option<Fault> {
        if !self.any() {
            return None;
        }
        let mut active = self.lock();
        let index = active.iter().position(|known| of(&known.fault))?;
        let known = &mut active[index];
        known.left = known.left.map(|left| left - 1);
        let fault = known.fault.clone();
        if known.left == Some(0) {
            active.remove(index);
            self.note(&active);
        }
        emit(What::Fault { name: fault.name(), about: fault.about.clone() });
        Some(fault)
    }

    /// Notes what follows from the faults that are on now.
    fn note(&self, active: &[Active]) {
        let shift = active.iter().rfind(|known| of_clock(&known.fault));
        self.clock.shift(shift.and_then(|known| known.fault.amount).unwrap_or_default());
        self.any.store(!active.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is about the clock of the role that has it.
fn of_clock(fault: &Fault) -> bool {
    matches!(fault.kind, Kind::Special(Special::Clock | Special::GitHubClock))
}

async fn late(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep_until(Instant::now() + delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    fn faults(texts: &[&str]) -> Faults {
        let faults = Faults::default();
        for text in texts {
            faults.begin(text.parse().unwrap());
        }
        faults
    }

    async fn status(faults: &Faults, service: Service, operation: &str) -> Option<u16> {
        match faults.strike(service, operation).await {
            Some(Strike::Status(status, _)) => Some(status),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_fault_strikes_what_it_names_and_as_often_as_it_says() {
        fidelity::fidelity!("fault-5");
        let faults = faults(&["s3.GetObject.503 times=2", "s3.500", "mqtt.refuse times=1"]);
        assert_eq!(status(&faults, Service::Provider, "").await, None);
        for expected in [503, 503, 500, 500] {
            assert_eq!(status(&faults, Service::S3, "GetObject").await, Some(expected));
        }
        assert_eq!(status(&faults, Service::S3, "HeadObject").await, Some(500));
        assert!(faults.any());
        faults.end("s3.500");
        assert_eq!(status(&faults, Service::S3, "HeadObject").await, None);
        assert_eq!([faults.refuses(), faults.refuses()], [true, false]);
        assert!(!faults.any(), "the last one has ended");
    }

    #[tokio::test]
    async fn faults_of_one_name_about_different_things_are_on_together_and_end_together() {
        fidelity::fidelity!("fault-5");
        let faults = faults(&["dns.nxdomain host=a.b", "dns.nxdomain host=c times=1", "dns.timeout host=d"]);
        assert_eq!(faults.of_name("x.a.b"), Some(Special::DnsNxdomain));
        assert_eq!([faults.of_name("c"), faults.of_name("c")], [Some(Special::DnsNxdomain), None]);
        faults.end("dns.nxdomain");
        assert_eq!([faults.of_name("a.b"), faults.of_name("d")], [None, Some(Special::DnsTimeout)]);
    }

    #[tokio::test]
    async fn a_slow_answer_comes_late_and_is_right() {
        fidelity::fidelity!("fault-1");
        let faults = faults(&["provider.slow delay=0.2"]);
        let asked = Instant::now();
        assert_eq!(status(&faults, Service::Provider, "").await, None);
        assert!(asked.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn what_hangs_never_answers() {
        fidelity::fidelity!("fault-1");
        let faults = faults(&["kms.hang"]);
        assert!(timeout(Duration::from_millis(50), faults.strike(Service::Kms, "Decrypt")).await.is_err());
        assert_eq!(faults.strike(Service::Sts, "GetCallerIdentity").await, None);
    }

    #[test]
    fn the_clock_is_shifted_as_long_as_the_fault_is_on() {
        fidelity::fidelity!("fault-10");
        let faults = faults(&["aws.clock shift=3600"]);
        let ahead = || (faults.clock().now() - crate::clock::now()).whole_minutes();
        assert!((59..=60).contains(&ahead()), "{}", ahead());
        faults.end("aws.clock");
        assert_eq!(ahead(), 0);
    }
}
