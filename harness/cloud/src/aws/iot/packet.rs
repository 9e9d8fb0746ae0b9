//! One face for the packets of MQTT 3.1.1 and 5, so that the rest of the broker knows no version.
//!
//! What a version cannot say is left out here: 3.1.1 has no reason code in PUBACK and no DISCONNECT from the server.

use mqtt_protocol_core::mqtt::{
    ArcPayload, Version,
    packet::{
        MaximumQos, Packet, Property, Qos, RetainAvailable, ServerKeepAlive, SessionExpiryInterval,
        SharedSubscriptionAvailable, SubEntry, SubscriptionIdentifierAvailable, TopicAliasMaximum,
        WildcardSubscriptionAvailable, v3_1_1, v5_0,
    },
    result_code::{
        ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, PubackReasonCode, SubackReasonCode,
        SubackReturnCode, UnsubackReasonCode,
    },
};
use std::time::Duration;

/// How long a persistent session of MQTT 3.1.1 outlives its connection: one hour, the service's default.
const SESSION_EXPIRY: Duration = Duration::from_hours(1);

/// The longest session expiry that is granted: seven days, the service's limit.
const MAX_SESSION_EXPIRY: Duration = Duration::from_hours(7 * 24);

/// The longest keep-alive interval in seconds, also given to a client that asks for none.
const MAX_KEEP_ALIVE: u16 = 1200;

/// Topic aliases that a client may use, as the service grants.
const TOPIC_ALIASES: u16 = 8;

/// A packet from a client.
#[derive(Debug)]
pub(super) enum Inbound {
    Connect(Connect),
    Publish { id: Option<u16>, message: Message },
    Puback(u16),
    Subscribe { id: u16, entries: Vec<SubEntry> },
    Unsubscribe { id: u16, filters: Vec<String> },
    Disconnect { with_will: bool, expiry: Option<Duration> },
    Other,
}

/// What a CONNECT asks for.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client: String,
    pub(super) clean: bool,
    /// How long the session outlives the connection; zero ends it with the connection.
    pub(super) expiry: Duration,
    /// The longest packet that the client takes, in bytes.
    pub(super) max_packet: usize,
    pub(super) keep_alive: u16,
    pub(super) will: Option<Message>,
}

impl Connect {
    /// The features that the client asks for, as `iot:ConnectAttributes` of AWS IoT's developer guide names them.
    ///
    /// A session is persistent that outlives its connection, or that takes up an older one.
    pub(super) fn attributes(&self) -> Vec<&'static str> {
        let persistent = !self.clean || !self.expiry.is_zero();
        let asked = [(persistent, "PersistentConnect"), (self.will.is_some(), "LastWill")];
        asked.into_iter().filter_map(|(asked, name)| asked.then_some(name)).collect()
    }
}

/// An application message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: ArcPayload,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// The properties of MQTT 5 that travel with the message.
    pub(super) properties: Vec<Property>,
}

/// Reads a packet of either version.
pub(super) fn read(packet: Packet) -> Inbound {
    match packet {
        Packet::V3_1_1Connect(packet) => Inbound::Connect(connect_3(&packet)),
        Packet::V5_0Connect(packet) => Inbound::Connect(connect_5(&packet)),
        Packet::V3_1_1Publish(packet) => Inbound::Publish {
            id: packet.packet_id(),
            message: Message {
                topic: packet.topic_name().to_owned(),
                payload: packet.payload().clone(),
                qos: packet.qos(),
                retain: packet.retain(),
                properties: Vec::new(),
            },
        },
        Packet::V5_0Publish(packet) => Inbound::Publish {
            id: packet.packet_id(),
            message: Message {
                topic: packet.topic_name().to_owned(),
                payload: packet.payload().clone(),
                qos: packet.qos(),
                retain: packet.retain(),
                properties: forwarded(packet.props()),
            },
        },
        Packet::V3_1_1Puback(packet) => Inbound::Puback(packet.packet_id()),
        Packet::V5_0Puback(packet) => Inbound::Puback(packet.packet_id()),
        Packet::V3_1_1Subscribe(packet) => {
            Inbound::Subscribe { id: packet.packet_id(), entries: packet.entries().clone() }
        }
        Packet::V5_0Subscribe(packet) => {
            Inbound::Subscribe { id: packet.packet_id(), entries: packet.entries().clone() }
        }
        Packet::V3_1_1Unsubscribe(packet) => Inbound::Unsubscribe {
            id: packet.packet_id(),
            filters: packet.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
        },
        Packet::V5_0Unsubscribe(packet) => Inbound::Unsubscribe {
            id: packet.packet_id(),
            filters: packet.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
        },
        Packet::V3_1_1Disconnect(_) => Inbound::Disconnect { with_will: false, expiry: None },
        Packet::V5_0Disconnect(packet) => Inbound::Disconnect {
            with_will: packet.reason_code() == Some(DisconnectReasonCode::DisconnectWithWillMessage),
            expiry: packet.props().as_ref().and_then(|properties| expiry(properties)),
        },
        _ => Inbound::Other,
    }
}

