//! Private networks without a way out.
//!
//! Docker's own address pools end after about 30 networks, so subnets are ours: a /28 of `10.83.0.0/16` for each
//! environment, or a /24 for one with a fleet, a /24 of `10.84.0.0/16` for LocalStack, a /28 of `10.85.0.0/16` for a kept environment's edge. An `internal` network alone still reaches the host's services
//! through the bridge's address; `inhibit_ipv4` leaves the bridge without one.

use super::{Engine, Lease, creation::carried_out, error::Error};
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use std::{collections::HashMap, net::Ipv4Addr};

/// How many subnets are tried before giving up.
const ATTEMPTS: u32 = 512;

/// Where the edges of environments are that the host reaches.
const EDGES: Range = Range { first: Ipv4Addr::new(10, 85, 0, 0), name: "10.85.0.0/16", prefix: 28, upper_half: false };

/// A bridge that the host has no address on.
const UNREACHED: (&str, &str) = ("com.docker.network.bridge.inhibit_ipv4", "true");
/// A bridge whose containers have no address outside.
const UNMASKED: (&str, &str) = ("com.docker.network.bridge.enable_ip_masquerade", "false");

/// The network of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name, which is what a container connects to.
    pub name: String,
    /// The first address of its subnet.
    pub subnet: Ipv4Addr,
}

impl Network {
    /// Address of the `aws` container.
    #[must_use]
    pub fn aws(&self) -> Ipv4Addr {
        self.address(2)
    }

    /// Address of the `github` container.
    #[must_use]
    pub fn github(&self) -> Ipv4Addr {
        self.address(3)
    }

    /// Address of the `device` container.
    #[must_use]
    pub fn device(&self) -> Ipv4Addr {
        self.address(4)
    }

    /// Address of a device of a fleet, by its number from 1; the first is where the only device would be.
    #[must_use]
    pub fn device_of(&self, number: u32) -> Ipv4Addr {
        self.address(3 + number)
    }

    pub(crate) fn address(&self, host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subnet.to_bits() + host)
    }
}

/// A private range that is cut into subnets of equal size.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    first: Ipv4Addr,
    /// Name of the range, for messages.
    name: &'static str,
    /// Length of a subnet's prefix in bits.
    prefix: u32,
    /// Whether addresses that nobody asked for come from the upper half, so that the lower ones stay free.
    upper_half: bool,
}

/// Where environments live.
const ENVIRONMENTS: Range =
    Range { first: Ipv4Addr::new(10, 83, 0, 0), name: "10.83.0.0/16", prefix: 28, upper_half: false };
/// Where environments with a fleet live: among the others, since what overlaps is tried again.
const FLEETS: Range = Range { first: Ipv4Addr::new(10, 83, 0, 0), name: "10.83.0.0/16", prefix: 24, upper_half: false };
/// Where LocalStack lives.
pub(crate) const LOCALSTACK: Range =
    Range { first: Ipv4Addr::new(10, 84, 0, 0), name: "10.84.0.0/16", prefix: 24, upper_half: true };

impl Range {
    fn size(self) -> u32 {
        1 << (32 - self.prefix)
    }

    /// The subnet of an index; indices go round.
    fn subnet(self, index: u32) -> Ipv4Addr {
        let count = (1 << 16) / self.size();
        Ipv4Addr::from_bits(self.first.to_bits() + (index % count) * self.size())
    }

    fn ipam(self, subnet: Ipv4Addr) -> Ipam {
        let half = Ipv4Addr::from_bits(subnet.to_bits() + self.size() / 2);
        let config = IpamConfig {
            subnet: Some(format!("{subnet}/{}", self.prefix)),
            ip_range: self.upper_half.then(|| format!("{half}/{}", self.prefix + 1)),
            ..IpamConfig::default()
        };
        Ipam { config: Some(vec![config]), ..Ipam::default() }
    }
}

impl Engine {
    /// Creates the network of an environment with so many devices.
    ///
    /// # Errors
    /// [`Error::NoSubnet`] if everything overlaps, [`Error::Engine`] if the engine refuses otherwise.
    pub async fn create_network(&self, lease: &Lease, devices: usize) -> Result<Network, Error> {
        let name = format!("greenproof-{}", lease.id());
        let subnet = self
            .create_internal(&name, lease.labels("network"), if devices > 1 { FLEETS } else { ENVIRONMENTS })
            .await?;
        Ok(Network { name, subnet })
    }

    /// Removes a network; it is no error if it isn't there.
    ///
    /// # Errors
    /// [`Error::Engine`] if containers are still connected.
    pub async fn remove_network(&self, name: &str) -> Result<(), Error> {
        let removed = super::error::gone(self.docker.remove_network(name).await);
        removed.map_err(Error::engine(format!("removing network `{name}`")))
    }

    /// Creates an internal bridge on a random free subnet of a range and says which.
    pub(crate) async fn create_internal(
        &self,
        name: &str,
        labels: HashMap<String, String>,
        range: Range,
    ) -> Result<Ipv4Addr, Error> {
        self.create_bridge(name, labels, range, true, UNREACHED).await
    }

    /// Creates the bridge over which the host reaches a published port of an environment; the engine publishes none of
    /// a container that is on internal networks alone.
    ///
    /// # Errors
    /// As [`Engine::create_network`].
    pub(crate) async fn create_edge(&self, lease: &Lease) -> Result<String, Error> {
        let name = format!("greenproof-{}-edge", lease.id());
        self.create_bridge(&name, lease.labels("edge"), EDGES, false, UNMASKED).await?;
        Ok(name)
    }

    async fn create_bridge(
        &self,
        name: &str,
        labels: HashMap<String, String>,
        range: Range,
        internal: bool,
        (option, value): (&str, &str),
    ) -> Result<Ipv4Addr, Error> {
        let start = rand::random::<u16>();
        for attempt in 0..ATTEMPTS {
            let subnet = range.subnet(u32::from(start) + attempt);
            let request = NetworkCreateRequest {
                name: name.to_owned(),
                driver: Some("bridge".to_owned()),
                internal: Some(internal),
                ipam: Some(range.ipam(subnet)),
                options: Some(HashMap::from([(option.to_owned(), value.to_owned())])),
                labels: Some(labels.clone()),
                ..NetworkCreateRequest::default()
            };
            let docker = self.docker.clone();
            match carried_out(Box::pin(async move { docker.create_network(request).await })).await {
                Ok(_) => return Ok(subnet),
                Err(error) if error.to_string().contains("overlap") => {}
                Err(error) => return Err(Error::engine(format!("creating network `{name}`"))(error)),
            }
        }
        Err(Error::NoSubnet { name: name.to_owned(), range: range.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_stay_in_their_range() {
        assert_eq!(ENVIRONMENTS.subnet(0), Ipv4Addr::new(10, 83, 0, 0));
        assert_eq!(ENVIRONMENTS.subnet(4095), Ipv4Addr::new(10, 83, 255, 240));
        assert_eq!(ENVIRONMENTS.subnet(4096), Ipv4Addr::new(10, 83, 0, 0));
        assert_eq!(LOCALSTACK.subnet(257), Ipv4Addr::new(10, 84, 1, 0));
    }

    #[test]
    fn addresses_are_fixed_by_role() {
        let network = Network { name: "some".to_owned(), subnet: Ipv4Addr::new(10, 83, 7, 32) };
        assert_eq!(network.aws(), Ipv4Addr::new(10, 83, 7, 34));
        assert_eq!(network.device(), Ipv4Addr::new(10, 83, 7, 36));
    }
}
