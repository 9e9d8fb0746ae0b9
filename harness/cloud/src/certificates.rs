//! Server certificates, minted by the environment's own authority; on purpose with a flaw, where a fault wants it.

use crate::{
    fault::Special,
    world::{AUTHORITY_NAME, Authority},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

/// The authority that a device does not know.
const INSPECTION: &str = "Example Corp TLS Inspection CA";
/// The host that a certificate with the wrong name is for.
const ANOTHER_HOST: &str = "another-host.example.com";

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    /// It is signed by itself.
    Untrusted,
    Expired,
    NotYetValid,
    /// It is for another host.
    WrongName,
    /// It is of an authority that the device does not know.
    Intercepted,
}

impl Flaw {
    /// The flaw that a fault wants.
    pub(crate) const fn of(special: Special) -> Option<Self> {
        match special {
            Special::TlsUntrusted => Some(Self::Untrusted),
            Special::TlsExpired => Some(Self::Expired),
            Special::TlsNotYetValid => Some(Self::NotYetValid),
            Special::TlsWrongName => Some(Self::WrongName),
            Special::TlsIntercepted => Some(Self::Intercepted),
            _ => None,
        }
    }
}

/// A certificate with what a server sends besides, and its key.
pub(crate) type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What issues server certificates.
pub(crate) struct Mint(Issuer<'static, KeyPair>);

impl Mint {
    /// In the name of an authority.
    pub(crate) fn new(authority: &Authority) -> Result<Self, String> {
        let key = KeyPair::from_pem(&authority.key.0).map_err(|error| format!("reading the CA's key: {error}"))?;
        Ok(Self(Issuer::new(named(AUTHORITY_NAME), key)))
    }

    /// A certificate for a host, as the issuer sees the time.
    pub(crate) fn certificate(&self, host: &str, flaw: Option<Flaw>, now: OffsetDateTime) -> Result<Chain, String> {
        self.minted(host, flaw, now).map_err(|error| format!("minting a certificate: {error}"))
    }

    fn minted(&self, host: &str, flaw: Option<Flaw>, now: OffsetDateTime) -> Result<Chain, rcgen::Error> {
        let (days_ago, days_to_come) = match flaw {
            Some(Flaw::Expired) => (30, -1),
            Some(Flaw::NotYetValid) => (-1, 30),
            _ => (1, 30),
        };
        let host = if flaw == Some(Flaw::WrongName) { ANOTHER_HOST } else { host };
        let key = KeyPair::generate()?;
        let mut params = named(host);
        params.subject_alt_names.push(SanType::DnsName(host.try_into()?));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = now.saturating_sub(Duration::days(days_ago));
        params.not_after = now.saturating_add(Duration::days(days_to_come));
        params.use_authority_key_identifier_extension = flaw != Some(Flaw::Untrusted);
        let chain = match flaw {
            Some(Flaw::Untrusted) => vec![params.self_signed(&key)?.der().clone()],
            Some(Flaw::Intercepted) => {
                let inspection = KeyPair::generate()?;
                let mut authority = named(INSPECTION);
                authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                authority.not_before = params.not_before;
                authority.not_after = params.not_after;
                let root = authority.self_signed(&inspection)?.der().clone();
                vec![params.signed_by(&key, &Issuer::new(authority, inspection))?.der().clone(), root]
            }
            _ => vec![params.signed_by(&key, &self.0)?.der().clone()],
        };
        Ok((chain, PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, world::Sensitive};
    use x509_parser::prelude::{FromDer, X509Certificate};

    /// The subject and issuer of a minted certificate, whether it is valid now, and how many a server sends.
    fn minted(flaw: Option<Flaw>) -> (String, String, bool, usize) {
        let key = KeyPair::generate().unwrap().serialize_pem();
        let mint = Mint::new(&Authority { certificate: String::new(), key: Sensitive(key) }).unwrap();
        let (chain, _) = mint.certificate("github.com", flaw, clock::now()).unwrap();
        let (_, first) = X509Certificate::from_der(&chain[0]).unwrap();
        (first.subject().to_string(), first.issuer().to_string(), first.validity().is_valid(), chain.len())
    }

    #[test]
    fn each_flaw_is_in_the_certificate_and_nothing_else_is() {
        fidelity::fidelity!("fault-9");
        let seen = |subject: &str, issuer: &str, is_valid, sent| {
            (format!("CN={subject}"), format!("CN={issuer}"), is_valid, sent)
        };
        assert_eq!(minted(None), seen("github.com", AUTHORITY_NAME, true, 1));
        assert_eq!(minted(Some(Flaw::Untrusted)), seen("github.com", "github.com", true, 1));
        assert_eq!(minted(Some(Flaw::Expired)), seen("github.com", AUTHORITY_NAME, false, 1));
        assert_eq!(minted(Some(Flaw::NotYetValid)), seen("github.com", AUTHORITY_NAME, false, 1));
        assert_eq!(minted(Some(Flaw::WrongName)), seen(ANOTHER_HOST, AUTHORITY_NAME, true, 1));
        assert_eq!(minted(Some(Flaw::Intercepted)), seen("github.com", INSPECTION, true, 2));
    }
}
