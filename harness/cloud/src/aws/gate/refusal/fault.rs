//! What services answer where a fault wants it.

use super::Refusal;
use crate::fault::Service;

impl Refusal {
    /// A service's usual answer with a status.
    pub(in crate::aws::gate) fn of_status(service: Service, status: u16) -> Self {
        let (code, message) = if service == Service::S3 { of_s3(status) } else { of_others(service, status) };
        Self::new(status, code, message)
    }

    /// A service's answer to who asks too often.
    pub(in crate::aws::gate) fn throttled(service: Service) -> Self {
        match service {
            Service::S3 => Self::of_status(service, 503),
            Service::Kms => {
                let message =
                    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
                Self::new(400, "ThrottlingException", message)
            }
            Service::Sts => Self::new(400, "Throttling", "Rate exceeded"),
            _ => Self::new(400, "ThrottlingException", "Rate exceeded"),
        }
    }
}

fn of_s3(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("InvalidRequest", "Invalid Request"),
        403 => ("AccessDenied", "Access Denied"),
        404 => ("NoSuchKey", "The specified key does not exist."),
        429 | 503 => ("SlowDown", "Please reduce your request rate."),
        _ => ("InternalError", "We encountered an internal error. Please try again."),
    }
}

fn of_others(service: Service, status: u16) -> (&'static str, &'static str) {
    match (service, status) {
        (Service::Sts, 403) => ("AccessDenied", "Access Denied"),
        (_, 403) => ("AccessDeniedException", "Access Denied"),
        (_, 404) => ("ResourceNotFoundException", "The requested resource could not be found."),
        (Service::Sts, 400) => {
            ("ValidationError", "The input fails to satisfy the constraints specified by an AWS service.")
        }
        (_, 400) => ("ValidationException", "The input fails to satisfy the constraints specified by an AWS service."),
        (Service::Sts, 429) => ("Throttling", "Rate exceeded"),
        (_, 429) => ("ThrottlingException", "Rate exceeded"),
        (_, 503) => ("ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
        (Service::SecretsManager, _) => ("InternalServiceError", "An error occurred on the server side."),
        (Service::Kms, _) => (
            "KMSInternalException",
            "The request was rejected because an internal exception occurred. The request can be retried.",
        ),
        _ => {
            ("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
        }
    }
}
