//! Names and ARNs that follow from what a template says of a resource, without deploying it.

use super::{
    intrinsic::{Scope, Unresolved},
    tree::Node,
};

/// What `Ref` (no attribute) or `Fn::GetAtt` gives for a resource; nothing where only the deployed stack knows.
///
/// The ARN of a secret ends in six random characters, for which `??????` stands here as it does in policies.
pub(super) fn value(scope: Scope<'_>, resource: &Node, attribute: Option<&str>) -> Result<Option<String>, Unresolved> {
    let of = resource.get("Type").and_then(Node::text).unwrap_or_default();
    let property = |name: &str| resource.get("Properties").and_then(|all| all.get(name));
    let stated = |name: &str| property(name).map(|value| scope.text(value)).transpose();
    let path = || Ok(stated("Path")?.unwrap_or_else(|| "/".into()));
    let arn = |service: &str, rest: String| {
        let (region, account) = match service {
            "s3" => (String::new(), String::new()),
            "iam" => (String::new(), pseudo(scope, "AccountId", resource)?),
            _ => (pseudo(scope, "Region", resource)?, pseudo(scope, "AccountId", resource)?),
        };
        let partition = pseudo(scope, "Partition", resource)?;
        Ok(Some(format!("arn:{partition}:{service}:{region}:{account}:{rest}")))
    };
    let name = match of {
        "AWS::S3::Bucket" => "BucketName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::SecretsManager::Secret" => "Name",
        "AWS::IoT::Thing" => "ThingName",
        "AWS::IoT::Policy" => "PolicyName",
        "AWS::IoT::RoleAlias" => "RoleAlias",
        "AWS::Logs::LogGroup" => "LogGroupName",
        _ => return Ok(None),
    };
    let Some(name) = stated(name)? else { return Ok(None) };
    match (of, attribute) {
        ("AWS::S3::Bucket", Some("Arn")) => arn("s3", name),
        ("AWS::IAM::Role", Some("Arn")) => arn("iam", format!("role{}{name}", path()?)),
        ("AWS::IAM::ManagedPolicy", None | Some("PolicyArn")) => arn("iam", format!("policy{}{name}", path()?)),
        ("AWS::SecretsManager::Secret", None | Some("Id")) => arn("secretsmanager", format!("secret:{name}-??????")),
        ("AWS::IoT::Thing", Some("Arn")) => arn("iot", format!("thing/{name}")),
        ("AWS::IoT::Policy", Some("Arn")) => arn("iot", format!("policy/{name}")),
        ("AWS::IoT::RoleAlias", Some("RoleAliasArn")) => arn("iot", format!("rolealias/{name}")),
        ("AWS::Logs::LogGroup", Some("Arn")) => arn("logs", format!("log-group:{name}:*")),
        (_, None) => Ok(Some(name)),
        (_, Some(_)) => Ok(None),
    }
}

fn pseudo(scope: Scope<'_>, name: &str, at: &Node) -> Result<String, Unresolved> {
    scope.named(&format!("AWS::{name}"), None, at.place)
}
