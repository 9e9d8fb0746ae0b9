//! Certificates: made, registered, and their status.

use super::{
    super::{
        super::rest::{Call, Fault},
        registry::{Certificate, Registry, State, Status},
    },
    Answer, conflict, exists,
    input::{self, CERTIFICATE, seconds},
    invalid, missing, page,
};
use crate::{clock, world::World};
use rcgen::{CertificateParams, CertificateSigningRequestParams, DnType, Issuer, KeyPair, SerialNumber};
use serde_json::{Value, json};
use std::fmt::Display;
use time::{Duration, macros::datetime};

pub(super) fn operation(name: &str) -> Option<fn(&Registry, &Call) -> Answer> {
    Some(match name {
        "RegisterCertificateWithoutCA" => register,
        "DescribeCertificate" => describe,
        "ListCertificates" => list,
        "UpdateCertificate" => update,
        "DeleteCertificate" => delete,
        _ => return None,
    })
}

/// `CreateKeysAndCertificate`: the key pair is on P-256, where AWS makes RSA keys of 2,048 bits.
pub(super) fn create_keys(registry: &Registry, world: &World, call: &Call) -> Answer {
    let key = KeyPair::generate().map_err(internal)?;
    let params = named_by_aws()?;
    let certificate = params.signed_by(&key, &issuer(world)?).map_err(internal)?.pem();
    let mut answer = put(registry, &certificate, status(call))?;
    answer["certificatePem"] = certificate.into();
    answer["keyPair"] = json!({"PublicKey": key.public_key_pem(), "PrivateKey": key.serialize_pem()});
    Ok(answer)
}

/// `CreateCertificateFromCsr`: the subject and the key are the request's.
pub(super) fn create_from_csr(registry: &Registry, world: &World, call: &Call) -> Answer {
    let request = input::text(call, "certificateSigningRequest")?;
    let mut request = CertificateSigningRequestParams::from_pem(request)
        .map_err(|_| invalid("Invalid CSR. Please check the CSR and try again."))?;
    validity(&mut request.params);
    let certificate = request.signed_by(&issuer(world)?).map_err(internal)?.pem();
    let mut answer = put(registry, &certificate, status(call))?;
    answer["certificatePem"] = certificate.into();
    Ok(answer)
}

fn status(call: &Call) -> Status {
    if input::flag(call, "setAsActive") { Status::Active } else { Status::Inactive }
}

/// The certificates of AWS have one name for all.
fn named_by_aws() -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(internal)?;
    params.distinguished_name.push(DnType::CommonName, "AWS IoT Certificate");
    validity(&mut params);
    Ok(params)
}

fn validity(params: &mut CertificateParams) {
    params.serial_number = Some(SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes()));
    params.not_before = clock::now() - Duration::minutes(2);
    params.not_after = datetime!(2049-12-31 23:59:59 UTC);
}

fn issuer(world: &World) -> Result<Issuer<'static, KeyPair>, Fault> {
    let key = KeyPair::from_pem(&world.authority.key.0).map_err(internal)?;
    let mut params = CertificateParams::default();
    let unit = "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US";
    params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    Ok(Issuer::new(params, key))
}

fn internal(error: impl Display) -> Fault {
    tracing::warn!(%error, "a certificate could not be made");
    Fault::new(500, "InternalFailureException", "An unexpected error has occurred.")
}

fn put(registry: &Registry, pem: &str, status: Status) -> Answer {
    let certificate = Certificate::from_pem(pem, status).map_err(|_| {
        Fault::new(400, "CertificateValidationException", "The certificate is not a valid X.509 certificate")
    })?;
    let id = certificate.id();
    let arn = registry.arn("cert", &id);
    let mut state = registry.write();
    if state.certificates.contains_key(&id) {
        return Err(exists("The certificate is already provisioned or registered", &id, &arn));
    }
    state.certificates.insert(id.clone(), certificate);
    Ok(json!({"certificateArn": arn, "certificateId": id}))
}

fn register(registry: &Registry, call: &Call) -> Answer {
    let pem = input::text(call, "certificatePem")?;
    let status = call.text("status").map_or(Ok(Status::Inactive), |name| wanted("status", name))?;
    put(registry, pem, status)
}

