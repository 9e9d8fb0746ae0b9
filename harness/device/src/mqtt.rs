//! The MQTT 5 connection to IoT Core: kept up, its session taken up again, publishes spooled while it is down.
//!
//! One task drives it. Nobody who publishes waits for the broker; who subscribes does, for as long as an operation may
//! take.

mod driver;
mod reason;
mod spool;

use crate::{
    config::Config,
    log::{Line, Logs},
    tree,
};
use driver::{CLIENT, Driver};
use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    v5::{AsyncClient, MqttOptions},
};
use rustls::ClientConfig;
use serde_json::Value;
use spool::Message;
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// What the protocol library takes at least.
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the nucleus waits for the answer to a ping, unless configured.
const PING: Duration = Duration::from_secs(30);
/// The port on which IoT Core takes MQTT from who says so in the TLS handshake.
const HTTPS: u16 = 443;
/// What says so, with a certificate for authentication.
const MQTT_ON_HTTPS: &[u8] = b"x-amzn-mqtt-ca";
/// Room for a packet's header and topic beside the payload, in bytes.
const OVERHEAD: u32 = 4096;
/// How long the session outlives the connection, in seconds: as long as IoT Core keeps it.
const SESSION: u32 = 604_800;
/// How long an operation may take.
const OPERATION: Duration = Duration::from_secs(30);
/// How long goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How many requests the protocol library may hold; more than are ever under way.
const QUEUE: usize = 256;

/// What comes from the broker.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A connection stands, which isn't the first one.
    Resumed,
    /// The connection is lost.
    Interrupted,
    /// A message.
    Message { topic: String, payload: Vec<u8> },
}

/// Topics that couldn't be subscribed to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsubscribed {
    #[error("the broker refused it: {0}")]
    Refused(String),
    #[error("the connection was lost")]
    Interrupted,
    #[error("there was no answer in time")]
    Timeout,
}

/// The sending side of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Mqtt {
    commands: mpsc::UnboundedSender<Command>,
}

#[derive(Debug)]
enum Command {
    Publish(Message),
    Subscribe(Subscription),
    Unsubscribe(Vec<String>),
    Leave(oneshot::Sender<()>),
}

/// A SUBSCRIBE packet that waits for its answer.
#[derive(Debug)]
struct Subscription {
    topics: Vec<String>,
    packet: Option<u16>,
    /// Nobody waits for a subscription that is made again.
    done: Option<oneshot::Sender<Result<(), Unsubscribed>>>,
}

impl Mqtt {
    /// Subscribes to all topics in one packet, QoS 1, at once; the answer may be waited for.
    ///
    /// # Errors
    /// If the broker refuses one of them or doesn't answer.
    pub(crate) fn subscribe(&self, topics: &[String]) -> impl Future<Output = Result<(), Unsubscribed>> + use<> {
        let (done, answer) = oneshot::channel();
        let subscription = Subscription { topics: topics.into(), packet: None, done: Some(done) };
        self.command(Command::Subscribe(subscription));
        async move {
            match tokio::time::timeout(OPERATION, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Unsubscribed::Interrupted),
                Err(_) => Err(Unsubscribed::Timeout),
            }
        }
    }

    /// Gives subscriptions up, without waiting.
    pub(crate) fn unsubscribe(&self, topics: &[String]) {
        self.command(Command::Unsubscribe(topics.into()));
    }

    /// Publishes a JSON document, or an empty message for null, with QoS 1; now, or once there is a connection.
    pub(crate) fn publish(&self, topic: &str, payload: &Value) {
        let payload = if payload.is_null() { String::new() } else { payload.to_string() };
        self.command(Command::Publish(Message::new(topic, payload)));
    }

    /// Says goodbye to the broker.
    pub(crate) async fn disconnect(&self) {
        let (left, gone) = oneshot::channel();
        self.command(Command::Leave(left));
        // A broker that doesn't listen any more isn't waited for.
        _ = tokio::time::timeout(GOODBYE, gone).await;
    }

    fn command(&self, command: Command) {
        // The driver ends only with the core.
        _ = self.commands.send(command);
    }
}