fn connect_3(packet: &v3_1_1::Connect) -> Connect {
    let will = packet.will_topic().zip(packet.will_payload()).map(|(topic, payload)| Message {
        topic: topic.to_owned(),
        payload: payload_of(payload),
        qos: packet.will_qos(),
        retain: packet.will_retain(),
        properties: Vec::new(),
    });
    Connect {
        version: Version::V3_1_1,
        client: packet.client_id().to_owned(),
        clean: packet.clean_session(),
        expiry: if packet.clean_session() { Duration::ZERO } else { SESSION_EXPIRY },
        max_packet: usize::MAX,
        keep_alive: packet.keep_alive(),
        will,
    }
}

fn connect_5(packet: &v5_0::Connect) -> Connect {
    let will = packet.will_topic().zip(packet.will_payload()).map(|(topic, payload)| Message {
        topic: topic.to_owned(),
        payload: payload_of(payload),
        qos: packet.will_qos(),
        retain: packet.will_retain(),
        properties: forwarded(packet.will_props()),
    });
    let max_packet = packet.props().iter().find_map(|property| match property {
        Property::MaximumPacketSize(size) => usize::try_from(size.val()).ok(),
        _ => None,
    });
    Connect {
        version: Version::V5_0,
        client: packet.client_id().to_owned(),
        clean: packet.clean_start(),
        expiry: expiry(packet.props()).unwrap_or_default(),
        max_packet: max_packet.unwrap_or(usize::MAX),
        keep_alive: packet.keep_alive(),
        will,
    }
}

/// Bytes as the payload of a message.
pub(super) fn payload_of(bytes: &[u8]) -> ArcPayload {
    ArcPayload::new(bytes.into(), 0, bytes.len())
}

fn expiry(properties: &[Property]) -> Option<Duration> {
    properties.iter().find_map(|property| match property {
        Property::SessionExpiryInterval(interval) => {
            Some(Duration::from_secs(interval.val().into()).min(MAX_SESSION_EXPIRY))
        }
        _ => None,
    })
}

fn forwarded(properties: &[Property]) -> Vec<Property> {
    let kept = |property: &&Property| {
        matches!(
            property,
            Property::PayloadFormatIndicator(_)
                | Property::ContentType(_)
                | Property::ResponseTopic(_)
                | Property::CorrelationData(_)
                | Property::UserProperty(_)
        )
    };
    properties.iter().filter(kept).cloned().collect()
}

/// CONNACK of an accepted client, with the capabilities that the service announces.
pub(super) fn accepted(connect: &Connect, present: bool) -> Packet {
    const VALID: &str = "the values are in the ranges of the specification";
    if connect.version == Version::V3_1_1 {
        let packet = v3_1_1::Connack::builder().session_present(present).return_code(ConnectReturnCode::Accepted);
        return packet.build().expect("a CONNACK with all its fields is complete").into();
    }
    let expiry = u32::try_from(connect.expiry.as_secs()).unwrap_or(u32::MAX);
    let mut properties: Vec<Property> = vec![
        SessionExpiryInterval::new(expiry).expect(VALID).into(),
        MaximumQos::new(1).expect(VALID).into(),
        RetainAvailable::new(1).expect(VALID).into(),
        TopicAliasMaximum::new(TOPIC_ALIASES).expect(VALID).into(),
        WildcardSubscriptionAvailable::new(1).expect(VALID).into(),
        SubscriptionIdentifierAvailable::new(0).expect(VALID).into(),
        SharedSubscriptionAvailable::new(0).expect(VALID).into(),
    ];
    if connect.keep_alive == 0 || connect.keep_alive > MAX_KEEP_ALIVE {
        properties.push(ServerKeepAlive::new(MAX_KEEP_ALIVE).expect(VALID).into());
    }
    let packet = v5_0::Connack::builder().session_present(present).reason_code(ConnectReasonCode::Success);
    packet.props(properties).build().expect("a CONNACK with all its fields is complete").into()
}

/// Why a CONNECT is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    BadId,
    NotAuthorized,
    Unavailable,
}