fn wanted(field: &str, name: &str) -> Result<Status, Fault> {
    const KNOWN: [&str; 6] =
        ["ACTIVE", "INACTIVE", "PENDING_ACTIVATION", "PENDING_TRANSFER", "REGISTER_INACTIVE", "REVOKED"];
    if !KNOWN.contains(&name) {
        let rule = format!("Member must satisfy enum value set: [{}]", KNOWN.join(", "));
        return Err(input::violated(field, format!("'{name}'"), &rule));
    }
    Status::of(name).ok_or_else(|| invalid(format!("Certificate status {name} can not be set by a caller")))
}

fn known<'s>(state: &'s State, id: &str) -> Result<&'s Certificate, Fault> {
    state.certificates.get(id).ok_or_else(|| absent(id))
}

fn absent(id: &str) -> Fault {
    missing(format!("Certificate {id} does not exist"))
}

fn id(call: &Call) -> Result<String, Fault> {
    let id = input::label(call, "certificateId", CERTIFICATE)?;
    if id.len() < 64 {
        let rule = "Member must have length greater than or equal to 64";
        return Err(input::violated("certificateId", format!("'{id}'"), rule));
    }
    Ok(id.to_ascii_lowercase())
}

fn describe(registry: &Registry, call: &Call) -> Answer {
    let id = id(call)?;
    let state = registry.read();
    let certificate = known(&state, &id)?;
    Ok(json!({"certificateDescription": {
        "certificateArn": registry.arn("cert", &id), "certificateId": id, "status": certificate.status.name(),
        "certificatePem": certificate.pem, "ownedBy": call.account,
        "creationDate": seconds(certificate.created), "lastModifiedDate": seconds(certificate.modified),
        "customerVersion": certificate.version, "transferData": {},
        "validity": {"notBefore": seconds(certificate.valid.0), "notAfter": seconds(certificate.valid.1)},
        "certificateMode": "DEFAULT",
    }}))
}

fn list(registry: &Registry, call: &Call) -> Answer {
    let state = registry.read();
    let mut known: Vec<_> = state.certificates.iter().collect();
    known.sort_by_key(|(_, certificate)| certificate.created);
    if !input::flag(call, "isAscendingOrder") {
        known.reverse();
    }
    let shown = |(id, certificate): (&String, &Certificate)| -> Value {
        json!({
            "certificateArn": registry.arn("cert", id), "certificateId": id, "status": certificate.status.name(),
            "certificateMode": "DEFAULT", "creationDate": seconds(certificate.created),
        })
    };
    page::of(call, page::MARKER, "certificates", known.into_iter().map(shown).collect())
}

fn update(registry: &Registry, call: &Call) -> Answer {
    let id = id(call)?;
    let name =
        call.query("newStatus").ok_or_else(|| input::violated("newStatus", "null", "Member must not be null"))?;
    let status = wanted("newStatus", name)?;
    let mut state = registry.write();
    let certificate = state.certificates.get_mut(&id).ok_or_else(|| absent(&id))?;
    if certificate.status == Status::Revoked && status != Status::Revoked {
        let message = format!("A revoked certificate can not be updated. Id: {id}");
        return Err(Fault::new(406, "CertificateStateException", message));
    }
    certificate.status = status;
    certificate.modified = clock::now();
    certificate.version += 1;
    Ok(Value::Null)
}

fn delete(registry: &Registry, call: &Call) -> Answer {
    let id = id(call)?;
    let force = input::flag(call, "forceDelete");
    let arn = registry.arn("cert", &id);
    let mut state = registry.write();
    let certificate = known(&state, &id)?;
    if certificate.status == Status::Active {
        let message = format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
        return Err(Fault::new(406, "CertificateStateException", message));
    }
    if state.things.values().any(|thing| thing.has(&id)) {
        return Err(conflict(format!("Things must be detached before deletion (arn: {arn})")));
    }
    if !force && !certificate.policies.is_empty() {
        return Err(conflict(format!("Certificate policies must be detached before deletion (arn: {arn})")));
    }
    state.certificates.remove(&id);
    Ok(Value::Null)
}
