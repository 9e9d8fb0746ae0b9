//! Sessions, subscriptions and routing: which message waits for which client.
//!
//! Nothing here touches a socket or a policy. A connection attaches to its session, is woken when something waits and
//! takes it; a session that outlives its connection keeps subscriptions and the QoS 1 messages that were not
//! acknowledged.

use super::{packet::Message, topic};
use mqtt_protocol_core::mqtt::packet::Qos;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Subscriptions that a connection may hold, from the service's quota table.
const MAX_SUBSCRIPTIONS: usize = 50;

/// Messages that may wait for one client; the next ones are dropped.
const MAX_WAITING: usize = 1000;

/// All sessions and retained messages.
#[derive(Debug, Default)]
pub(super) struct Broker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<String, Session>,
    retained: BTreeMap<String, Arc<Message>>,
    generations: u64,
}

#[derive(Debug, Default)]
struct Session {
    subscriptions: Vec<Subscription>,
    waiting: VecDeque<Delivery>,
    unacknowledged: Vec<(u16, Delivery)>,
    connection: Option<Arc<Attached>>,
    expiry: Duration,
    /// When a session without a connection ends.
    ends: Option<Instant>,
}

/// One topic filter of a session.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) filter: String,
    pub(super) qos: Qos,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

/// A message on its way to one client.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// The packet id under which it was sent before.
    pub(super) resent: Option<u16>,
}

/// A connection's hold on its session; it holds nothing once another connection has taken the session over.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) client: String,
    /// The id of the certificate that the client has shown.
    certificate: String,
    generation: u64,
    /// Something waits for the client.
    pub(super) wake: Notify,
    /// Another connection with the same client id has taken over.
    pub(super) taken_over: Notify,
    /// A fault, or the end of its certificate, breaks the connection off.
    pub(super) cut: Notify,
}

impl Broker {
    /// Attaches a connection to the session of its client id and ends the connection that had it.
    /// Returns whether there was a session to resume.
    pub(super) fn attach(
        &self,
        (client, certificate): (&str, &str),
        clean: bool,
        expiry: Duration,
    ) -> (Arc<Attached>, bool) {
        let mut state = self.lock();
        state.generations += 1;
        let attached = Arc::new(Attached {
            client: client.to_owned(),
            certificate: certificate.to_owned(),
            generation: state.generations,
            wake: Notify::new(),
            taken_over: Notify::new(),
            cut: Notify::new(),
        });
        let mut session = state.sessions.remove(client).unwrap_or_default();
        let present = session.connection.is_some() || session.ends.is_some_and(|ends| Instant::now() < ends);
        if let Some(previous) = session.connection.take() {
            previous.taken_over.notify_one();
        }
        let resumed = present && !clean;
        if resumed {
            session.requeue();
        } else {
            session = Session::default();
        }
        session.connection = Some(Arc::clone(&attached));
        session.expiry = expiry;
        session.ends = None;
        state.sessions.insert(client.to_owned(), session);
        attached.wake.notify_one();
        (attached, resumed)
    }

    /// Ends a connection's hold; the session lives on for its expiry, or for the one that the client's DISCONNECT set.
    pub(super) fn detach(&self, attached: &Attached, expiry: Option<Duration>) {
        let mut state = self.lock();
        let Some(session) = state.held(attached) else { return };
        session.connection = None;
        session.requeue();
        let expiry = expiry.unwrap_or(session.expiry);
        session.ends = Some(Instant::now() + expiry);
        if expiry.is_zero() {
            state.sessions.remove(&attached.client);
        }
    }

