//! The least policies: of the token exchange role, the component's artifacts and secrets; of the certificate, what every core
//! needs.

use super::{Needs, Subject, subject::uris};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What its file is called.
pub(super) const NAME: &str = "device-policy.json";

/// What the file of the certificate's IoT policy is called.
pub(super) const CORE: &str = "core-policy.json";

/// The IoT policy of the core's certificate: it is a core, and exchanges its certificate for the role's credentials.
pub(super) fn core(subject: &Subject) -> String {
    let alias =
        format!("arn:aws:iot:{}:{}:rolealias/GreengrassV2TokenExchangeRoleAlias", subject.region, subject.account);
    let core = json!({
        "Sid": "BeACore",
        "Effect": "Allow",
        "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "greengrass:*"],
        "Resource": "*",
    });
    written(&[core, statement("ExchangeTheToken", "iot:AssumeRoleWithCertificate", vec![alias.into()])])
}

/// The text of the role's policy; nothing for a component that asks AWS for nothing.
pub(super) fn least(subject: &Subject, needs: &Needs) -> Option<String> {
    let Subject { account, region, .. } = subject;
    let uris = uris(&subject.values);
    let objects: Vec<_> = uris.iter().filter_map(|uri| uri.strip_prefix("s3://")).collect();
    let buckets: BTreeSet<_> = objects.iter().filter_map(|object| Some(object.split_once('/')?.0)).collect();
    let of = |paths: BTreeSet<String>| {
        let arns = paths.into_iter().map(|path| format!("arn:aws:s3:::{path}"));
        arns.map(Value::from).collect::<Vec<_>>()
    };
    let mut statements = Vec::new();
    if !objects.is_empty() {
        let found = of(buckets.into_iter().map(str::to_owned).collect());
        statements.push(statement("FindTheBucket", "s3:GetBucketLocation", found));
        statements.push(statement(
            "ReadTheArtifacts",
            "s3:GetObject",
            of(objects.iter().map(|path| any_version(path, subject)).collect()),
        ));
    }
    if !needs.secrets.is_empty() {
        let arns = needs.secrets.iter().map(|(name, secret)| {
            // Secrets Manager ends each ARN with six characters of its own.
            let suffix = secret.suffix.as_deref().unwrap_or("??????");
            Value::from(format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}"))
        });
        statements.push(statement("ReadTheSecrets", "secretsmanager:GetSecretValue", arns.collect()));
    }
    if statements.is_empty() {
        return None;
    }
    Some(written(&statements))
}

fn written(statements: &[Value]) -> String {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    serde_json::to_string_pretty(&policy).expect("a value always serialises") + "\n"
}

/// An artifact's place in any version of the component, as the next one will be read too.
fn any_version(path: &str, subject: &Subject) -> String {
    let version = format!("/{}/", subject.component.version);
    path.split_once(&version).map_or_else(|| path.to_owned(), |(before, file)| format!("{before}/*/{file}"))
}

fn statement(sid: &str, action: &str, mut resources: Vec<Value>) -> Value {
    let resource = if resources.len() == 1 { resources.remove(0) } else { Value::Array(resources) };
    json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource})
}
