//! One MQTT connection: bytes in and out, and a decision for every CONNECT, PUBLISH, SUBSCRIBE and delivery.
//!
//! `mqtt-protocol-core` knows the protocol and does no I/O; this module feeds it, obeys it and decides.

use super::{
    Iot,
    broker::{Attached, Subscription},
    packet::{self, Connect, Inbound, Message, Refused},
    registry::{Client, Holder},
    topic,
};
use crate::event::{What, emit};
use mqtt_protocol_core::mqtt::{
    Connection, Version,
    common::Cursor,
    connection::{ConnectionOptions, Event, TimerKind},
    packet::{GenericPacketTrait, Packet, Qos, SubEntry},
    result_code::{DisconnectReasonCode, PubackReasonCode, SubackReasonCode},
    role::Server,
};
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};

/// The longest packet in bytes, as the service's CONNACK announces.
const MAX_PACKET: u32 = 149_504;

/// The longest payload in bytes.
const MAX_PAYLOAD: usize = 128 * 1024;

/// Unacknowledged QoS 1 messages in each direction.
const RECEIVE_MAXIMUM: u16 = 100;

/// Topic filters in one SUBSCRIBE.
const MAX_FILTERS: usize = 8;

/// The longest client id in bytes.
const MAX_CLIENT_ID: usize = 128;

/// Why a connection ends.
#[derive(Debug)]
struct Ended {
    reason: String,
    /// The client said goodbye, so its will is not published.
    clean: bool,
    expiry: Option<Duration>,
}

impl Ended {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), clean: false, expiry: None }
    }
}

/// Serves a client until either side ends the connection.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    iot: &Iot,
    stream: S,
    (domain, holder): (String, Holder),
    patience: Duration,
) {
    let options = ConnectionOptions::new().maximum_packet_size_recv(MAX_PACKET).receive_maximum(RECEIVE_MAXIMUM);
    let mut mqtt = Connection::with_options(Version::Undetermined, options);
    mqtt.set_auto_ping_response(true);
    let deadline = Some(Instant::now() + patience);
    let (out, session, in_flight, ended) = (Vec::new(), None, 0, None);
    let mut link = Link { iot, stream, domain, holder, mqtt, out, patience, deadline, session, in_flight, ended };
    let ended = link.run().await;
    let Some(Held { attached, connect }) = link.session.take() else {
        emit(What::MqttClosed { client: String::new(), reason: ended.reason });
        return;
    };
    iot.broker.detach(&attached, ended.expiry);
    if let Some(will) = connect.will.filter(|_| !ended.clean)
        && link.may_publish(&connect.client, &will)
    {
        iot.publish(&connect.client, will);
    }
    emit(What::MqttClosed { client: connect.client, reason: ended.reason });
}

struct Link<'a, S> {
    iot: &'a Iot,
    stream: S,
    /// The server name of its TLS handshake.
    domain: String,
    holder: Holder,
    mqtt: Connection<Server>,
    /// Bytes that are not yet written.
    out: Vec<u8>,
    /// How long the client may take to send its CONNECT, and to take what it is sent.
    patience: Duration,
    /// Until when the client has to send its CONNECT, or anything within one and a half times its keep-alive interval.
    deadline: Option<Instant>,
    session: Option<Held>,
    in_flight: u16,
    ended: Option<Ended>,
}