    /// Adds or replaces a subscription and queues the retained messages that it matches.
    /// Returns false if the connection has as many subscriptions as it may.
    pub(super) fn subscribe(&self, attached: &Attached, subscription: Subscription) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let matching = |(name, _): &(&String, &Arc<Message>)| topic::matches(&subscription.filter, name);
        let retained: Vec<_> = state.retained.iter().filter(matching).map(|(_, message)| Arc::clone(message)).collect();
        let Some(session) = state.held(attached) else { return true };
        session.subscriptions.retain(|known| known.filter != subscription.filter);
        if session.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return false;
        }
        for message in retained {
            let qos = message.qos.min(subscription.qos);
            session.waiting.push_back(Delivery { message, qos, retain: true, resent: None });
        }
        session.subscriptions.push(subscription);
        attached.wake.notify_one();
        true
    }

    /// Removes a subscription and returns whether there was one.
    pub(super) fn unsubscribe(&self, attached: &Attached, filter: &str) -> bool {
        let mut state = self.lock();
        let Some(session) = state.held(attached) else { return false };
        let before = session.subscriptions.len();
        session.subscriptions.retain(|known| known.filter != filter);
        session.subscriptions.len() < before
    }

    /// Queues a message for every session that subscribes to its topic, once each at the highest QoS that it asked for.
    pub(super) fn route(&self, message: Message, origin: Option<&str>) {
        let message = Arc::new(message);
        let mut guard = self.lock();
        let state = &mut *guard;
        let now = Instant::now();
        state.sessions.retain(|_, session| session.ends.is_none_or(|ends| now < ends));
        for (client, session) in &mut state.sessions {
            let own = origin == Some(client.as_str());
            session.offer(&message, own);
        }
        if message.retain {
            if message.payload.is_empty() {
                state.retained.remove(&message.topic);
            } else {
                state.retained.insert(message.topic.clone(), message);
            }
        }
    }

    /// Takes the next message for a client; one of QoS 1 stays behind unless there is room for it.
    pub(super) fn next(&self, attached: &Attached, room: bool) -> Option<Delivery> {
        let mut state = self.lock();
        let waiting = &mut state.held(attached)?.waiting;
        waiting.pop_front_if(|delivery| room || delivery.qos == Qos::AtMostOnce)
    }

    /// Notes that a message of QoS 1 went out under a packet id.
    pub(super) fn sent(&self, attached: &Attached, id: u16, delivery: Delivery) {
        if let Some(session) = self.lock().held(attached) {
            session.unacknowledged.push((id, delivery));
        }
    }

    /// Notes that the client acknowledged a packet id.
    pub(super) fn acknowledged(&self, attached: &Attached, id: u16) {
        if let Some(session) = self.lock().held(attached) {
            session.unacknowledged.retain(|(sent, _)| *sent != id);
        }
    }

    /// Breaks connections off, by the id of the certificate.
    pub(super) fn cut(&self, whose: impl Fn(&str) -> bool) {
        let state = self.lock();
        let connections = state.sessions.values().filter_map(|session| session.connection.as_ref());
        connections
            .filter(|connection| whose(&connection.certificate))
            .for_each(|connection| connection.cut.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the sessions")
    }
}

impl State {
    fn held(&mut self, attached: &Attached) -> Option<&mut Session> {
        let holds = |session: &&mut Session| {
            session.connection.as_ref().is_some_and(|current| current.generation == attached.generation)
        };
        self.sessions.get_mut(&attached.client).filter(holds)
    }
}

impl Session {
    /// Puts what was sent but not acknowledged back to the front, in its order; QoS 0 does not outlive a connection.
    fn requeue(&mut self) {
        self.waiting.retain(|delivery| delivery.qos != Qos::AtMostOnce);
        for (id, delivery) in self.unacknowledged.drain(..).rev() {
            self.waiting.push_front(Delivery { resent: Some(id), ..delivery });
        }
    }

    fn offer(&mut self, message: &Arc<Message>, own: bool) {
        let matching = |subscription: &&Subscription| {
            topic::matches(&subscription.filter, &message.topic) && !(own && subscription.no_local)
        };
        let Some(best) = self.subscriptions.iter().filter(matching).max_by_key(|found| found.qos) else { return };
        let qos = message.qos.min(best.qos);
        let retain = message.retain && best.retain_as_published;
        if self.waiting.len() >= MAX_WAITING {
            tracing::warn!(topic = message.topic, "dropped a message for a client that takes none");
        } else if self.connection.is_some() || qos == Qos::AtLeastOnce {
            self.waiting.push_back(Delivery { message: Arc::clone(message), qos, retain, resent: None });
        }
        if let Some(connection) = &self.connection {
            connection.wake.notify_one();
        }
    }
}
