//! Certificates: what IoT knows of one, and who holds it.

use super::super::super::certificate_id;
use crate::clock;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who has proved to hold an active certificate.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Holder {
    arn: String,
    id: String,
}

impl Holder {
    pub(super) fn new(arn: String, id: String) -> Self {
        Self { arn, id }
    }

    /// The ARN of the certificate.
    pub(in crate::aws) fn arn(&self) -> &str {
        &self.arn
    }

    /// The certificate's id, by which role sessions are called too.
    pub(in crate::aws) fn id(&self) -> &str {
        &self.id
    }
}

/// A certificate.
#[derive(Clone, Debug)]
pub(in super::super) struct Certificate {
    der: Vec<u8>,
    pub(in super::super) pem: String,
    pub(in super::super) status: Status,
    pub(in super::super) created: OffsetDateTime,
    pub(in super::super) modified: OffsetDateTime,
    /// From when until when it is valid.
    pub(in super::super) valid: (OffsetDateTime, OffsetDateTime),
    /// How often its status was changed, counted from 1.
    pub(in super::super) version: i64,
    /// Names of the attached policies, in the order in which they were attached.
    pub(in super::super) policies: Vec<String>,
}

/// What may be done with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Status {
    /// Everything.
    Active,
    /// Nothing for now.
    Inactive,
    /// Nothing any more.
    Revoked,
}

impl Status {
    /// Its name in the API.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
        }
    }

    /// The status of a name.
    pub(in super::super) fn of(name: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Revoked].into_iter().find(|status| status.name() == name)
    }
}

impl Certificate {
    /// A certificate that is registered now.
    ///
    /// # Errors
    /// If it is no X.509 certificate.
    pub(in super::super) fn from_pem(pem: &str, status: Status) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?.to_vec();
        let (_, read) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let valid = (read.validity().not_before.to_datetime(), read.validity().not_after.to_datetime());
        let now = clock::now();
        let pem = pem.to_owned();
        Ok(Self { pem, status, created: now, modified: now, valid, version: 1, policies: Vec::new(), der })
    }

    /// Its id.
    pub(in super::super) fn id(&self) -> String {
        certificate_id(&self.der)
    }

    /// Whether it may be used at a time.
    pub(super) fn counts(&self, now: OffsetDateTime) -> bool {
        self.status == Status::Active && self.valid.0 <= now && now <= self.valid.1
    }
}