/// Connects, and connects again for as long as the receiver lives.
pub(crate) fn connect(
    config: &Config,
    mut tls: ClientConfig,
    logs: Arc<Logs>,
) -> (Mqtt, mpsc::UnboundedReceiver<Incoming>) {
    let limits = Limits::of(&config.nucleus());
    if config.mqtt_port == HTTPS {
        tls.alpn_protocols = vec![MQTT_ON_HTTPS.to_vec()];
    }
    let mut options = MqttOptions::new(&config.thing, &config.data_endpoint, config.mqtt_port);
    options
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls))))
        .set_keep_alive(limits.keep_alive.max(LEAST_KEEP_ALIVE))
        .set_clean_start(true)
        .set_session_expiry_interval(Some(SESSION))
        .set_receive_maximum(Some(100))
        // Its table of messages on their way is made for this many at once: 13 MB for the 65,535 that MQTT allows.
        .set_outgoing_inflight_upper_limit(u16::try_from(limits.in_flight).unwrap_or(u16::MAX).max(100))
        .set_max_packet_size(Some(u32::try_from(limits.message).unwrap_or(u32::MAX).saturating_add(OVERHEAD)));
    // Without this, Nagle's algorithm delays every small packet that follows another one by some 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, events) = AsyncClient::new(options, QUEUE);
    let (sender, receiver) = mpsc::unbounded_channel();
    let (commands, requests) = mpsc::unbounded_channel();
    let channels = driver::Channels { commands: requests, again: commands.clone(), incoming: sender };
    if limits.connects() {
        let driver = Driver::new(client, channels, limits, config, logs);
        tokio::spawn(driver.run(events));
    } else {
        // The nucleus's builder of connections throws before each attempt.
        let text = "keepAliveTimeoutMs must be greater than pingTimeoutMs";
        logs.nucleus(&Line::error(CLIENT).message(text));
        tokio::spawn(async move {
            let _never_served = channels;
            std::future::pending::<()>().await;
        });
    }
    (Mqtt { commands }, receiver)
}

/// What the nucleus's configuration says under `mqtt`.
#[derive(Clone, Debug)]
struct Limits {
    /// How often a silent connection is proven; longer than `ping`, or there is none.
    keep_alive: Duration,
    ping: Duration,
    /// Messages on their way at once.
    in_flight: usize,
    /// Bytes of one message.
    message: usize,
    /// How often a message is tried again.
    retries: u32,
    /// Bytes of all messages that wait.
    room: usize,
}

impl Limits {
    fn of(nucleus: &Value) -> Self {
        let mqtt = tree::get(nucleus, "mqtt");
        let number = |of: Option<&Value>, key: &str| of.and_then(|of| tree::text(of, key))?.parse::<u64>().ok();
        let size = |key: &str, default| number(mqtt, key).and_then(|n| usize::try_from(n).ok()).unwrap_or(default);
        let spooler = mqtt.and_then(|mqtt| tree::get(mqtt, "spooler"));
        let room = number(spooler, "maxSizeInBytes").and_then(|room| usize::try_from(room).ok());
        Self {
            keep_alive: number(mqtt, "keepAliveTimeoutMs").map_or(KEEP_ALIVE, Duration::from_millis),
            ping: number(mqtt, "pingTimeoutMs").map_or(PING, Duration::from_millis),
            in_flight: size("maxInFlightPublishes", 5),
            message: size("maxMessageSizeInBytes", 128 * 1024),
            retries: number(mqtt, "maxPublishRetry").and_then(|n| u32::try_from(n).ok()).unwrap_or(100),
            room: room.unwrap_or(2_621_440),
        }
    }

    /// Whether the nucleus makes a connection with them.
    fn connects(&self) -> bool {
        self.keep_alive > self.ping
    }
}

/// What would go to the broker.
#[cfg(test)]
pub(crate) struct Outbox(mpsc::UnboundedReceiver<Command>);

#[cfg(test)]
impl Mqtt {
    /// A connection whose messages end in the outbox.
    pub(crate) fn nowhere() -> (Self, Outbox) {
        let (commands, requests) = mpsc::unbounded_channel();
        (Self { commands }, Outbox(requests))
    }
}

#[cfg(test)]
impl Outbox {
    /// The messages since the last look: topic and document.
    pub(crate) fn published(&mut self) -> Vec<(String, Value)> {
        let commands = std::iter::from_fn(|| self.0.try_recv().ok());
        let message = |command| match command {
            Command::Publish(message) => {
                Some((message.topic, serde_json::from_slice(&message.payload).unwrap_or(Value::Null)))
            }
            _ => None,
        };
        commands.filter_map(message).collect()
    }

    /// The next message, once it is there.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(Command::Publish(message)) = self.0.recv().await {
                return (message.topic, serde_json::from_slice(&message.payload).unwrap_or(Value::Null));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_connection_is_proven_less_often_than_its_proof_may_take() {
        fidelity::fidelity!("core-mqtt-3");
        let connects = |mqtt: Value| Limits::of(&json!({"mqtt": mqtt})).connects();
        assert!(connects(json!({})) && connects(json!({"keepAliveTimeoutMs": 30_001})));
        assert!(!connects(json!({"keepAliveTimeoutMs": 30_000})) && !connects(json!({"pingTimeoutMs": "60000"})));
        assert!(connects(json!({"keepAliveTimeoutMs": 3_000, "pingTimeoutMs": 1_000})));
    }
}
