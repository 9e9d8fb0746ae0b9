//! The condition keys that AWS fills for requests to any service, as the page on global condition keys in the IAM User
//! Guide has them. What only some callers or some services have is with those.

use crate::{clock, event::Decision};
use serde_json::json;
use time::OffsetDateTime;

impl Decision {
    /// The same at a time by AWS's clock.
    pub(super) fn at(self, now: OffsetDateTime) -> Self {
        self.with("aws:CurrentTime", clock::seconds(now)).with("aws:EpochTime", now.unix_timestamp().to_string())
    }

    /// The same on a resource of an account.
    pub(super) fn owned_by(self, account: &str) -> Self {
        let asked = self.with("aws:ResourceAccount", account);
        Self { resource_account: Some(account.to_owned()), ..asked }
    }

    /// The same sent to a region's endpoint, over TLS and by whoever asks, not by a service in their name.
    pub(super) fn sent_to(self, region: &str) -> Self {
        self.with("aws:SecureTransport", "true").with("aws:RequestedRegion", region).with("aws:ViaAWSService", "false")
    }

    /// The same asked by a service of AWS for itself.
    pub(super) fn by_service(self, host: &str) -> Self {
        self.with("aws:PrincipalIsAWSService", "true")
            .with("aws:PrincipalServiceName", host)
            .with("aws:PrincipalServiceNamesList", json!([host]))
    }
}
