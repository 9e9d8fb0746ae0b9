//! A bucket with its objects and its policy.

use super::LocalStack;
use crate::{
    aws::upstream::{Answer, encoded},
    world::{Bucket, World},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::{HeaderMap, Method};

/// Creates a bucket with its objects and its policy.
pub(super) async fn create(world: &World, localstack: &LocalStack, bucket: &Bucket) -> Result<(), String> {
    let name = &bucket.name;
    let constraint = match world.region.as_str() {
        "us-east-1" => String::new(),
        region => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    let create = || s3(world, localstack, Method::PUT, format!("/{name}"), constraint.clone().into());
    let mut created = create().await?;
    if created.status == 409 {
        // A killed run left it; nobody else can have it now, since names are claimed before an environment is raised.
        delete(world, localstack, name).await?;
        created = create().await?;
    }
    created.done(&format!("creating bucket `{name}`"))?;
    try_join_all(bucket.objects.iter().map(|(key, content)| async move {
        let content = STANDARD.decode(content).map_err(|error| format!("object `{key}`: {error}"))?;
        let put = s3(world, localstack, Method::PUT, format!("/{name}/{}", encoded(key)), content.into()).await?;
        put.done(&format!("putting object `{key}` into `{name}`"))
    }))
    .await?;
    if let Some(policy) = &bucket.policy {
        let put = s3(world, localstack, Method::PUT, format!("/{name}?policy"), policy.clone().into()).await?;
        put.done(&format!("putting the policy of bucket `{name}`"))?;
    }
    Ok(())
}

/// Empties and deletes a bucket.
pub(super) async fn delete(world: &World, localstack: &LocalStack, name: &str) -> Result<(), String> {
    loop {
        let listed =
            s3(world, localstack, Method::GET, format!("/{name}?list-type=2&encoding-type=url"), Bytes::new()).await?;
        let text = String::from_utf8_lossy(&listed.body).into_owned();
        let keys: Vec<_> = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).collect();
        if keys.is_empty() {
            break;
        }
        let delete = |key: &&str| s3(world, localstack, Method::DELETE, format!("/{name}/{key}"), Bytes::new());
        for deleted in try_join_all(keys.iter().map(delete)).await? {
            deleted.done(&format!("emptying bucket `{name}`"))?;
        }
    }
    let deleted = s3(world, localstack, Method::DELETE, format!("/{name}"), Bytes::new()).await?;
    deleted.done(&format!("deleting bucket `{name}`")).map(drop)
}

async fn s3(
    world: &World,
    localstack: &LocalStack,
    method: Method,
    target: String,
    body: Bytes,
) -> Result<Answer, String> {
    localstack.send(("s3", &world.region), method, &target, HeaderMap::new(), body).await
}
