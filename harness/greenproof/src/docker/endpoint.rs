//! Where an engine is, found as Docker's own CLI finds it: `DOCKER_HOST`, then `DOCKER_CONTEXT`, then the current context of
//! its configuration, then this machine's own socket. TLS is what the context says, or `DOCKER_TLS_VERIFY` with
//! `DOCKER_CERT_PATH`; SSH is the user's own `ssh` ([`Tunnel`]).

use super::{error::Error, tunnel::Tunnel};
use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// This machine's own engine.
const LOCAL: &str = "unix:///var/run/docker.sock";

/// The context that is no context: `DOCKER_HOST`, or this machine's own engine.
const DEFAULT: &str = "default";

/// Seconds that the engine may take for an answer.
const ANSWER: u64 = 120;

/// Which engine, as a person names it, and where Docker's CLI keeps what it knows of engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// An address or a context's name; nothing means whatever Docker's CLI would take.
    named: Option<String>,
    host: Option<String>,
    context: Option<String>,
    /// Docker's folder of configuration.
    folder: Option<PathBuf>,
    /// Where keys for TLS are, if TCP is to have it.
    keys: Option<PathBuf>,
}

/// An engine's address, with the folder of its keys where it wants TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    keys: Option<PathBuf>,
}

/// What Docker's CLI writes down of a context.
#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints")]
    endpoints: BTreeMap<String, Remote>,
}

#[derive(Deserialize)]
struct Remote {
    #[serde(rename = "Host", default)]
    host: String,
}

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext", default)]
    current: String,
}

