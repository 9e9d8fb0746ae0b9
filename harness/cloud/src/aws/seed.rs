//! What the world holds from the start, put into LocalStack and taken out again.
//!
//! Secrets go in by `aws-sdk-secretsmanager`, the rest by plain requests. Everything at once, and only what is stated:
//! this is on the way to every run's first answer. Roles go in when somebody asks IAM; see [`super::roles`].

mod bucket;
mod key;
mod secret;

use super::upstream::LocalStack;
use crate::world::World;
use futures_util::future::{join_all, try_join_all};

/// Puts the seeds in.
pub(super) async fn sow(world: &World, localstack: &LocalStack) -> Result<(), String> {
    let secrets = secret::client(world);
    tokio::try_join!(
        async {
            try_join_all(world.keys.values().map(|key| key::create(world, localstack, key))).await?;
            try_join_all(world.secrets.iter().map(|secret| secret::create(world, &secrets, secret))).await
        },
        try_join_all(world.buckets.iter().map(|bucket| bucket::create(world, localstack, bucket))),
    )?;
    Ok(())
}

/// Takes the seeds out, as far as LocalStack lets it: what stays is in an account that no run has again.
pub(super) async fn reap(world: &World, localstack: &LocalStack) {
    let client = secret::client(world);
    let secrets = world.secrets.iter().map(|secret| secret::delete(&client, &secret.name));
    let keys = world.keys.values().map(|key| key::delete(world, localstack, key));
    let buckets = world.buckets.iter().map(|bucket| async {
        if let Err(error) = bucket::delete(world, localstack, &bucket.name).await {
            tracing::warn!(error, bucket = bucket.name, "a bucket stays behind");
        }
    });
    tokio::join!(join_all(secrets), join_all(keys), join_all(buckets));
}
