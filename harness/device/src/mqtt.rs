//! The MQTT 5 connection to IoT Core.

use crate::{
    config::Config,
    log::{Line, Logs},
};
use rumqttc::{
    NetworkOptions, TlsConfiguration, Transport,
    v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{Filter, Packet, SubscribeReasonCode},
        },
    },
};
use rustls::ClientConfig;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

const LOGGER: &str = "com.aws.greengrass.mqttclient.AwsIotMqtt5Client";
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// Largest packet, in bytes.
const LARGEST: u32 = 128 * 1024 + 4096;
/// How long the session outlives the connection, in seconds.
const SESSION: u32 = 3600;
/// Least time between attempts to connect.
const BACK_OFF: Duration = Duration::from_secs(2);
/// How many requests may wait for the connection.
const QUEUE: usize = 256;

/// What comes from the broker.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A connection stands; subscriptions are to be made.
    Connected,
    /// The broker refused subscriptions.
    SubscriptionRefused,
    /// A message.
    Message { topic: String, payload: Vec<u8> },
}

/// The sending side of the connection.
#[derive(Clone, Debug)]
pub(crate) struct Mqtt {
    client: AsyncClient,
}

/// Connects, and connects again for as long as the receiver lives.
pub(crate) fn connect(
    config: &Config,
    tls: ClientConfig,
    logs: Arc<Logs>,
) -> (Mqtt, mpsc::UnboundedReceiver<Incoming>) {
    let mut options = MqttOptions::new(&config.thing, &config.data_endpoint, config.mqtt_port);
    options
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls))))
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_session_expiry_interval(Some(SESSION))
        .set_receive_maximum(Some(100))
        .set_max_packet_size(Some(LARGEST));
    // Without this, Nagle's algorithm delays every small packet that follows another one by some 40 ms.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, events) = AsyncClient::new(options, QUEUE);
    let (sender, receiver) = mpsc::unbounded_channel();
    let (host, thing) = (config.data_endpoint.clone(), config.thing.clone());
    tokio::spawn(async move { drive(events, sender, &host, &thing, &logs).await });
    (Mqtt { client }, receiver)
}

impl Mqtt {
    /// Subscribes to all topics in one packet, QoS 1.
    pub(crate) async fn subscribe(&self, topics: &[String]) {
        let filters: Vec<Filter> = topics.iter().map(|topic| Filter::new(topic, QoS::AtLeastOnce)).collect();
        if let Err(error) = self.client.subscribe_many(filters).await {
            tracing::error!(%error, "subscribing");
        }
    }

    pub(crate) async fn unsubscribe(&self, topics: &[String]) {
        for topic in topics {
            if let Err(error) = self.client.unsubscribe(topic).await {
                tracing::error!(%error, "unsubscribing");
            }
        }
    }

    /// Publishes a JSON document, or an empty message for null, with QoS 1.
    pub(crate) async fn publish(&self, topic: &str, payload: &Value) {
        let payload = if payload.is_null() { String::new() } else { payload.to_string() };
        if let Err(error) = self.client.publish(topic, QoS::AtLeastOnce, false, payload).await {
            tracing::error!(%error, topic, "publishing");
        }
    }

    /// Says goodbye to the broker.
    pub(crate) fn disconnect(&self) {
        _ = self.client.try_disconnect();
    }
}

async fn drive(mut events: EventLoop, sender: mpsc::UnboundedSender<Incoming>, host: &str, thing: &str, logs: &Logs) {
    loop {
        let incoming = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let line = Line::info(LOGGER).message("Successfully connected to AWS IoT Core");
                logs.nucleus(&line.with("clientId", thing));
                // Later connections take up the session of this one.
                events.options.set_clean_start(false);
                Incoming::Connected
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => Incoming::Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
            },
            Ok(Event::Incoming(Packet::SubAck(answer)))
                if answer.return_codes.iter().any(|code| !matches!(code, SubscribeReasonCode::Success(_))) =>
            {
                let line = Line::error(LOGGER).message("Failed to subscribe to topic").with("clientId", thing);
                logs.nucleus(&line.cause(format!("{:?}", answer.return_codes)));
                Incoming::SubscriptionRefused
            }
            Ok(_) => continue,
            Err(error) => {
                let line = Line::error(LOGGER).message("Failed to connect to AWS IoT Core").with("clientId", thing);
                logs.nucleus(&line.with("host", host).cause(crate::credentials::chain(&error)));
                if tokio::time::timeout(BACK_OFF, sender.closed()).await.is_ok() {
                    return;
                }
                continue;
            }
        };
        if sender.send(incoming).is_err() {
            return;
        }
    }
}
