//! The answers to requests that take more than a client may.

use super::{super::operation::Protocol, Refusal};
use crate::aws::limits::Excess;

impl Refusal {
    /// The answer to a body that exceeds a limit. S3 has words of its own for that.
    pub(in crate::aws::gate) fn excess(protocol: Protocol, excess: Excess) -> Self {
        match (protocol, excess) {
            (Protocol::S3, Excess::Long(most)) => {
                Self::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                    .with("MaxSizeAllowed", most.to_string())
            }
            (Protocol::S3, Excess::Slow) => Self::new(
                400,
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period. Idle \
                 connections will be closed.",
            ),
            (Protocol::S3, Excess::Crowded) => Self::new(503, "SlowDown", "Please reduce your request rate."),
            (_, Excess::Long(most)) => {
                let message = format!("Request size exceeded {most} bytes");
                Self::new(413, "RequestEntityTooLargeException", message)
            }
            (_, Excess::Slow) => Self::new(408, "RequestTimeoutException", "The request was not received in time"),
            (_, Excess::Crowded) => Self::new(503, "ServiceUnavailableException", "Service is unavailable."),
        }
    }
}
