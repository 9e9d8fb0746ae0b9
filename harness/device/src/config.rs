//! What the core needs to know at its start, out of the nucleus's configuration.

use crate::{clock::Clock, configuration::Configuration, platform, tree};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Version that the emulated nucleus says it has.
pub(crate) const VERSION: &str = "2.18.0";
/// Name of the component that the nucleus is.
pub(crate) const NUCLEUS: &str = "aws.greengrass.Nucleus";

/// What the core takes from its configuration when it starts.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The clock of every period.
    pub(crate) clock: Clock,
    pub(crate) root: PathBuf,
    pub(crate) thing: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) root_ca: PathBuf,
    pub(crate) region: String,
    pub(crate) data_endpoint: String,
    /// Base URL of the Greengrass data plane.
    pub(crate) data_plane: String,
    pub(crate) mqtt_port: u16,
    /// `runWithDefault.posixUser`.
    pub(crate) default_user: Option<String>,
    /// `runWithDefault.posixShell`.
    pub(crate) shell: String,
    /// All of the configuration, with what changes while the core runs.
    pub(crate) configuration: Arc<Configuration>,
}

/// A configuration file that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("reading `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is no YAML: {source}")]
    Yaml { path: PathBuf, source: serde_yaml_ng::Error },
    #[error("`{0}` is missing in the configuration; a core without cloud isn't emulated")]
    Missing(&'static str),
    #[error("keeping the configuration")]
    Keep(#[from] std::io::Error),
}

impl Config {
    /// Takes up the configuration that is kept under `root`; the file at `path` counts at the first start only.
    ///
    /// # Errors
    /// If the file is needed and can't be read, or the configuration lacks what a core needs to talk to the cloud.
    pub(crate) fn load(path: &Path, root: &Path) -> Result<Self, Error> {
        let configuration = Configuration::open(&root.join("config"), || {
            let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
            serde_yaml_ng::from_str(&text).map_err(|source| Error::Yaml { path: path.into(), source })
        })?;
        let nucleus = json!({"componentType": "NUCLEUS", "configuration": {}, "dependencies": [], "lifecycle": {}});
        configuration.change(|tree| {
            tree.fill(&["services"], &json!({(NUCLEUS): nucleus, "main": {"dependencies": [], "lifecycle": {}}}));
            tree.merge(&["services", NUCLEUS, "version"], &VERSION.into(), crate::configuration::now());
        });
        Self::new(configuration, root)
    }

    /// The nucleus's own configuration as it is now.
    pub(crate) fn nucleus(&self) -> Value {
        self.configuration.read(|tree| tree.get(&["services", NUCLEUS, "configuration"])).unwrap_or_default()
    }

    /// The platform's attributes as they are now: the nucleus reads `platformOverride` each time it asks for them
    /// (`PlatformResolver.getCurrentPlatform`).
    pub(crate) fn platform(&self) -> platform::Attributes {
        platform::attributes(tree::get(&self.nucleus(), "platformOverride"))
    }

    fn new(configuration: Configuration, root: &Path) -> Result<Self, Error> {
        let at = |path: &[&str]| configuration.read(|tree| tree.get(path)).unwrap_or_else(|| json!({}));
        let system = at(&["system"]);
        let nucleus = at(&["services", NUCLEUS, "configuration"]);
        let empty = json!({});
        let required = |of: &Value, key| tree::text(of, key).filter(|text| !text.is_empty()).ok_or(Error::Missing(key));
        let region = required(&nucleus, "awsRegion")?;
        let data_endpoint = required(&nucleus, "iotDataEndpoint")?;
        required(&nucleus, "iotCredEndpoint")?;
        let run_with = tree::get(&nucleus, "runWithDefault").unwrap_or(&empty);
        let port = tree::get(&nucleus, "mqtt").and_then(|mqtt| tree::text(mqtt, "port"));
        Ok(Self {
            clock: Clock::default(),
            root: root.into(),
            thing: required(&system, "thingName")?,
            certificate: required(&system, "certificateFilePath")?.into(),
            key: required(&system, "privateKeyPath")?.into(),
            root_ca: required(&system, "rootCaPath")?.into(),
            data_plane: data_plane(&nucleus, &region, &data_endpoint),
            mqtt_port: port.and_then(|port| port.parse().ok()).unwrap_or(8883),
            default_user: tree::text(run_with, "posixUser").filter(|user| !user.is_empty()),
            shell: tree::text(run_with, "posixShell").unwrap_or_else(|| "sh".into()),
            region,
            data_endpoint,
            configuration: Arc::new(configuration),
        })
    }
}

fn data_plane(nucleus: &Value, region: &str, data_endpoint: &str) -> String {
    let port = tree::text(nucleus, "greengrassDataPlanePort").unwrap_or_else(|| "8443".into());
    let host = match tree::text(nucleus, "greengrassDataPlaneEndpoint").filter(|text| !text.is_empty()) {
        None => format!("greengrass-ats.iot.{region}.amazonaws.com"),
        Some(text) if text == "iotdata" => data_endpoint.split(':').next().unwrap_or(data_endpoint).to_owned(),
        Some(text) => text.split_once("://").map_or(text.clone(), |(_, rest)| rest.to_owned()),
    };
    let host = host.trim_end_matches('/');
    if host.contains(':') { format!("https://{host}") } else { format!("https://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;
    use serde_json::json;

    #[test]
    fn the_platform_is_what_the_configuration_says_by_now() {
        fidelity::fidelity!("core-config-4");
        let config = &Rig::new().kernel.config;
        let detected = config.platform();
        assert_eq!((detected["os"].as_str(), detected.get("board")), ("linux", None));
        let path = ["services", NUCLEUS, "configuration", "platformOverride"];
        config.configuration.change(|tree| tree.merge(&path, &json!({"board": "x", "os": "y", "no": ["text"]}), 1));
        let mut expected = detected;
        expected.extend([("board", "x"), ("os", "y")].map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(config.platform(), expected);
    }

    #[test]
    fn data_plane_hosts() {
        let of = |nucleus: Value| data_plane(&nucleus, "eu-west-1", "x-ats.iot.eu-west-1.amazonaws.com");
        assert_eq!(of(json!({})), "https://greengrass-ats.iot.eu-west-1.amazonaws.com:8443");
        assert_eq!(
            of(json!({"greengrassDataPlaneEndpoint": "iotdata", "greengrassDataPlanePort": 443})),
            "https://x-ats.iot.eu-west-1.amazonaws.com:443"
        );
        assert_eq!(of(json!({"greengrassDataPlaneEndpoint": "http://gg.local:9"})), "https://gg.local:9");
    }
}