struct Held {
    attached: Arc<Attached>,
    connect: Connect,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<'_, S> {
    async fn run(&mut self) -> Ended {
        let mut buffer = Vec::with_capacity(16 * 1024);
        loop {
            if self.ended.is_none() {
                self.deliver();
            }
            let out = std::mem::take(&mut self.out);
            let writing = async { self.stream.write_all(&out).await.is_ok() & self.stream.flush().await.is_ok() };
            match timeout(self.patience, writing).await {
                Ok(true) => {}
                Ok(false) => return self.ended.take().unwrap_or_else(|| Ended::because("connection lost")),
                Err(_) => return Ended::because("the client does not take what it is sent"),
            }
            if let Some(ended) = self.ended.take() {
                _ = self.stream.shutdown().await;
                return ended;
            }
            buffer.clear();
            let attached = self.session.as_ref().map(|held| Arc::clone(&held.attached));
            tokio::select! {
                read = self.stream.read_buf(&mut buffer) => match read {
                    Ok(0) | Err(_) => return Ended::because("connection lost"),
                    Ok(_) => self.received(&buffer),
                },
                () = woken(attached.as_deref()) => {}
                () = taken_over(attached.as_deref()) => {
                    self.close(DisconnectReasonCode::SessionTakenOver, "session taken over by a newer connection");
                }
                () = cut(attached.as_deref()) => return Ended::because(self.cut_off()),
                () = passed(self.deadline) => self.silent(),
            }
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        let mut cursor = Cursor::new(bytes);
        while self.ended.is_none() && !cursor.remaining_slice().is_empty() {
            let events = self.mqtt.recv(&mut cursor);
            self.obey(events);
        }
    }

    fn silent(&mut self) {
        self.deadline = None;
        if self.session.is_none() {
            self.ended = Some(Ended::because("no CONNECT in time"));
            return;
        }
        let events = self.mqtt.notify_timer_fired(TimerKind::PingreqRecv);
        self.obey(events);
        self.ended = Some(Ended::because("keep-alive timeout"));
    }

    /// Does what the protocol library asks for, in its order.
    fn obey(&mut self, events: Vec<Event>) {
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            match event {
                Event::RequestSendPacket { packet, .. } => self.out.extend(packet.to_continuous_buffer()),
                Event::NotifyPacketReceived(packet) => self.handle(packet::read(packet)),
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.deadline = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Event::RequestTimerCancel(TimerKind::PingreqRecv) => self.deadline = None,
                Event::NotifyError(error) => {
                    self.ended = Some(Ended::because(format!("protocol error: {error}")));
                }
                Event::RequestClose => _ = self.ended.get_or_insert_with(|| Ended::because("protocol error")),
                Event::NotifyPacketIdReleased(_) | Event::RequestTimerReset { .. } | Event::RequestTimerCancel(_) => {}
            }
        }
    }

    fn send(&mut self, packet: Packet) {
        let events = self.mqtt.send(packet);
        self.obey(events);
    }

    /// Ends the connection, with a DISCONNECT where the version has one.
    fn close(&mut self, code: DisconnectReasonCode, reason: impl Into<String>) {
        if let Some(packet) = packet::disconnect(self.mqtt.get_protocol_version(), code) {
            self.send(packet);
        }
        self.ended = Some(Ended::because(reason));
    }

    fn handle(&mut self, inbound: Inbound) {
        match (inbound, &self.session) {
            (Inbound::Connect(connect), None) => self.connect(connect),
            (_, None) => self.ended = Some(Ended::because("the first packet is no CONNECT")),
            (Inbound::Publish { id, message }, _) => self.publish(id, message),
            (Inbound::Puback(id), Some(held)) => {
                self.iot.broker.acknowledged(&held.attached, id);
                self.in_flight = self.in_flight.saturating_sub(1);
            }
            (Inbound::Subscribe { id, entries }, _) => self.subscribe(id, &entries),
            (Inbound::Unsubscribe { id, filters }, Some(held)) => {
                let broker = &self.iot.broker;
                let existed: Vec<_> = filters.iter().map(|filter| broker.unsubscribe(&held.attached, filter)).collect();
                self.send(packet::unsuback(self.mqtt.get_protocol_version(), id, &existed));
            }
            (Inbound::Disconnect { with_will, expiry }, _) => {
                let reason = "disconnected by the client".to_owned();
                self.ended = Some(Ended { reason, clean: !with_will, expiry });
            }
            (Inbound::Connect(_) | Inbound::Other, _) => {}
        }
    }

