//! What comes from IoT Core: who subscribes to what, who gets which message, and what a connection begins with.

use crate::{
    fleet,
    jobs::Jobs,
    kernel::Kernel,
    log::Line,
    mqtt::{Incoming, Mqtt},
    queue::Kind,
    shadow::Shadow,
    status::Keeper,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long the nucleus waits before it subscribes again, and by how much more at most.
const RESUBSCRIBE: Duration = Duration::from_mins(2);
const JITTER: u64 = 10_000;

/// Both channels of the cloud.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) mqtt: Mqtt,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) shadow: Arc<Shadow>,
    pub(crate) keeper: Arc<Keeper>,
}

impl Channel {
    /// Subscribes, then receives until the core ends.
    pub(crate) async fn run(self, mut incoming: mpsc::UnboundedReceiver<Incoming>) {
        self.clone().begin();
        while let Some(incoming) = incoming.recv().await {
            match incoming {
                Incoming::Resumed => {
                    self.kernel.report(fleet::Event::Resumed);
                    self.clone().resume();
                }
                Incoming::Interrupted => self.kernel.report(fleet::Event::Interrupted),
                Incoming::Message { topic, payload } => {
                    let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
                    if !self.shadow.message(&topic, &payload) {
                        self.jobs.message(&topic, &payload);
                    }
                }
            }
        }
    }

    fn begin(self) {
        let other = self.clone();
        tokio::spawn(async move {
            const TEXT: &str = "Caught exception while subscribing to shadow topics, will retry shortly";
            let line = || Line::warn(crate::shadow::LOGGER).message(TEXT);
            other.subscribe(&other.shadow.topics(), line).await;
            other.shadow.get();
        });
        tokio::spawn(async move {
            let line = || Line::warn(crate::jobs::LOGGER).message(crate::jobs::RETRY);
            self.subscribe(&self.jobs.topics(), line).await;
            self.jobs.get();
            self.keeper.deliver(Kind::Job).await;
        });
    }

    /// Subscribes until it works.
    async fn subscribe(&self, topics: &[String], line: impl Fn() -> Line) {
        while let Err(error) = self.mqtt.subscribe(topics).await {
            self.kernel.logs.nucleus(&line().cause(error.to_string()));
            let pause = RESUBSCRIBE + Duration::from_millis(rand::random_range(0..JITTER));
            self.kernel.config.clock.sleep(pause).await;
        }
    }

    /// What each later connection begins with. Nobody who receives may wait for an answer.
    fn resume(self) {
        let other = self.clone();
        tokio::spawn(async move {
            other.shadow.get();
            other.keeper.deliver(Kind::Shadow).await;
        });
        tokio::spawn(async move {
            self.jobs.get();
            self.keeper.deliver(Kind::Job).await;
        });
    }
}
