//! What S3 takes as the policy of a bucket, beyond what is taken as the policy of any resource.
//!
//! S3 answers `MalformedPolicy` with one of three texts: actions have to be its own, resources have to be the bucket or
//! in it, and each action has to apply to one of the statement's resources. Which actions apply to what is from the
//! Service Authorization Reference. Whether condition keys apply to the actions, which S3 asks too, is not looked at.

mod actions;

use super::error::{Check, Error, Fault};
use crate::{
    json::{Node, Position},
    pattern::{Pattern, Reading},
    request::Context,
};
use actions::{OF_BUCKETS, OF_OBJECTS};

/// What the resources of a statement are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Level {
    bucket: bool,
    objects: bool,
}

/// Refuses what S3 would refuse as the policy of a bucket of this name.
pub(super) fn check(document: &Node, bucket: &str) -> Result<(), Error> {
    let statements = document.get("Statement").map(Node::listed).unwrap_or_default();
    statements.iter().enumerate().try_for_each(|(index, node)| {
        statement(node, bucket).map_err(|(place, fault)| Error { place, statement: Some(index), fault })
    })
}

fn statement(node: &Node, bucket: &str) -> Result<(), (Option<Position>, Fault)> {
    for (text, place) in texts(node, ["Action", "NotAction"]) {
        if !is_of_s3(text) {
            return Err((
                place,
                refused(format!("action `{text}` is none of a bucket's"), "Policy has invalid action"),
            ));
        }
    }
    let mut present = Level::default();
    for (text, place) in texts(node, ["Resource", "NotResource"]) {
        let Some(level) = level(text, bucket) else {
            let detail = format!("resource `{text}` is not the bucket `{bucket}` and not in it");
            return Err((place, refused(detail, "Policy has invalid resource")));
        };
        present = Level { bucket: present.bucket | level.bucket, objects: present.objects | level.objects };
    }
    // What is left when some are taken out is of both kinds.
    if node.get("NotAction").is_some() || node.get("NotResource").is_some() {
        return Ok(());
    }
    for (text, place) in texts(node, ["Action", "NotAction"]) {
        let applies = present.bucket && names_any(text, OF_BUCKETS) || present.objects && names_any(text, OF_OBJECTS);
        if !applies {
            let other = if present.bucket { "objects, not to the bucket" } else { "the bucket, not to its objects" };
            let detail = format!("action `{text}` applies to {other}");
            return Err((place, refused(detail, "Action does not apply to any resource(s) in statement")));
        }
    }
    Ok(())
}

fn refused(detail: String, text: &str) -> Fault {
    Fault::said(Check::Other, detail, text).by("S3")
}

fn texts<'n>(node: &'n Node, keys: [&str; 2]) -> impl Iterator<Item = (&'n str, Option<Position>)> {
    let items = keys.into_iter().filter_map(|key| node.get(key)).flat_map(Node::listed);
    items.filter_map(|item| Some((item.text()?, item.place)))
}

/// Whether a pattern names an action of buckets or objects.
fn is_of_s3(text: &str) -> bool {
    names_any(text, OF_BUCKETS) || names_any(text, OF_OBJECTS)
}

fn names_any(text: &str, actions: &[&str]) -> bool {
    let lower = text.to_ascii_lowercase();
    let name = match lower.split_once(':') {
        Some(("s3" | "*", name)) => name,
        Some(_) => return false,
        None => lower.as_str(),
    };
    let pattern = Pattern::parse(name, Reading { variables: false, wildcards: true });
    let context = Context::default();
    actions.iter().any(|action| pattern.matches(&action.to_ascii_lowercase(), &context))
}