    fn connect(&mut self, connect: Connect) {
        let Connect { version, ref client, .. } = connect;
        if client.is_empty() || client.len() > MAX_CLIENT_ID {
            self.send(packet::refused(version, Refused::BadId));
            self.ended = Some(Ended::because("the client id is empty or too long"));
            return;
        }
        if self.iot.faults.refuses() {
            self.send(packet::refused(version, Refused::Unavailable));
            self.ended = Some(Ended::because("refused by a fault"));
            return;
        }
        if !self.admits(&connect) {
            self.send(packet::refused(version, Refused::NotAuthorized));
            self.ended = Some(Ended::because(format!("client `{client}` is not authorised to connect")));
            return;
        }
        if connect.keep_alive == 0 {
            // Nothing but the protocol's own timer ends a connection from now on.
            self.deadline = None;
        }
        let (attached, present) = self.iot.broker.attach((client, self.holder.id()), connect.clean, connect.expiry);
        self.send(packet::accepted(&connect, present));
        self.session = Some(Held { attached, connect });
    }

    fn publish(&mut self, id: Option<u16>, message: Message) {
        let Some(client) = self.client() else { return };
        let topic = message.topic.clone();
        if message.qos == Qos::ExactlyOnce {
            return self.close(DisconnectReasonCode::QosNotSupported, "QoS 2 is not supported");
        }
        if !topic::valid_topic(&topic) {
            return self.close(DisconnectReasonCode::TopicNameInvalid, format!("`{topic}` is no valid topic"));
        }
        if message.payload.len() > MAX_PAYLOAD {
            return self.close(DisconnectReasonCode::PacketTooLarge, "the payload is longer than 128 KiB");
        }
        let allowed = self.may_publish(&client, &message);
        let reason = if allowed { PubackReasonCode::Success } else { PubackReasonCode::NotAuthorized };
        let acknowledgement = id.map(|id| packet::puback(self.mqtt.get_protocol_version(), id, reason));
        match (allowed, acknowledgement) {
            (_, Some(Some(packet))) => self.send(packet),
            (true, _) => {}
            // Where no acknowledgement can carry the refusal, AWS IoT Core ends the connection.
            (false, _) => {
                let reason = format!("publishing to `{topic}` is not authorised");
                return self.close(DisconnectReasonCode::NotAuthorized, reason);
            }
        }
        if allowed {
            self.iot.publish(&client, message);
        }
    }

    fn subscribe(&mut self, id: u16, entries: &[SubEntry]) {
        let Some(client) = self.client() else { return };
        if entries.len() > MAX_FILTERS {
            return self.close(DisconnectReasonCode::QuotaExceeded, "more than 8 filters in a SUBSCRIBE");
        }
        if entries.iter().any(|entry| entry.sub_opts().qos() == Qos::ExactlyOnce) {
            return self.close(DisconnectReasonCode::QosNotSupported, "QoS 2 is not supported");
        }
        let codes = entries.iter().map(|entry| self.grant(&client, entry)).collect();
        self.send(packet::suback(self.mqtt.get_protocol_version(), id, codes));
    }

    fn grant(&self, client: &str, entry: &SubEntry) -> SubackReasonCode {
        let (filter, options) = (entry.topic_filter(), entry.sub_opts());
        let Some(held) = &self.session else { return SubackReasonCode::UnspecifiedError };
        if !topic::valid_filter(filter) {
            return SubackReasonCode::TopicFilterInvalid;
        }
        if !self.decide(client, "iot:Subscribe", "topicfilter", filter) {
            return SubackReasonCode::NotAuthorized;
        }
        let subscription = Subscription {
            filter: filter.to_owned(),
            qos: options.qos(),
            no_local: options.nl(),
            retain_as_published: options.rap(),
        };
        if !self.iot.broker.subscribe(&held.attached, subscription) {
            return SubackReasonCode::QuotaExceeded;
        }
        if options.qos() == Qos::AtMostOnce { SubackReasonCode::GrantedQos0 } else { SubackReasonCode::GrantedQos1 }
    }

