//! The task that owns the connection.

use super::{
    Command, Incoming, Limits, Subscription, Unsubscribed,
    reason::{acknowledged, number, screaming},
    spool::{Message, Spool},
};
use crate::{
    clock::Clock,
    config::Config,
    credentials::chain,
    log::{Line, Logs},
};
use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, StateError,
        mqttbytes::{
            QoS,
            v5::{Filter, Packet, PubAck, PubAckReason, SubAck, SubscribeReasonCode},
        },
    },
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

const LOGGER: &str = "com.aws.greengrass.mqttclient.AwsIotMqtt5Client";
pub(super) const CLIENT: &str = "com.aws.greengrass.mqttclient.MqttClient";
const SPOOL: &str = "com.aws.greengrass.mqttclient.spool.Spool";
/// Least time between attempts to connect, and what the nucleus's own limit comes to.
const BACK_OFF: Duration = Duration::from_secs(2);
const REAL_BACK_OFF: Duration = Duration::from_secs(11);
/// After what time a refused subscription is made again.
const RESUBSCRIBE: Duration = Duration::from_mins(2);

/// Where requests come from and messages go.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// For commands of the driver to itself.
    pub(super) again: mpsc::UnboundedSender<Command>,
    pub(super) incoming: mpsc::UnboundedSender<Incoming>,
}

/// The connection and all that goes over it.
#[derive(Debug)]
pub(super) struct Driver {
    client: AsyncClient,
    channels: Channels,
    spool: Spool,
    limits: Limits,
    subscribing: Vec<Subscription>,
    subscribed: Vec<String>,
    connected: bool,
    /// Whether the broker has been reached before.
    known: bool,
    leaving: Option<oneshot::Sender<()>>,
    thing: String,
    clock: Clock,
    logs: Arc<Logs>,
}

impl Driver {
    pub(super) fn new(
        client: AsyncClient,
        channels: Channels,
        limits: Limits,
        config: &Config,
        logs: Arc<Logs>,
    ) -> Self {
        Self {
            client,
            channels,
            spool: Spool::new(limits.room, limits.in_flight),
            limits,
            subscribing: Vec::new(),
            subscribed: Vec::new(),
            connected: false,
            known: false,
            leaving: None,
            thing: config.thing.clone(),
            clock: config.clock,
            logs,
        }
    }

    /// Keeps the connection up until the core goes.
    pub(super) async fn run(mut self, mut events: EventLoop) {
        let line = Line::info(SPOOL).message("Spooler has been configured").with("storageType", "Memory");
        let line = line.with("maxSizeInBytes", self.limits.room.to_string()).with("keepQos0WhenOffline", "false");
        self.logs.nucleus(&line);
        self.logs.nucleus(&Line::info(SPOOL).message("Memory Spooler has been set up"));
        while !self.channels.incoming.is_closed() {
            let event = if self.connected {
                tokio::select! {
                    biased;
                    Some(command) = self.channels.commands.recv() => {
                        self.obey(command);
                        continue;
                    }
                    event = events.poll() => event,
                }
            } else {
                // Dropping a half-made connection for a command would put it off without end.
                events.poll().await
            };
            match event {
                Ok(event) => self.happened(event, &mut events),
                Err(_) if self.leaving.is_some() => {
                    self.log(Line::info(LOGGER).message("Connection purposefully interrupted"));
                    break;
                }
                Err(error) => {
                    self.lost(&error, &mut events);
                    if !self.pause().await {
                        break;
                    }
                }
            }
        }
        if let Some(left) = self.leaving.take() {
            _ = left.send(());
        }
    }

