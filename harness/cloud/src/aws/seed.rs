//! What the world holds from the start, put into LocalStack and taken out again.
//!
//! Secrets go in by `aws-sdk-secretsmanager`; buckets and objects by plain S3 requests. Everything at once: this is on
//! the way to every run's first answer.

use super::upstream::{Answer, LocalStack, encoded};
use crate::world::{Bucket, Secret, World};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    error::{DisplayErrorContext, SdkError},
    operation::create_secret::CreateSecretError,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use hyper::{HeaderMap, Method};

/// Puts the seeds in.
pub(super) async fn sow(world: &World, localstack: &LocalStack) -> Result<(), String> {
    let client = client(world);
    tokio::try_join!(
        try_join_all(world.secrets.iter().map(|secret| create_secret(&client, secret))),
        try_join_all(world.buckets.iter().map(|bucket| create_bucket(world, localstack, bucket))),
    )?;
    Ok(())
}

/// Takes the seeds out, as far as LocalStack lets it: what stays is in an account that no run has again.
pub(super) async fn reap(world: &World, localstack: &LocalStack) {
    let client = client(world);
    let secrets = world.secrets.iter().map(|secret| async {
        _ = client.delete_secret().secret_id(&secret.name).force_delete_without_recovery(true).send().await;
    });
    let buckets = world.buckets.iter().map(|bucket| async {
        if let Err(error) = delete_bucket(world, localstack, &bucket.name).await {
            tracing::warn!(error, bucket = bucket.name, "a bucket stays behind");
        }
    });
    tokio::join!(join_all(secrets), join_all(buckets));
}

fn client(world: &World) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&world.localstack)
        .region(Region::new(world.region.clone()))
        .credentials_provider(Credentials::new(&world.account, "seed", None, None, "greenproof"))
        .build();
    Client::from_conf(config)
}

async fn create_secret(client: &Client, secret: &Secret) -> Result<(), String> {
    let create = || client.create_secret().name(&secret.name).secret_string(&secret.value.0).send();
    let mut created = create().await;
    let exists = |error: &SdkError<CreateSecretError, _>| {
        error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception)
    };
    if created.as_ref().is_err_and(exists) {
        // A killed run left it in an account that the scenario states.
        _ = client.delete_secret().secret_id(&secret.name).force_delete_without_recovery(true).send().await;
        created = create().await;
    }
    created.map(drop).map_err(|error| format!("creating secret `{}`: {}", secret.name, DisplayErrorContext(error)))
}

async fn create_bucket(world: &World, localstack: &LocalStack, bucket: &Bucket) -> Result<(), String> {
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
        delete_bucket(world, localstack, name).await?;
        created = create().await?;
    }
    done(&created, &format!("creating bucket `{name}`"))?;
    try_join_all(bucket.objects.iter().map(|(key, content)| async move {
        let content = STANDARD.decode(content).map_err(|error| format!("object `{key}`: {error}"))?;
        let put = s3(world, localstack, Method::PUT, format!("/{name}/{}", encoded(key)), content.into()).await?;
        done(&put, &format!("putting object `{key}` into `{name}`"))
    }))
    .await?;
    Ok(())
}

async fn delete_bucket(world: &World, localstack: &LocalStack, name: &str) -> Result<(), String> {
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
            done(&deleted, &format!("emptying bucket `{name}`"))?;
        }
    }
    let deleted = s3(world, localstack, Method::DELETE, format!("/{name}"), Bytes::new()).await?;
    done(&deleted, &format!("deleting bucket `{name}`"))
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

fn done(answer: &Answer, doing: &str) -> Result<(), String> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(format!("{doing}: LocalStack answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}
