//! AWS IoT Core and the Greengrass data plane, as devices see them.
//!
//! MQTT with jobs, shadows and fleet status ([`Iot::serve_mqtt_within`]), and the HTTPS operations of the Greengrass data plane
//! ([`Iot::data_plane`]). Both know a device by its certificate and ask the IoT policies attached to it ([`registry`]); TLS, the
//! credentials provider and SigV4 are elsewhere.

mod api;
mod broker;
pub(super) mod component;
mod connection;
mod data_plane;
mod deployments;
mod jobs;
mod packet;
mod registry;
mod requirement;
mod reserved;
mod rollout;
mod shadow;
#[cfg(test)]
pub(super) mod tests;
mod thing_deployments;
mod topic;
pub(super) mod view;

pub(super) use registry::{Registry, Stranger};

use super::{limits::Limits, sessions::Sessions};
use crate::{
    clock,
    control::{Answer, Control},
    event::{What, emit},
    fault::{Fault, Kind, Special},
    faults::Faults,
    world::World,
};
use ::time::OffsetDateTime;
use broker::Broker;
use bytes::Bytes;
use component::Components;
use http_body_util::Full;
use hyper::body::Incoming;
use mqtt_protocol_core::mqtt::packet::Qos;
use packet::Message;
use registry::Client;
use reserved::{Reply, Reserved};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::timeout,
};

/// AWS IoT Core and the Greengrass data plane of one environment.
#[derive(Debug)]
pub(crate) struct Iot {
    world: Arc<World>,
    sessions: Arc<Sessions>,
    faults: Arc<Faults>,
    registry: Arc<Registry>,
    broker: Broker,
    /// Held until what a service says is on its way, so that nobody sees its messages in another order.
    reserved: Mutex<Reserved>,
    /// Tells that something was said, after which jobs may go on.
    said: Notify,
    components: Arc<Components>,
}

impl Iot {
    /// Reads what the world holds for devices and creates its deployments.
    ///
    /// # Errors
    /// If a recipe can't be read, or a deployment not be created; the text names which one and why.
    pub(super) fn new(
        world: Arc<World>,
        registry: Arc<Registry>,
        sessions: Arc<Sessions>,
        faults: Arc<Faults>,
    ) -> Result<Arc<Self>, String> {
        let iot = Self {
            broker: Broker::default(),
            reserved: Mutex::new(Reserved::new(&world, &registry)?),
            said: Notify::new(),
            components: Arc::new(Components::of(&world)?),
            world,
            sessions,
            faults,
            registry,
        };
        Ok(Arc::new(iot))
    }

    /// Speaks MQTT with a client over a connection whose TLS is already done, until either side ends it.
    /// `domain` is the server name that the client asked for, `certificate` what it showed, DER; without a registered
    /// active one the connection is closed at once.
    ///
    /// The client may let it wait for so long: for its CONNECT, and for taking what it is sent.
    pub(crate) async fn serve_mqtt_within<S>(
        self: Arc<Self>,
        patience: Duration,
        stream: S,
        domain: String,
        certificate: Option<Vec<u8>>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let reason = match self.registry.holder(certificate.as_deref()) {
            Ok(holder) => return connection::serve(&self, stream, (domain, holder), patience).await,
            Err(Stranger::Unknown) => "the certificate is missing or not registered",
            Err(Stranger::Inactive) => "the certificate is not active",
        };
        emit(What::MqttClosed { client: String::new(), reason: reason.to_owned() });
    }

    /// Answers a request to the Greengrass data plane.
    /// `certificate` is what the client showed, DER.
    pub(crate) async fn data_plane<B>(
        self: Arc<Self>,
        request: hyper::Request<B>,
        certificate: Option<Vec<u8>>,
    ) -> hyper::Response<Full<Bytes>>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Error + Send + Sync + 'static,
    {
        let holder = self.registry.holder(certificate.as_deref()).ok();
        data_plane::answer(&self, request, holder).await
    }

