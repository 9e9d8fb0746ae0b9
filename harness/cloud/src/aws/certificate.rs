//! The device's registered certificate, and what the IoT policies attached to it allow.

use super::{certificate_id, inventory::Inventory};
use crate::{event::Decision, world::World};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{net::IpAddr, sync::Arc};

/// A certificate that IoT has registered.
#[derive(Debug)]
pub(super) struct Certificate {
    der: Vec<u8>,
    id: String,
    arn: String,
    account: Arc<Inventory>,
}

impl Certificate {
    /// The certificate of the world's thing.
    ///
    /// # Errors
    /// If it can't be read; the text names the thing.
    pub(super) fn of(world: &World, account: Arc<Inventory>) -> Result<Self, String> {
        let World { region, account: number, thing, .. } = world;
        let der = CertificateDer::from_pem_slice(thing.certificate.as_bytes())
            .map_err(|error| format!("reading the certificate of thing `{}`: {error}", thing.name))?
            .to_vec();
        let id = certificate_id(&der);
        Ok(Self { arn: format!("arn:aws:iot:{region}:{number}:cert/{id}"), id, der, account })
    }

    /// Its id, by which role sessions are called too.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it is the one that a client showed, DER.
    pub(super) fn is(&self, shown: Option<&[u8]>) -> bool {
        shown == Some(self.der.as_slice())
    }

    /// Decides an action on a resource for a client at an address; `context` holds further policy variables.
    pub(super) fn decide(&self, peer: IpAddr, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
        let asked = Decision::asked(&self.arn, action, resource).with("aws:SourceIp", peer.to_string());
        let asked = context.iter().fold(asked, |asked, (key, value)| asked.with(*key, *value));
        self.account.decide(asked, &[]).decision
    }
}
