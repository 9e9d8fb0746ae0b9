//! What IoT has registered: things and their groups, certificates, policies with their versions, role aliases, and what
//! is attached to what.
//!
//! It begins with what the world states and is changed by the control plane ([`super::api`]). Whoever shows a registered
//! active certificate is its [`Holder`]; what it may do say the policies that are attached at that moment.

mod certificate;
mod policy;
mod thing;

pub(in crate::aws) use certificate::Holder;
pub(super) use certificate::{Certificate, Status};
pub(super) use policy::{Policy, Version};
pub(super) use thing::{Group, Thing};

use super::super::inventory::Inventory;
use crate::{
    clock,
    event::Decision,
    world::{self, World},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use time::OffsetDateTime;

/// The registry of one account.
#[derive(Debug)]
pub(in crate::aws) struct Registry {
    region: String,
    account: String,
    public_address: Ipv4Addr,
    inventory: Arc<Inventory>,
    state: RwLock<State>,
}

/// All that is registered, by name; certificates by their id.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) things: BTreeMap<String, Thing>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) certificates: BTreeMap<String, Certificate>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) aliases: BTreeMap<String, Alias>,
    /// Tags by the ARN of what they are on.
    pub(super) tags: BTreeMap<String, BTreeMap<String, String>>,
}

impl State {
    /// Registers a thing of the world, with its certificate and in its groups.
    fn register(&mut self, thing: &world::Thing) -> Result<(), String> {
        let certificate = Certificate::from_pem(&thing.certificate, Status::Active)
            .map_err(|error| format!("reading the certificate of thing `{}`: {error}", thing.name))?;
        let id = certificate.id();
        self.certificates.insert(id.clone(), certificate);
        self.give(&id, &thing.policies)?;
        self.things.insert(thing.name.clone(), Thing { principals: vec![id], ..Thing::default() });
        for group in &thing.groups {
            self.join(&thing.name, group);
        }
        Ok(())
    }
}

/// A role alias.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Alias {
    /// The ARN of the role that it stands for.
    pub(in crate::aws) role: String,
    /// How long credentials last.
    pub(in crate::aws) seconds: u32,
    pub(super) created: OffsetDateTime,
    pub(super) modified: OffsetDateTime,
}

/// A client of the broker as policies see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    pub(super) holder: &'a Holder,
    /// Its client id.
    pub(super) id: &'a str,
    /// The server name of its TLS handshake, which policies see as `iot:DomainName`.
    pub(super) domain: &'a str,
}

/// Why nobody is known by a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum Stranger {
    /// No certificate was shown, or one that is not registered.
    Unknown,
    /// It is registered, and not active or outside its validity.
    Inactive,
}

impl Registry {
    /// The registry of a world: its thing with certificate, policies and groups, and its role aliases.
    ///
    /// # Errors
    /// If the certificate or a policy can't be read; the text names it.
    pub(in crate::aws) fn new(world: &World, inventory: Arc<Inventory>) -> Result<Self, String> {
        let mut state = State::default();
        let World { region, account, public_address, thing, fleet, .. } = world;
        for thing in std::iter::once(thing).chain(fleet) {
            state.register(thing)?;
        }
        for (name, world::RoleAlias { role, duration_seconds }) in &world.role_aliases {
            let path = world.roles.get(role).map_or("/", |role| role.path.as_str());
            let role = format!("arn:aws:iam::{account}:role{path}{role}");
            let now = clock::now();
            let alias = Alias { role, seconds: *duration_seconds, created: now, modified: now };
            state.aliases.insert(name.clone(), alias);
        }
        let (region, account, state) = (region.clone(), account.clone(), RwLock::new(state));
        Ok(Self { region, account, public_address: *public_address, inventory, state })
    }