    /// Waits before the next attempt to connect, while commands are taken; false if the core goes.
    async fn pause(&mut self) -> bool {
        let incoming = self.channels.incoming.clone();
        let clock = self.clock;
        let back_off = if clock.is_real() { REAL_BACK_OFF } else { BACK_OFF };
        let pause = clock.timeout(back_off, async move { incoming.closed().await });
        tokio::pin!(pause);
        loop {
            tokio::select! {
                pause = &mut pause => return pause.is_err(),
                Some(command) = self.channels.commands.recv() => self.obey(command),
            }
            if self.leaving.is_some() {
                return false;
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(message) => self.publish(message),
            Command::Subscribe(subscription) => self.subscribe(subscription),
            Command::Unsubscribe(topics) => {
                self.subscribed.retain(|topic| !topics.contains(topic));
                for topic in topics.into_iter().filter(|_| self.connected) {
                    sent(self.client.try_unsubscribe(topic));
                }
            }
            Command::Leave(left) => {
                self.leaving = Some(left);
                sent(self.client.try_disconnect());
            }
        }
    }

    fn publish(&mut self, message: Message) {
        if message.payload.len() > self.limits.message {
            let text = format!(
                "Invalid publish request: The publishing message size {} bytes exceeds the configured limit of {} \
                 bytes",
                message.payload.len(),
                self.limits.message
            );
            return self.logs.nucleus(&Line::error(CLIENT).message(text).with("topic", message.topic));
        }
        let topic = message.topic.clone();
        if !self.spool.add(message) {
            let line = Line::warn(CLIENT).message("Fail to add publish request to spooler queue");
            let line = line.with("topic", topic);
            return self.logs.nucleus(&line.cause("Message spool is full. Message could not be added.".to_owned()));
        }
        self.pump();
    }

    /// Sends what may be sent.
    fn pump(&mut self) {
        while self.connected {
            let Some(message) = self.spool.send() else { return };
            sent(self.client.try_publish(message.topic, QoS::AtLeastOnce, false, message.payload));
        }
    }

    fn subscribe(&mut self, subscription: Subscription) {
        if self.connected {
            let filters = subscription.topics.iter().map(|topic| Filter::new(topic, QoS::AtLeastOnce));
            sent(self.client.try_subscribe_many(filters));
        }
        self.subscribing.push(subscription);
    }

    fn happened(&mut self, event: Event, events: &mut EventLoop) {
        match event {
            Event::Incoming(Packet::ConnAck(answer)) => {
                // Later connections take up the session of this one.
                events.options.set_clean_start(false);
                self.established(answer.session_present);
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                self.tell(Incoming::Message { topic, payload: publish.payload.to_vec() });
            }
            Event::Incoming(Packet::SubAck(answer)) => self.subscription(&answer),
            Event::Incoming(Packet::PubAck(answer)) => self.published(&answer),
            Event::Outgoing(Outgoing::Publish(packet)) => self.spool.sent(packet),
            Event::Outgoing(Outgoing::Subscribe(packet)) => {
                let waiting = self.subscribing.iter_mut().find(|subscription| subscription.packet.is_none());
                if let Some(subscription) = waiting {
                    subscription.packet = Some(packet);
                }
            }
            _ => {}
        }
    }

    fn established(&mut self, session: bool) {
        self.connected = true;
        let resumed = std::mem::replace(&mut self.known, true);
        let text = if resumed { "Connection resumed" } else { "Successfully connected to AWS IoT Core" };
        self.log(Line::info(LOGGER).message(text).with("sessionPresent", session.to_string()));
        if !session && !self.subscribed.is_empty() {
            let topics = std::mem::take(&mut self.subscribed);
            self.subscribing.insert(0, Subscription { topics, packet: None, done: None });
        }
        for subscription in std::mem::take(&mut self.subscribing) {
            // Who gave up waiting subscribes again in time.
            if subscription.done.as_ref().is_none_or(|done| !done.is_closed()) {
                self.subscribe(subscription);
            }
        }
        self.pump();
        if resumed {
            self.tell(Incoming::Resumed);
        }
    }

    fn subscription(&mut self, answer: &SubAck) {
        let place = self.subscribing.iter().position(|subscription| subscription.packet == Some(answer.pkid));
        let Some(place) = place else { return };
        let Subscription { topics, done, .. } = self.subscribing.remove(place);
        let mut refused = Vec::new();
        for (topic, code) in topics.into_iter().zip(&answer.return_codes) {
            if matches!(code, SubscribeReasonCode::Success(_)) {
                self.subscribed.push(topic);
                continue;
            }
            let line = Line::error(LOGGER).message("Error subscribing to topic").with("topic", &topic);
            self.log(line.with("reasonCode", number(*code).to_string()));
            refused.push((topic, screaming(code)));
        }
        let Some(done) = done else { return self.subscribe_later(refused) };
        let answer = refused.pop().map_or(Ok(()), |(_, code)| Err(Unsubscribed::Refused(code)));
        // Who gave up waiting subscribes again in time.
        _ = done.send(answer);
    }

    /// Makes subscriptions of an earlier session again that the broker refuses now.
    fn subscribe_later(&self, refused: Vec<(String, String)>) {
        if refused.is_empty() {
            return;
        }
        for (topic, _) in &refused {
            let line =
                Line::error(LOGGER).event("resubscribe").message("Failed to subscribe to topic. Will retry later");
            self.log(line.with("topic", topic));
        }
        let topics = refused.into_iter().map(|(topic, _)| topic).collect();
        let (again, clock) = (self.channels.again.clone(), self.clock);
        tokio::spawn(async move {
            clock.sleep(RESUBSCRIBE).await;
            // The driver ends only with the core.
            _ = again.send(Command::Subscribe(Subscription { topics, packet: None, done: None }));
        });
    }

    fn published(&mut self, answer: &PubAck) {
        if let Some(message) = self.spool.answered(answer.pkid)
            && !matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
        {
            self.refused(message, answer);
        }
        self.pump();
    }

    /// Tries a message again that the broker didn't take, or drops it.
    fn refused(&mut self, message: Message, answer: &PubAck) {
        use PubAckReason::{NotAuthorized, PayloadFormatInvalid, TopicNameInvalid};
        let reason = answer.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
        let about = |line: Line| {
            let line = line.with("reasonCode", acknowledged(answer.reason).to_string());
            line.with("reason", reason.unwrap_or("null"))
        };
        let lasting = matches!(answer.reason, TopicNameInvalid | PayloadFormatInvalid | NotAuthorized);
        if lasting {
            let text = "Publishing message got a non-retryable reason code, not retrying";
            self.logs.nucleus(&about(Line::info(CLIENT).message(text).with("topic", &message.topic)));
        }
        if message.retries >= self.limits.retries {
            let text = format!(
                "Failed to publish the message via Spooler after retried {} times and will drop the message",
                self.limits.retries
            );
            return self.logs.nucleus(&about(Line::error(CLIENT).message(text)));
        }
        // The real one says so even of a message that it has just given up.
        let text = "Failed to publish the message via Spooler and will retry";
        self.logs.nucleus(&about(Line::error(CLIENT).message(text)));
        if !lasting {
            self.spool.again(message);
        }
    }

    fn lost(&mut self, error: &ConnectionError, events: &mut EventLoop) {
        let mut line = Line::error(LOGGER).message("Failed to connect to AWS IoT Core");
        if self.connected {
            line = Line::warn(LOGGER).message("Connection interrupted");
        }
        line = line.with("error", chain(error));
        match error {
            ConnectionError::ConnectionRefused(code) => {
                line = line.with("reasonCode", screaming(code)).with("reason", "null");
            }
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
                let reason = reason_string.as_deref().unwrap_or("null");
                line = line.with("reasonCode", screaming(reason_code)).with("reason", reason);
            }
            _ => {}
        }
        self.log(line);
        // What waits is known here, in its order; the library would send it again by itself.
        events.pending.clear();
        self.spool.interrupted();
        for subscription in std::mem::take(&mut self.subscribing) {
            match (&subscription.done, subscription.packet) {
                (None, _) => self.subscribed.extend(subscription.topics),
                (Some(_), None) => self.subscribing.push(subscription),
                // Its answer is lost; dropping it tells who waits.
                (Some(_), Some(_)) => {}
            }
        }
        if std::mem::replace(&mut self.connected, false) {
            self.tell(Incoming::Interrupted);
        }
    }

    fn tell(&self, incoming: Incoming) {
        // Without a receiver the loop ends.
        _ = self.channels.incoming.send(incoming);
    }

    fn log(&self, line: Line) {
        self.logs.nucleus(&line.with("clientId", &self.thing));
    }
}

/// A request that the protocol library can't take has nowhere else to go.
fn sent<E: std::error::Error>(result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(%error, "giving a request to the MQTT connection");
    }
}