    /// Sends what waits for the client, as far as it has room for it.
    fn deliver(&mut self) {
        let Some(held) = &self.session else { return };
        let (attached, client) = (Arc::clone(&held.attached), held.connect.client.clone());
        let max_packet = held.connect.max_packet;
        let version = self.mqtt.get_protocol_version();
        while let Some(delivery) = self.iot.broker.next(&attached, self.room()) {
            if !self.decide(&client, "iot:Receive", "topic", &delivery.message.topic) {
                continue;
            }
            let id = match delivery.qos {
                Qos::AtMostOnce => None,
                _ => match self.packet_id(delivery.resent) {
                    Some(id) => Some(id),
                    None => continue,
                },
            };
            let Message { topic, .. } = &*delivery.message;
            let again = delivery.resent.is_some();
            let packet = packet::publish(version, &delivery.message, delivery.retain, id, again);
            match packet {
                Some(packet) if packet.size() <= max_packet => {
                    if let Some(id) = id {
                        self.in_flight += 1;
                        self.iot.broker.sent(&attached, id, delivery);
                    }
                    self.send(packet);
                }
                other => {
                    let bytes = other.map_or(delivery.message.payload.len(), |packet| packet.size());
                    let (client, topic) = (client.clone(), topic.clone());
                    emit(What::Oversize { client, topic, bytes, limit: max_packet });
                    if let Some(id) = id {
                        self.mqtt.release_packet_id(id);
                    }
                }
            }
        }
    }

    /// Whether another QoS 1 message may go out before one is acknowledged.
    fn room(&self) -> bool {
        self.in_flight < RECEIVE_MAXIMUM && self.mqtt.get_receive_maximum_vacancy_for_send().is_none_or(|left| left > 0)
    }

    /// The packet id of a message that is sent again, else a fresh one.
    fn packet_id(&mut self, previous: Option<u16>) -> Option<u16> {
        if let Some(id) = previous
            && self.mqtt.register_packet_id(id).is_ok()
        {
            return Some(id);
        }
        self.mqtt.acquire_packet_id().ok()
    }

    /// Why the connection was cut.
    fn cut_off(&self) -> &'static str {
        let counts = self.iot.registry.counts(self.holder.id());
        if counts { "cut by a fault" } else { "the certificate is no longer active" }
    }

    /// Whether the client may connect as it wants to. A Will is decided as the message that it is to become, here and
    /// again when it is published: AWS's documentation does not say when the service asks.
    fn admits(&self, connect: &Connect) -> bool {
        let Connect { client, will, .. } = connect;
        let mut keys: Vec<(&str, Value)> = Vec::new();
        let attributes = connect.attributes();
        if !attributes.is_empty() {
            keys.push(("iot:ConnectAttributes", attributes.into()));
        }
        if let Some(will) = will {
            keys.push(("iot:LastWillTopic", self.iot.registry.arn("topic", &will.topic).into()));
        }
        self.iot.decide(self.client_of(client), "iot:Connect", ("client", client), keys)
            && will.as_ref().is_none_or(|will| self.may_publish(client, will))
    }

    /// Whether the client may publish a message, and have it retained where it wants that.
    fn may_publish(&self, client: &str, message: &Message) -> bool {
        self.decide(client, "iot:Publish", "topic", &message.topic)
            && (!message.retain || self.decide(client, "iot:RetainPublish", "topic", &message.topic))
    }

    fn decide(&self, client: &str, action: &str, kind: &str, name: &str) -> bool {
        self.iot.decide(self.client_of(client), action, (kind, name), Vec::new())
    }

    /// The client of this id as policies see it.
    fn client_of<'a>(&'a self, id: &'a str) -> Client<'a> {
        Client { holder: &self.holder, id, domain: &self.domain }
    }

    fn client(&self) -> Option<String> {
        self.session.as_ref().map(|held| held.connect.client.clone())
    }
}

async fn woken(attached: Option<&Attached>) {
    match attached {
        Some(attached) => attached.wake.notified().await,
        None => std::future::pending().await,
    }
}

async fn taken_over(attached: Option<&Attached>) {
    match attached {
        Some(attached) => attached.taken_over.notified().await,
        None => std::future::pending().await,
    }
}

async fn cut(attached: Option<&Attached>) {
    match attached {
        Some(attached) => attached.cut.notified().await,
        None => std::future::pending().await,
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
