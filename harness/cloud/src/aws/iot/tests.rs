//! A world for the tests, and the tests that need more than one module.

mod connect;
mod data_plane;
mod mqtt;
mod wire_lite;

use super::{Iot, Registry};
use crate::{
    aws::{inventory::Inventory, upstream::LocalStack},
    world::World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use std::sync::Arc;

/// The broker's name that clients ask for.
pub(in crate::aws) const DOMAIN: &str = "a1b2-ats.iot.ap-northeast-1.amazonaws.com";

pub(in crate::aws) const HELLO: &str = "
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Hello
ComponentVersion: '1.0.0'
Manifests:
  - Platform: {os: linux}
    Artifacts:
      - Uri: s3://bucket/hello/main.py
    Lifecycle: {Run: {Script: echo, Timeout: 5}}
  - Platform: {os: windows}
";

pub(in crate::aws) fn everything() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iot:*", "greengrass:*"], "Resource": "*"}
    ]})
}

pub(in crate::aws) fn world(policy: &Value, recipes: &[&str]) -> World {
    let certificate = rcgen::generate_simple_self_signed(["core".to_owned()]).unwrap().cert.pem();
    let components: Vec<_> = recipes.iter().map(|recipe| json!({"recipe": recipe, "public": false})).collect();
    serde_json::from_value(json!({
        "environment": "test", "account": "123456789012", "region": "ap-northeast-1",
        "localstack": "http://127.0.0.1:4566", "aws": "127.0.0.1", "github": "127.0.0.1",
        "authority": {"certificate": "", "key": ""},
        "endpoints": {"data": "x", "credentials": "y"},
        "thing": {"name": "Core", "groups": ["Group"], "certificate": certificate, "policies": {"P": policy.to_string()}},
        "role_aliases": {}, "roles": {}, "secrets": [],
        "buckets": [{"name": "bucket", "objects": {"hello/main.py": BASE64.encode("print()")}}],
        "components": components,
        "deployments": [{
            "id": "d-1", "job": "j-1", "target": {"group": "Group"},
            "components": {"com.example.Hello": {"version": "1.0.0"}}
        }]
    }))
    .unwrap()
}

pub(in crate::aws) fn iot(policy: &Value, recipes: &[&str]) -> Arc<Iot> {
    iot_of(world(policy, recipes)).unwrap()
}

pub(in crate::aws) fn iot_of(world: World) -> Result<Arc<Iot>, String> {
    let account = Arc::new(Inventory::new(&world, LocalStack::new(&world))?);
    let registry = Arc::new(Registry::new(&world, account)?);
    Iot::new(Arc::new(world), registry, Arc::default(), Arc::default())
}

pub(super) fn certificate(iot: &Iot) -> Vec<u8> {
    CertificateDer::from_pem_slice(iot.world.thing.certificate.as_bytes()).unwrap().to_vec()
}

impl Iot {
    /// Takes a message of a thing to one of its reserved topics.
    pub(in crate::aws) fn says(&self, thing: &str, topic: &str, payload: &Value) {
        let topic = format!("$aws/things/{thing}/{topic}");
        drop(self.reserved().answer(&topic, payload.to_string().as_bytes()));
    }
}

#[test]
fn a_bad_recipe_is_named_by_position_and_line() {
    fidelity::fidelity!("iot-23");
    let error = iot_of(world(&everything(), &[HELLO, "a: 1\nb: [\n"])).unwrap_err();
    assert!(error.contains("component 1") && error.contains("line"), "{error}");
}
