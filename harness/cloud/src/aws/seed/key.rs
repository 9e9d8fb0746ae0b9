//! A customer managed KMS key with its id, its policy and its state.

use super::LocalStack;
use crate::{
    aws::upstream::CUSTOM_ID,
    world::{Key, World},
};
use serde_json::{Value, json};

/// Creates a key.
pub(super) async fn create(world: &World, localstack: &LocalStack, key: &Key) -> Result<(), String> {
    let id = json!([{ "TagKey": CUSTOM_ID, "TagValue": key.id }]);
    kms(world, localstack, "CreateKey", &json!({ "Policy": key.policy, "Tags": id })).await?;
    kms(world, localstack, "UntagResource", &json!({ "KeyId": key.id, "TagKeys": [CUSTOM_ID] })).await?;
    if !key.enabled {
        kms(world, localstack, "DisableKey", &json!({ "KeyId": key.id })).await?;
    }
    Ok(())
}

/// Deletes a key, as soon as KMS lets it: another run that states its id replaces it.
pub(super) async fn delete(world: &World, localstack: &LocalStack, key: &Key) {
    let input = json!({ "KeyId": key.id, "PendingWindowInDays": 7 });
    _ = kms(world, localstack, "ScheduleKeyDeletion", &input).await;
}

async fn kms(world: &World, localstack: &LocalStack, operation: &str, input: &Value) -> Result<(), String> {
    let answer = localstack.json(&world.region, &format!("TrentService.{operation}"), input).await?;
    answer.done(&format!("asking KMS for {operation}")).map(drop)
}
