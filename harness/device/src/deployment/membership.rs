//! Which thing groups the device is in.

use super::{Deployer, RETRY, TASK, document::Document, groups};
use crate::{artifact::pause, credentials::chain, dataplane::Error, failure::Failure, log::Line, queue::Kind};
use std::collections::BTreeSet;
use tokio::sync::watch;

const HELPER: &str = "com.aws.greengrass.deployment.ThingGroupHelper";

impl Deployer {
    /// The thing groups that the device is in, or those known from earlier deployments if the cloud doesn't say: it
    /// may refuse, and a local deployment doesn't wait for it.
    pub(super) async fn membership(
        &self,
        document: &Document,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<BTreeSet<String>, Failure> {
        let mut attempt = 0_u32;
        loop {
            let error = match self.data_plane.thing_groups().await {
                Ok(groups) => return Ok(groups.into_iter().collect()),
                Err(error) => error,
            };
            let failure = |codes: &[&'static str]| {
                Failure::new("Error fetching thing group information", codes).because(chain(&error))
            };
            let text = match &error {
                Error::Refused { status: 403, .. } => {
                    "Failed to get thing group hierarchy. Deployment will proceed. To automatically clean up unused \
                     components, please add greengrass:ListThingGroupsForCoreDevice permission to your IoT Thing policy."
                }
                Error::Refused { status: 404, .. } => return Err(failure(&["CLOUD_API_ERROR", "RESOURCE_NOT_FOUND"])),
                Error::Refused { .. } => return Err(failure(&["CLOUD_API_ERROR", "BAD_REQUEST"])),
                Error::Transient(_) | Error::Invalid if document.kind == Kind::Local => {
                    "Failed to get thing group hierarchy, local deployment will proceed"
                }
                Error::Transient(_) | Error::Invalid => {
                    attempt += 1;
                    if attempt == 1 || attempt.is_multiple_of(20) {
                        let line = Line::info(HELPER).event("get-thing-group-hierarchy");
                        let line = line.message("task failed and will be retried");
                        let line = line.with("task-attempt", attempt.to_string());
                        self.kernel.logs.nucleus(&line.cause(chain(&error)));
                    }
                    pause(self.kernel.config.clock, cancelled, RETRY, RETRY).await?;
                    continue;
                }
            };
            self.kernel.logs.nucleus(&Line::warn(TASK).message(text).cause(chain(&error)));
            return Ok(self.kernel.config.configuration.read(groups::known));
        }
    }
}