    /// Who shows a certificate, DER.
    ///
    /// # Errors
    /// If it is nobody.
    pub(in crate::aws) fn holder(&self, shown: Option<&[u8]>) -> Result<Holder, Stranger> {
        let id = super::super::certificate_id(shown.ok_or(Stranger::Unknown)?);
        let state = self.read();
        let certificate = state.certificates.get(&id).ok_or(Stranger::Unknown)?;
        let counts = certificate.counts(clock::now());
        counts.then(|| Holder::new(self.arn("cert", &id), id)).ok_or(Stranger::Inactive)
    }

    /// Whether a certificate, by its id, may be used.
    pub(super) fn counts(&self, certificate: &str) -> bool {
        let now = clock::now();
        self.read().certificates.get(certificate).is_some_and(|certificate| certificate.counts(now))
    }

    /// Decides an action of a certificate's holder by the certificate's policies.
    pub(in crate::aws) fn decide(&self, holder: &Holder, action: &str, resource: &str) -> Decision {
        let asked = self.asked(holder, action, resource);
        let policies = self.read().of_certificate(holder.id());
        self.inventory.decide_by(asked, policies)
    }

    fn asked(&self, holder: &Holder, action: &str, resource: &str) -> Decision {
        Decision::asked(holder.arn(), action, resource).with("aws:SourceIp", self.public_address.to_string())
    }

    /// Decides a packet of a client; `keys` are the condition keys that such a packet has besides. Of the thing whose
    /// name is the client id the policy variables have values, and the policies of its groups count, if the certificate
    /// is attached to it.
    ///
    /// The keys are those of AWS IoT's developer guide: its basic policy variables, `iot:CertificateId` of its policy
    /// examples, and its thing policy variables.
    pub(super) fn decide_packet(
        &self,
        Client { holder, id: client, domain }: Client<'_>,
        action: &str,
        resource: &str,
        keys: Vec<(&str, Value)>,
    ) -> Decision {
        let asked = self
            .asked(holder, action, resource)
            .with("iot:ClientId", client)
            .with("iot:CertificateId", holder.id())
            .with("iot:DomainName", domain);
        let asked = keys.into_iter().fold(asked, |asked, (key, value)| asked.with(key, value));
        let state = self.read();
        let mut policies = state.of_certificate(holder.id());
        let asked = match state.things.get(client) {
            None => asked,
            Some(thing) if !thing.has(holder.id()) => asked.with("iot:Connection.Thing.IsAttached", "false"),
            Some(thing) => {
                policies.extend(state.of_groups(&thing.groups));
                let asked = asked
                    .with("iot:Connection.Thing.ThingName", client)
                    .with("iot:Connection.Thing.IsAttached", "true");
                thing.attributes.iter().fold(asked, |asked, (name, value)| {
                    asked.with(format!("iot:Connection.Thing.Attributes[{name}]"), value.as_str())
                })
            }
        };
        drop(state);
        self.inventory.decide_by(asked, policies)
    }

    /// Whether a certificate is attached to a thing.
    pub(in crate::aws) fn is_attached(&self, thing: &str, holder: &Holder) -> bool {
        self.read().things.get(thing).is_some_and(|thing| thing.has(holder.id()))
    }

    /// What a role alias stands for.
    pub(in crate::aws) fn alias(&self, name: &str) -> Option<Alias> {
        self.read().aliases.get(name).cloned()
    }

    /// Gives the certificates of a thing these policies in place of those that they have.
    ///
    /// # Errors
    /// If AWS would refuse one; the text names it. Nothing has changed then.
    pub(super) fn give(&self, thing: &str, policies: &BTreeMap<String, String>) -> Result<(), String> {
        let mut state = self.write();
        let certificates = state.things.get(thing).map(|thing| thing.principals.clone()).unwrap_or_default();
        certificates.iter().try_for_each(|certificate| state.give(certificate, policies))
    }

    /// The ARN of something registered, such as a `thing`.
    pub(super) fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:iot:{}:{}:{kind}/{name}", self.region, self.account)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