    /// Answers a request to the data plane as it comes in, within limits.
    pub(super) async fn data_plane_within(
        self: Arc<Self>,
        limits: &Limits,
        request: hyper::Request<Incoming>,
        certificate: Option<Vec<u8>>,
    ) -> hyper::Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        match limits.body(body, data_plane::MAX_BODY).await {
            Err(excess) => data_plane::excess(head.uri.path(), excess),
            Ok(body) => {
                let request = hyper::Request::from_parts(head, Full::new(body));
                self.data_plane(request, certificate).await
            }
        }
    }

    /// Decides an MQTT packet by the certificate's policies and writes the decision down. `keys` are the condition keys
    /// that such a packet has besides those of every packet.
    fn decide(&self, client: Client<'_>, action: &str, (kind, name): (&str, &str), keys: Vec<(&str, Value)>) -> bool {
        let decision = self.registry.decide_packet(client, action, &self.registry.arn(kind, name), keys);
        let allowed = decision.may_go_on();
        emit(What::Mqtt {
            client: client.id.to_owned(),
            action: action.to_owned(),
            resource: name.to_owned(),
            allowed,
            decision: Some(Box::new(decision)),
        });
        allowed
    }

    /// Gives the certificates of the world's own thing other policies.
    ///
    /// # Errors
    /// If AWS would refuse one; the text names it.
    pub(super) fn give(&self, policies: &BTreeMap<String, String>) -> Result<(), String> {
        self.registry.give(&self.world.thing.name, policies)
    }

    /// Carries out an order of the account's owner.
    ///
    /// # Errors
    /// Why AWS would refuse it.
    pub(super) fn control(&self, order: Control) -> Result<Answer, String> {
        let mut reserved = self.reserved();
        let (answer, replies) = match order {
            Control::Fault(fault) => return Ok(self.begin(fault)),
            Control::FaultEnd(name) => {
                self.faults.end(&name);
                return Ok(Answer::Sound { name });
            }
            // They are not IoT's alone.
            Control::Policies(_) => return Err("policies are not changed here".to_owned()),
            Control::Deploy(deployment) => {
                let (configuration_arn, replies) = reserved.order(&deployment, &self.registry)?;
                (Answer::Deployed { deployment: deployment.id, configuration_arn }, replies)
            }
            Control::Cancel { deployment } => {
                let replies = reserved.cancel(&deployment)?;
                (Answer::Canceled { deployment }, replies)
            }
        };
        self.say(replies);
        Ok(answer)
    }

    fn begin(&self, fault: Fault) -> Answer {
        let name = fault.name();
        if fault.kind == Kind::Special(Special::MqttCut) {
            emit(What::Fault { name: name.clone(), about: None });
            self.broker.cut(|_| true);
        } else {
            self.faults.begin(fault);
        }
        Answer::Faulty { name }
    }

    /// Routes a client's message; what a service behind a reserved topic says to it follows.
    fn publish(&self, client: &str, mut message: Message) {
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        message.retain &= !topic.starts_with('$');
        self.broker.route(message, Some(client));
        if topic.starts_with("$aws/") {
            let mut reserved = self.reserved();
            self.say(reserved.answer(&topic, payload.as_slice()));
        }
    }

    /// Lets jobs go on when it is time, for ever: rolls them out, gives them up and ends what takes too long.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let said = self.said.notified();
            match self.go_on(clock::now()) {
                Some(wait) => _ = timeout(wait, said).await,
                None => said.await,
            }
        }
    }

    /// Lets jobs go on as far as it is time; says after how long there is more to do.
    fn go_on(&self, now: OffsetDateTime) -> Option<Duration> {
        let mut reserved = self.reserved();
        let (replies, next) = reserved.go_on(&self.registry, now);
        self.route(replies);
        next.map(|next| (next - now).try_into().unwrap_or_default())
    }

    fn say(&self, replies: Vec<Reply>) {
        self.route(replies);
        self.said.notify_one();
    }

    fn route(&self, replies: Vec<Reply>) {
        for Reply { topic, payload } in replies {
            let payload = packet::payload_of(payload.to_string().as_bytes());
            let message = Message { topic, payload, qos: Qos::AtLeastOnce, retain: false, properties: Vec::new() };
            self.broker.route(message, None);
        }
    }

    fn reserved(&self) -> MutexGuard<'_, Reserved> {
        self.reserved.lock().expect("nothing panics while it holds the services")
    }
}
