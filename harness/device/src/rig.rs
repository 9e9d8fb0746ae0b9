//! What unit tests of the channels stand on: a kernel with a folder of its own, and a connection that leads nowhere.

use crate::{
    config::Config,
    credentials::Provider,
    fleet::Event,
    kernel::Kernel,
    log::Logs,
    mqtt::{Mqtt, Outbox},
    store::Store,
};
use serde_json::json;
use std::{fs, os::unix::fs::MetadataExt, sync::Arc};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A core without a cloud.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) mqtt: Mqtt,
    pub(crate) outbox: Outbox,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = fs::metadata("/proc/self").unwrap();
        let file = folder.path().join("config.yaml");
        let user = format!("{}:{}", own.uid(), own.gid());
        let config = json!({
            "system": {"thingName": "T", "certificateFilePath": "c", "privateKeyPath": "k", "rootCaPath": "r"},
            "services": {"aws.greengrass.Nucleus": {"configuration": {
                "awsRegion": "eu-west-1", "iotDataEndpoint": "d", "iotCredEndpoint": "c", "iotRoleAlias": "A",
                "runWithDefault": {"posixUser": user}}}},
        });
        fs::write(&file, config.to_string()).unwrap();
        let config = Config::load(&file, folder.path()).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let logs = Arc::new(Logs::new(&store.logs()));
        let provider = Arc::new(Provider::for_tests(&config, logs.clone()));
        let (sender, events) = mpsc::unbounded_channel();
        let (mqtt, outbox) = Mqtt::nowhere();
        Self { kernel: Kernel::new(config, store, logs, provider, sender), folder, events, mqtt, outbox }
    }

    /// The nucleus's log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("logs/greengrass.log")).unwrap_or_default()
    }
}