/// CONNACK that refuses.
pub(super) fn refused(version: Version, why: Refused) -> Packet {
    const COMPLETE: &str = "a CONNACK with all its fields is complete";
    if version == Version::V3_1_1 {
        let code = match why {
            Refused::BadId => ConnectReturnCode::IdentifierRejected,
            Refused::NotAuthorized => ConnectReturnCode::NotAuthorized,
            Refused::Unavailable => ConnectReturnCode::ServerUnavailable,
        };
        v3_1_1::Connack::builder().session_present(false).return_code(code).build().expect(COMPLETE).into()
    } else {
        let code = match why {
            Refused::BadId => ConnectReasonCode::ClientIdentifierNotValid,
            Refused::NotAuthorized => ConnectReasonCode::NotAuthorized,
            Refused::Unavailable => ConnectReasonCode::ServerUnavailable,
        };
        v5_0::Connack::builder().session_present(false).reason_code(code).build().expect(COMPLETE).into()
    }
}

/// PUBACK; `None` where the version cannot say the reason, so the connection must end instead.
pub(super) fn puback(version: Version, id: u16, reason: PubackReasonCode) -> Option<Packet> {
    const COMPLETE: &str = "a PUBACK with an id is complete";
    match (version, reason) {
        (Version::V5_0, PubackReasonCode::Success) => {
            Some(v5_0::Puback::builder().packet_id(id).build().expect(COMPLETE).into())
        }
        (Version::V5_0, reason) => {
            Some(v5_0::Puback::builder().packet_id(id).reason_code(reason).build().expect(COMPLETE).into())
        }
        (_, PubackReasonCode::Success) => Some(v3_1_1::Puback::builder().packet_id(id).build().expect(COMPLETE).into()),
        _ => None,
    }
}

/// SUBACK with one code a filter.
pub(super) fn suback(version: Version, id: u16, codes: Vec<SubackReasonCode>) -> Packet {
    const COMPLETE: &str = "a SUBACK with an id and codes is complete";
    if version == Version::V5_0 {
        return v5_0::Suback::builder().packet_id(id).reason_codes(codes).build().expect(COMPLETE).into();
    }
    let codes = codes.into_iter().map(|code| match code {
        SubackReasonCode::GrantedQos0 => SubackReturnCode::SuccessMaximumQos0,
        SubackReasonCode::GrantedQos1 => SubackReturnCode::SuccessMaximumQos1,
        _ => SubackReturnCode::Failure,
    });
    v3_1_1::Suback::builder().packet_id(id).return_codes(codes.collect()).build().expect(COMPLETE).into()
}

/// UNSUBACK; `existed` tells for each filter whether there was such a subscription.
pub(super) fn unsuback(version: Version, id: u16, existed: &[bool]) -> Packet {
    const COMPLETE: &str = "an UNSUBACK with an id and codes is complete";
    if version == Version::V3_1_1 {
        return v3_1_1::Unsuback::builder().packet_id(id).build().expect(COMPLETE).into();
    }
    let code = |existed: &bool| {
        if *existed { UnsubackReasonCode::Success } else { UnsubackReasonCode::NoSubscriptionExisted }
    };
    let codes = existed.iter().map(code).collect();
    v5_0::Unsuback::builder().packet_id(id).reason_codes(codes).build().expect(COMPLETE).into()
}

/// DISCONNECT from the server; `None` in a version that has none.
pub(super) fn disconnect(version: Version, reason: DisconnectReasonCode) -> Option<Packet> {
    // The empty property list is said: not every client reads a DISCONNECT that leaves it out.
    let packet = v5_0::Disconnect::builder().reason_code(reason).props(Vec::new());
    let packet = packet.build().expect("a DISCONNECT with a reason is complete");
    (version == Version::V5_0).then(|| packet.into())
}

/// PUBLISH to a client, with the packet id of QoS 1; `None` if the message can't be told in this version.
pub(super) fn publish(version: Version, message: &Message, retain: bool, id: Option<u16>, dup: bool) -> Option<Packet> {
    let qos = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
    let topic = message.topic.as_str();
    if version == Version::V3_1_1 {
        let packet = v3_1_1::Publish::builder().topic_name(topic).ok()?.qos(qos).retain(retain).dup(dup);
        let packet = packet.packet_id(id).payload(message.payload.clone());
        return packet.build().ok().map(Into::into);
    }
    let packet = v5_0::Publish::builder().topic_name(topic).ok()?.qos(qos).retain(retain).dup(dup);
    let packet = packet.packet_id(id).payload(message.payload.clone());
    packet.props(message.properties.clone()).build().ok().map(Into::into)
}
