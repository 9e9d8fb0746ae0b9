//! A secret with its suffix, its key, its tags and its policy.

use crate::{
    aws::upstream::CUSTOM_ID,
    world::{Secret, World},
};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    error::{DisplayErrorContext, SdkError},
    operation::create_secret::{CreateSecretError, builders::CreateSecretFluentBuilder},
    types::Tag,
};

/// A client of the world's account and region.
pub(super) fn client(world: &World) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&world.localstack)
        .region(Region::new(world.region.clone()))
        .credentials_provider(Credentials::new(&world.account, "seed", None, None, "greenproof"))
        .build();
    Client::from_conf(config)
}

/// Creates a secret.
pub(super) async fn create(world: &World, client: &Client, secret: &Secret) -> Result<(), String> {
    let failed = |doing: &str, error: &dyn std::error::Error| {
        format!("{doing} secret `{}`: {}", secret.name, DisplayErrorContext(error))
    };
    let create = || stated(world, client, secret).send();
    let mut created = create().await;
    let exists = |error: &SdkError<CreateSecretError, _>| {
        error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception)
    };
    if created.as_ref().is_err_and(exists) {
        // A killed run left it in an account that the scenario states.
        delete(client, &secret.name).await;
        created = create().await;
    }
    created.map_err(|error| failed("creating", &error))?;
    if secret.suffix.is_some() {
        let untagged = client.untag_resource().secret_id(&secret.name).tag_keys(CUSTOM_ID).send().await;
        untagged.map_err(|error| failed("untagging", &error))?;
    }
    if let Some(policy) = &secret.policy {
        let put = client.put_resource_policy().secret_id(&secret.name).resource_policy(policy).send().await;
        put.map_err(|error| failed("putting the policy of", &error))?;
    }
    Ok(())
}

/// Deletes a secret at once, if it is there.
pub(super) async fn delete(client: &Client, name: &str) {
    _ = client.delete_secret().secret_id(name).force_delete_without_recovery(true).send().await;
}

fn stated(world: &World, client: &Client, secret: &Secret) -> CreateSecretFluentBuilder {
    let World { region, account, keys, .. } = world;
    let key = secret.key.as_ref().and_then(|name| keys.get(name));
    let key = key.map(|key| format!("arn:aws:kms:{region}:{account}:key/{}", key.id));
    let suffix = secret.suffix.as_ref().map(|suffix| (CUSTOM_ID, suffix.as_str()));
    let tags = secret.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let tag = |(name, value): (&str, &str)| Tag::builder().key(name).value(value).build();
    let create = client.create_secret().name(&secret.name).secret_string(&secret.value.0).set_kms_key_id(key);
    tags.chain(suffix).map(tag).fold(create, CreateSecretFluentBuilder::tags)
}
