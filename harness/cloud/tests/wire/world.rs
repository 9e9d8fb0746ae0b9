//! A world of one device for the tests, raised on ports of its own.

use super::client::Failure;
use cloud::aws::alone::{Doors, raise as serve};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::json;
use std::time::Duration;

/// How long the role waits for a client. It is long enough for a healthy one on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

pub(crate) const DATA: &str = "d1-ats.iot.ap-northeast-1.amazonaws.com";
pub(crate) const CREDENTIALS: &str = "c1.credentials.iot.ap-northeast-1.amazonaws.com";

/// A certificate with its key, PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    pub(crate) fn self_signed(name: &str) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let certificate = named(name).self_signed(&key)?.pem();
        Ok(Self { certificate, key: key.serialize_pem() })
    }
}

/// A certificate authority.
pub(crate) struct Authority {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Result<Self, Failure> {
        let Identity { certificate, key } = Identity::self_signed(cloud::world::AUTHORITY_NAME)?;
        Ok(Self { certificate, key })
    }

    /// A certificate that it has signed.
    pub(crate) fn issue(&self, name: &str, expired: bool) -> Result<Identity, Failure> {
        let issuer = Issuer::new(named(cloud::world::AUTHORITY_NAME), KeyPair::from_pem(&self.key)?);
        let key = KeyPair::generate()?;
        let mut params = named(name);
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// What there is to raise.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) device: Identity,
}

impl World {
    pub(crate) fn new() -> Result<Self, Failure> {
        let authority = Authority::new()?;
        let device = authority.issue("Core", false)?;
        Ok(Self { authority, device })
    }

    fn described(&self) -> Result<cloud::world::World, Failure> {
        let everything =
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "credentials.iot.amazonaws.com"}}});
        Ok(serde_json::from_value(json!({
            "environment": "test", "account": "123456789012", "region": "ap-northeast-1",
            "localstack": "http://127.0.0.1:9", "aws": "10.0.0.2", "github": "10.0.0.3",
            "authority": {"certificate": self.authority.certificate, "key": self.authority.key},
            "endpoints": {"data": DATA, "credentials": CREDENTIALS},
            "operator": {"user": "olive", "access_key_id": "AKIAOLIVE", "secret_access_key": "hush"},
            "thing": {"name": "Core", "groups": ["Group"], "certificate": self.device.certificate,
                "policies": {"P": everything.to_string()}},
            "role_aliases": {"Alias": {"role": "Role", "duration_seconds": 3600}},
            "roles": {"Role": {"path": "/", "trust": trust.to_string(), "policies": {}, "max_session_seconds": 3600}},
            "secrets": [], "buckets": [{"name": "artifacts", "objects": {}}], "components": [], "deployments": [],
        }))?)
    }
}

/// A world that is raised.
pub(crate) struct Raised {
    pub(crate) doors: Doors,
    pub(crate) authority: Authority,
    pub(crate) device: Identity,
}

/// Raises a world.
pub(crate) async fn raise() -> Result<Raised, Failure> {
    raise_with(|_| {}).await
}

/// Raises a world that was changed before.
pub(crate) async fn raise_with(change: impl FnOnce(&mut cloud::world::World)) -> Result<Raised, Failure> {
    let world = World::new()?;
    let mut described = world.described()?;
    change(&mut described);
    let doors = serve(described, PATIENCE).await?;
    Ok(Raised { doors, authority: world.authority, device: world.device })
}
