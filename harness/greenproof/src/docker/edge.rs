//! The one way from the host into an environment: a port at 127.0.0.1, and nothing the other way.
//!
//! The engine publishes no port of a container whose networks are all internal, so the container gets a bridge to the
//! host besides, its *edge*. The edge translates no addresses, and a filter in the container's own kernel lets nothing
//! out over it but answers: neither the container nor whoever is routed by it reaches the host or beyond.

use super::{Container, ContainerSpec, Engine, Lease, error::Error};
use bollard::models::PortBinding;
use std::{collections::HashMap, net::Ipv4Addr};

/// Lets nothing out over the edge but answers, and forwards nothing. Without the state of connections, which an
/// engine's kernel may not keep, an answer is a TCP segment that opens no connection.
const SEAL: &str = "set -e
edge=$(ip -o -4 address show to 10.85.0.0/16 | awk '{print $2}')
iptables -w -A OUTPUT -o \"$edge\" -p tcp ! --syn -j ACCEPT
iptables -w -A OUTPUT -o \"$edge\" -j REJECT
iptables -w -P FORWARD DROP";

/// A TCP port of a container that the host gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The port in the container.
    pub inside: u16,
    /// The port at 127.0.0.1; absent for any that is free.
    pub outside: Option<u16>,
}

impl Published {
    pub(crate) fn key(self) -> String {
        format!("{}/tcp", self.inside)
    }

    pub(crate) fn bindings(self) -> HashMap<String, Option<Vec<PortBinding>>> {
        let port = self.outside.map_or_else(String::new, |port| port.to_string());
        let binding = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: Some(port) };
        HashMap::from([(self.key(), Some(vec![binding]))])
    }
}

impl Engine {
    /// Lets nothing out of a running container over its edge but answers. `image` has `iptables` and `ip`.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine refuses, or the kernel does.
    pub(crate) async fn seal(&self, container: &Container, image: &str, lease: &Lease) -> Result<(), Error> {
        let spec = ContainerSpec {
            name: format!("{}-seal", container.name),
            image: image.to_owned(),
            command: ["sh", "-c", SEAL].map(str::to_owned).into(),
            labels: lease.labels("seal"),
            network: format!("container:{}", container.id),
            capabilities: vec!["NET_ADMIN".to_owned()],
            ..ContainerSpec::default()
        };
        self.help(&spec, format!("sealing the edge of container `{}`", container.name)).await.map(drop)
    }

    /// The port of the host that a container's port is at; nothing while it is not published.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn published(&self, container: &Container, inside: u16) -> Result<Option<u16>, Error> {
        let inspected = self.docker.inspect_container(&container.id, None).await;
        let inspected = inspected.map_err(Error::engine(format!("inspecting container `{}`", container.name)))?;
        let ports = inspected.network_settings.and_then(|settings| settings.ports).unwrap_or_default();
        let bindings = ports.get(&Published { inside, outside: None }.key()).cloned().flatten().unwrap_or_default();
        Ok(bindings.iter().find_map(|binding| binding.host_port.as_ref()?.parse().ok()))
    }
}