/// What a resource stands for, if that is in the bucket. A wildcard right after the bucket's name is taken for both.
fn level(text: &str, bucket: &str) -> Option<Level> {
    let rest = text.strip_prefix("arn:aws:s3:::")?.strip_prefix(bucket)?;
    match rest.chars().next() {
        None => Some(Level { bucket: true, objects: false }),
        Some('/') => Some(Level { bucket: false, objects: true }),
        Some('*') => Some(Level { bucket: true, objects: true }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use serde_json::{Value, json};

    const BUCKET: &str = "arn:aws:s3:::artifacts";
    const OBJECTS: &str = "arn:aws:s3:::artifacts/*";

    /// What S3 says of a statement; nothing if it takes it.
    fn told(statement: &Value) -> String {
        let mut statement = statement.clone();
        statement["Effect"] = json!("Deny");
        statement["Principal"] = json!("*");
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        Document::read_of_bucket(&text, "artifacts").err().map_or_else(String::new, |error| {
            assert!(error.to_string().contains("(S3 says: "), "{error}");
            error.aws_message().unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn resources_are_the_bucket_or_in_it() {
        fidelity::fidelity!("iam-25");
        for resource in [json!(BUCKET), json!(OBJECTS), json!([BUCKET, OBJECTS]), json!("arn:aws:s3:::artifacts*")] {
            assert_eq!(told(&json!({"Action": "s3:*", "Resource": resource})), "", "{resource}");
        }
        for resource in [
            json!("*"),
            json!("arn:aws:s3:::*"),
            json!("arn:aws:s3:::other/*"),
            json!("arn:aws:s3:::artifacts2/*"),
            json!("arn:aws:s3:::artifact?/*"),
            json!("arn:aws-cn:s3:::artifacts/*"),
            json!("arn:aws:sqs:eu-west-1:1:artifacts"),
            json!([OBJECTS, "arn:aws:s3:::other/*"]),
        ] {
            let statement = json!({"Action": "s3:*", "Resource": resource});
            assert_eq!(told(&statement), "Policy has invalid resource", "{resource}");
            let statement = json!({"Action": "s3:*", "NotResource": resource});
            assert_eq!(told(&statement), "Policy has invalid resource", "{resource}");
        }
    }

    #[test]
    fn actions_are_those_of_buckets_and_objects() {
        fidelity::fidelity!("iam-25");
        let both = json!([BUCKET, OBJECTS]);
        for action in ["*", "*:*", "s3:*", "S3:getobject", "s3:Get*", "s3:List?ucket", "s3:PutBucketCORS"] {
            assert_eq!(told(&json!({"Action": action, "Resource": both})), "", "{action}");
        }
        // Names of the API are not always names of actions.
        for action in [
            "s3:ListObjectsV2",
            "s3:HeadObject",
            "s3:CopyObject",
            "s3:GetBucketLifecycle",
            "s3:GetObjekt",
            "s3:Objec*s",
            "s3:ListAllMyBuckets",
            "ec2:RunInstances",
        ] {
            assert_eq!(told(&json!({"Action": action, "Resource": both})), "Policy has invalid action", "{action}");
            assert_eq!(told(&json!({"NotAction": action, "Resource": both})), "Policy has invalid action", "{action}");
        }
    }

    #[test]
    fn each_action_applies_to_a_resource_of_its_statement() {
        fidelity::fidelity!("iam-25");
        let fault = "Action does not apply to any resource(s) in statement";
        for (action, resource, said) in [
            (json!("s3:GetObject"), json!(OBJECTS), ""),
            (json!("s3:GetObject"), json!(BUCKET), fault),
            (json!("s3:GetObject"), json!([BUCKET, OBJECTS]), ""),
            (json!("s3:ListBucket"), json!(BUCKET), ""),
            (json!("s3:ListBucket"), json!(OBJECTS), fault),
            (json!(["s3:GetObject", "s3:ListBucket"]), json!(OBJECTS), fault),
            (json!(["s3:GetObject", "s3:ListBucket"]), json!([BUCKET, OBJECTS]), ""),
            (json!("s3:Get*"), json!(OBJECTS), ""),
            (json!("s3:PutObject*"), json!(BUCKET), fault),
            (json!("s3:*Bucket"), json!("arn:aws:s3:::artifacts/a"), fault),
        ] {
            assert_eq!(told(&json!({"Action": action, "Resource": resource})), said, "{action} {resource}");
        }
        assert_eq!(told(&json!({"NotAction": "s3:ListBucket", "Resource": OBJECTS})), "");
        assert_eq!(told(&json!({"Action": "s3:ListBucket", "NotResource": OBJECTS})), "");
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        fidelity::fidelity!("iam-25");
        let text = "{\"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\",\n  \
                    \"Action\": \"s3:GetObject\",\n  \"Resource\": \"*\"}]}";
        let error = Document::read_of_bucket(text, "artifacts").unwrap_err();
        assert_eq!(
            error.to_string(),
            "4:15: statement 0: resource `*` is not the bucket `artifacts` and not in it \
             (S3 says: Policy has invalid resource)"
        );
        let taken = text.replace("\"*\"}]", "\"arn:aws:s3:::artifacts/*\"}]");
        assert!(Document::read_of_bucket(&taken, "artifacts").is_ok());
    }
}
