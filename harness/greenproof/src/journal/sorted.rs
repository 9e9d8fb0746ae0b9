//! The events of a fleet, sorted by the device that each is about.
//!
//! A device's own journal tells of it as the journal of a scenario with one device does; what no device is known for
//! goes into a common one. Each event is looked at once.

use super::Journal;
use cloud::{
    event::{Event, What},
    fleet::CoreDevice,
};
use std::{collections::HashMap, net::IpAddr};

/// By what a device is known, and its journal.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) thing: &'a str,
    /// The id of its certificate.
    pub(crate) certificate: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) journal: Journal,
}

/// Who gets which event.
#[derive(Debug)]
pub(super) struct Sorted {
    journals: Vec<Journal>,
    things: HashMap<String, usize>,
    certificates: HashMap<String, usize>,
    addresses: HashMap<IpAddr, usize>,
    common: Journal,
}

impl Sorted {
    /// For these devices, the first of which is the world's own.
    pub(super) fn new(devices: &[Known<'_>], common: Journal) -> Self {
        let numbered = || devices.iter().enumerate();
        Self {
            journals: devices.iter().map(|device| device.journal.clone()).collect(),
            things: numbered().map(|(index, device)| (device.thing.to_owned(), index)).collect(),
            certificates: numbered().map(|(index, device)| (device.certificate.to_owned(), index)).collect(),
            addresses: numbered().map(|(index, device)| (device.address, index)).collect(),
            common,
        }
    }

    /// Gives an event to whom it is about.
    pub(super) fn give(&self, event: &Event) {
        if let What::JobCanceled { .. } = event.what {
            return self.journals.iter().chain([&self.common]).for_each(|journal| journal.push(event.clone()));
        }
        match self.device(event) {
            Some(index) => self.journals[index].push(Event { what: own(event.what.clone()), ..event.clone() }),
            None => self.common.push(event.clone()),
        }
    }

    /// The device that an event is about.
    fn device(&self, event: &Event) -> Option<usize> {
        // The world's own thing has no name in events.
        let named = |thing: &Option<String>| thing.as_ref().map_or(Some(0), |thing| self.thing(thing));
        match &event.what {
            What::Job { thing, .. } => named(thing),
            What::CoreDevice(device) => named(&device.thing),
            What::Fleet { message } => self.thing(message["thing"].as_str()?),
            What::Credentials { thing: Some(thing), .. } => self.thing(thing),
            What::Mqtt { client, .. } | What::MqttClosed { client, .. } | What::Oversize { client, .. } => {
                self.thing(client)
            }
            What::DataPlane { decision: Some(decision), .. } => {
                let (_, certificate) = decision.principal.split_once(":cert/")?;
                self.certificates.get(certificate).copied()
            }
            What::DataPlane { subject, .. } => self.thing(subject),
            _ => self.address(event.from?),
        }
    }

    fn thing(&self, name: &str) -> Option<usize> {
        self.things.get(name).copied()
    }

    fn address(&self, address: IpAddr) -> Option<usize> {
        self.addresses.get(&address).copied()
    }
}

/// The same as the journal of the only device would have it.
fn own(what: What) -> What {
    match what {
        What::Job { deployment, job, status, details, document, .. } => {
            What::Job { deployment, job, thing: None, status, details, document }
        }
        What::CoreDevice(device) => What::CoreDevice(Box::new(CoreDevice { thing: None, ..*device })),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_event_goes_to_the_device_that_it_is_about() {
        fidelity::fidelity!("fleet-5");
        let known = |thing, certificate, host: u8| Known {
            thing,
            certificate,
            address: [10, 0, 0, host].into(),
            journal: Journal::default(),
        };
        let (devices, common) = ([known("t1", "c1", 4), known("t2", "c2", 5)], Journal::default());
        let whole = Journal::sorted(&devices, common.clone());
        let job = |thing: Value| json!({"kind": "job", "deployment": "d", "job": "j", "thing": thing, "status": "QUEUED", "details": {}});
        let dns = |from: &str| json!({"kind": "dns", "from": from, "name": "x", "record": "A", "answer": null});
        let decision = json!({
            "principal": "arn:aws:iot:r:1:cert/c2", "action": "a", "resource": "*", "outcome": "allowed", "statement": null,
        });
        let api = json!({
            "kind": "api", "from": "10.0.0.5", "eventTime": "", "eventSource": "", "eventName": "", "awsRegion": "",
            "sourceIPAddress": "203.0.113.10", "userAgent": "", "userIdentity": null, "requestParameters": null,
            "errorCode": null, "errorMessage": null, "requestID": "", "status": 200, "decision": decision,
        });
        for (what, to) in [
            (api, "t2"),
            (job(Value::Null), "t1"),
            (job(json!("t2")), "t2"),
            (job(json!("t9")), "common"),
            (json!({"kind": "fleet", "message": {"thing": "t2"}}), "t2"),
            (json!({"kind": "mqtt", "client": "t2", "action": "iot:Connect", "resource": "t2", "allowed": true}), "t2"),
            (json!({"kind": "credentials", "alias": "a", "thing": "t1", "status": 200, "message": null}), "t1"),
            (
                json!({"kind": "data-plane", "operation": "o", "subject": "s", "status": 200, "decision": decision}),
                "t2",
            ),
            (dns("10.0.0.5"), "t2"),
            (dns("10.0.0.9"), "common"),
            (json!({"kind": "ready"}), "common"),
            (json!({"kind": "job-canceled", "deployment": "d", "job": "j", "reason": "r"}), "t1t2common"),
        ] {
            let counts = || [&devices[0].journal, &devices[1].journal, &common].map(|journal| journal.events().len());
            let before = counts();
            let mut event = what.clone();
            event["time"] = "2026-01-01T00:00:00.000Z".into();
            whole.take(&event.to_string());
            let got: String = (["t1", "t2", "common"].into_iter().zip(before).zip(counts()))
                .filter(|((_, before), after)| before < after)
                .map(|((name, _), _)| name)
                .collect();
            assert_eq!(got, to, "{what}");
        }
        let second = devices[1].journal.events();
        assert!(second.iter().all(|event| !matches!(&event.what, What::Job { thing: Some(_), .. })), "{second:?}");
    }
}
