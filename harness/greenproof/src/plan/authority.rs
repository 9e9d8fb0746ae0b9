//! The environment's private certificate authority and what it issues.

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer as Signer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime, macros::datetime};

/// A certificate with its private key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Identity {
    /// SHA-256 of the certificate's DER form, in hex: what IoT calls the certificate id.
    pub(super) fn id(&self) -> String {
        let base64: String = self.certificate.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(base64).expect("rcgen writes PEM");
        hex::encode(Sha256::digest(der))
    }
}

/// The certificate authority.
pub(super) struct Issuer {
    certificate: String,
    signer: Signer<'static, KeyPair>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer")
    }
}

impl Issuer {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params(cloud::world::AUTHORITY_NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, signer: Signer::new(params, key) })
    }

    /// The authority that these texts are of.
    pub(super) fn of(certificate: &str, key: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::from_pem(key)?;
        let signer = Signer::new(params(cloud::world::AUTHORITY_NAME), key);
        Ok(Self { certificate: certificate.to_owned(), signer })
    }

    pub(super) fn certificate(&self) -> String {
        self.certificate.clone()
    }

    pub(super) fn key(&self) -> String {
        self.signer.key().serialize_pem()
    }

    /// A device certificate, as IoT issues them: a client certificate whose common name is `AWS IoT Certificate`.
    pub(super) fn device(&self) -> Result<Identity, rcgen::Error> {
        let mut params = params("AWS IoT Certificate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params)
    }

    /// A server certificate for these names.
    pub(super) fn server(&self, names: &[&str]) -> Result<Identity, rcgen::Error> {
        let mut params = params(names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names {
            params.subject_alt_names.push(rcgen::SanType::DnsName((*name).try_into()?));
        }
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.signer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

/// When the certificates end that AWS IoT issues.
const END: OffsetDateTime = datetime!(2049-12-31 23:59:59 UTC);

/// Parameters of a certificate that is valid from yesterday, so that clocks may differ, until 2049 as AWS's are: a device's
/// clock and those of the clouds may be moved by years.
fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = END;
    params.use_authority_key_identifier_extension = true;
    params
}