impl Endpoint {
    /// The one that Docker's CLI would take with these variables.
    #[must_use]
    pub fn of(variables: &BTreeMap<String, String>) -> Self {
        let said = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let folder = said("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(Path::new(&said("HOME")?).join(".docker")));
        let keys = said("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| folder.clone());
        Self {
            named: None,
            host: said("DOCKER_HOST"),
            context: said("DOCKER_CONTEXT"),
            keys: said("DOCKER_TLS_VERIFY").and(keys),
            folder,
        }
    }

    /// Another one: an address such as `tcp://10.0.0.7:2376` or `ssh://ci@builder`, or the name of a context.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { named: Some(name.to_owned()), ..self.clone() }
    }

    /// How it is named, if that is not left to Docker's own variables.
    #[must_use]
    pub const fn name(&self) -> Option<&String> {
        self.named.as_ref()
    }

    /// What a person says of it, if anything; else it is the engine of this machine, or of the current context.
    #[must_use]
    pub fn said(&self) -> Option<&String> {
        self.named.as_ref().or(self.host.as_ref()).or(self.context.as_ref())
    }

    /// A client for it, its address, and what has to live as long. Nothing is asked of the engine yet.
    ///
    /// # Errors
    /// [`Error::Endpoint`] if there is no such context, or an address that nothing speaks; those of [`Tunnel::open`].
    pub(super) async fn client(&self, cache: &Path) -> Result<(Docker, String, Option<Tunnel>), Error> {
        let Address { host, keys } = self.address()?;
        let mut tunnel = None;
        let scheme = host.split_once("://").map_or("", |(scheme, _)| scheme);
        let docker = match (scheme, keys) {
            ("unix", _) => Docker::connect_with_unix(&host, ANSWER, API_DEFAULT_VERSION),
            ("tcp" | "http", None) => Docker::connect_with_http(&host, ANSWER, API_DEFAULT_VERSION),
            ("tcp" | "https", Some(keys)) => {
                // Whoever came first has chosen the same.
                _ = rustls::crypto::ring::default_provider().install_default();
                let [key, certificate, authority] = ["key.pem", "cert.pem", "ca.pem"].map(|name| keys.join(name));
                Docker::connect_with_ssl(&host, &key, &certificate, &authority, ANSWER, API_DEFAULT_VERSION)
            }
            ("ssh", _) => {
                let socket = tunnel.insert(Tunnel::open(cache, &host).await?).address();
                Docker::connect_with_unix(&socket, ANSWER, API_DEFAULT_VERSION)
            }
            _ => {
                let reason = "an engine is reached by unix://, tcp://, or ssh://".to_owned();
                return Err(Error::Endpoint { name: host, reason });
            }
        };
        let docker = docker.map_err(Error::unreachable(&host))?;
        Ok((docker, host, tunnel))
    }

    fn address(&self) -> Result<Address, Error> {
        let plain = |host: &str| Address { host: host.to_owned(), keys: self.keys.clone() };
        if let Some(named) = &self.named {
            return if named.contains("://") { Ok(plain(named)) } else { self.of_context(named) };
        }
        if let Some(host) = &self.host {
            return Ok(plain(host));
        }
        match self.context.clone().or_else(|| self.current()) {
            Some(context) => self.of_context(&context),
            None => Ok(plain(LOCAL)),
        }
    }

    /// The context that `docker context use` chose.
    fn current(&self) -> Option<String> {
        let text = fs::read(self.folder.as_ref()?.join("config.json")).ok()?;
        let configuration: Configuration = serde_json::from_slice(&text).unwrap_or_default();
        Some(configuration.current).filter(|name| !name.is_empty())
    }

    fn of_context(&self, name: &str) -> Result<Address, Error> {
        if name == DEFAULT {
            let host = self.host.clone().unwrap_or_else(|| LOCAL.to_owned());
            return Ok(Address { host, keys: self.keys.clone() });
        }
        let refused = |reason: String| Error::Endpoint { name: name.to_owned(), reason };
        let contexts = self.folder.as_ref().ok_or_else(|| refused("there is no home folder".into()))?.join("contexts");
        let digest = hex::encode(Sha256::digest(name));
        let path = contexts.join("meta").join(&digest).join("meta.json");
        let text = fs::read(&path).map_err(|_| refused("there is no context of this name".into()))?;
        let context: Context = serde_json::from_slice(&text)
            .map_err(|error| refused(format!("`{}` can't be read: {error}", path.display())))?;
        let host = context.endpoints.get("docker").map(|remote| remote.host.clone()).unwrap_or_default();
        let keys = contexts.join("tls").join(digest).join("docker");
        let host = if host.is_empty() { LOCAL.to_owned() } else { host };
        Ok(Address { host, keys: keys.join("ca.pem").exists().then_some(keys) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Endpoint {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Endpoint::of(&variables.iter().map(own).collect())
    }

    fn address(host: &str, keys: Option<&str>) -> Address {
        Address { host: host.to_owned(), keys: keys.map(PathBuf::from) }
    }

    /// A folder of configuration as Docker's CLI has it, with a context that wants TLS and is the current one.
    fn configured() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let digest = hex::encode(Sha256::digest("far"));
        let (meta, tls) = (folder.path().join("contexts/meta"), folder.path().join("contexts/tls"));
        fs::create_dir_all(meta.join(&digest)).unwrap();
        fs::create_dir_all(tls.join(&digest).join("docker")).unwrap();
        let json =
            r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":false}}}"#;
        fs::write(meta.join(&digest).join("meta.json"), json).unwrap();
        fs::write(tls.join(digest).join("docker/ca.pem"), "").unwrap();
        fs::write(folder.path().join("config.json"), r#"{"auths":{},"currentContext":"far"}"#).unwrap();
        folder
    }

    #[test]
    fn an_engine_is_the_one_that_dockers_own_cli_takes() {
        fidelity::fidelity!("engine-1");
        let folder = configured();
        let config = ("DOCKER_CONFIG", folder.path().to_str().unwrap());
        let keys = folder.path().join("contexts/tls").join(hex::encode(Sha256::digest("far"))).join("docker");
        let far = address("tcp://far:2376", keys.to_str());
        assert_eq!(of(&[]).address().unwrap(), address(LOCAL, None));
        assert_eq!(of(&[config]).address().unwrap(), far, "the current context");
        let host = ("DOCKER_HOST", "tcp://near:2375");
        assert_eq!(of(&[config, host]).address().unwrap(), address(host.1, None), "DOCKER_HOST goes before it");
        let default = ("DOCKER_CONTEXT", "default");
        assert_eq!(of(&[config, default]).address().unwrap(), address(LOCAL, None));
        assert_eq!(of(&[config, host, ("DOCKER_CONTEXT", "far")]).address().unwrap().host, host.1);
        assert_eq!(of(&[config, host]).named("far").address().unwrap(), far, "what is named goes before all");
        let keys = [host, ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/keys")];
        assert_eq!(of(&keys).address().unwrap(), address(host.1, Some("/keys")));
        let ssh = of(&[config]).named("ssh://ci@builder");
        assert_eq!(
            (ssh.address().unwrap().host.as_str(), ssh.said().unwrap().as_str()),
            ("ssh://ci@builder", "ssh://ci@builder")
        );
    }

    #[tokio::test]
    async fn an_engine_that_nobody_knows_is_refused_by_name() {
        fidelity::fidelity!("engine-1");
        let folder = configured();
        let known = of(&[("DOCKER_CONFIG", folder.path().to_str().unwrap())]);
        let told = async |name: &str| known.named(name).client(folder.path()).await.unwrap_err().to_string();
        assert_eq!(told("fra").await, "engine `fra`: there is no context of this name");
        assert_eq!(told("fd://").await, "engine `fd://`: an engine is reached by unix://, tcp://, or ssh://");
    }
}
