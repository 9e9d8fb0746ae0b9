//! The recipe that a component version is made of: read, held against the model of recipes, and its artifacts hashed.

use super::{
    Greengrass,
    input::{Broken, invalid},
};
use crate::aws::{
    iot::component::{Draft, Place, digest},
    rest::{Call, Fault},
    upstream::encoded,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use hyper::Method;
use std::collections::BTreeMap;

/// The one version of the format that there is.
const FORMAT: &str = "2020-01-25";

/// What the service says of an artifact that the caller can't read, or that is in another region.
const NOT_ACCESSIBLE: &str = "Specified artifact resource cannot be accessed";

/// The recipe of a call.
///
/// # Errors
/// If there is none, or it can't be read.
pub(super) fn draft(call: &Call) -> Result<Draft, Fault> {
    let blob = match (call.text("inlineRecipe"), &call.body["lambdaFunction"]) {
        (Some(blob), _) => blob,
        (None, serde_json::Value::Null) => {
            return Err(invalid("OTHER", "Invalid Input: Either inlineRecipe or lambdaFunction must be provided"));
        }
        (None, _) => return Err(invalid("OTHER", "Invalid Input: components of Lambda functions are not emulated")),
    };
    let text = BASE64.decode(blob).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| invalid("CANNOT_PARSE", "Invalid Input: the recipe is no text in base64"))?;
    Draft::read(&text).map_err(|error| invalid("CANNOT_PARSE", format!("Invalid Input: {error}")))
}

/// Holds a recipe against the model of recipes.
///
/// # Errors
/// If the service would refuse it.
pub(super) fn check(draft: &Draft) -> Result<(), Fault> {
    let mut broken = Broken::default();
    let version = draft.version.to_string();
    broken.length("componentName", Some(&draft.name), 1..=128);
    broken.pattern("componentName", Some(&draft.name), "[a-zA-Z0-9-_.]+");
    broken.length("componentVersion", Some(&version), 1..=64);
    broken.none()?;
    match draft.property("RecipeFormatVersion") {
        Some(FORMAT) => {}
        Some(other) => {
            let message = format!("Invalid Input: RecipeFormatVersion `{other}` is not supported; use `{FORMAT}`");
            return Err(invalid("OTHER", message));
        }
        None => return Err(invalid("OTHER", "Invalid Input: the recipe has no RecipeFormatVersion")),
    }
    if !draft.has("Manifests") {
        return Err(invalid("OTHER", "Invalid Input: the recipe has no Manifests"));
    }
    match draft.refused().first() {
        Some(refused) => Err(invalid("OTHER", format!("Invalid Input: CreateComponentVersion refuses {refused}"))),
        None => Ok(()),
    }
}

impl Greengrass {
    /// The digests of a recipe's artifacts by URI. The service reads them in the caller's name.
    ///
    /// # Errors
    /// If one can't be read.
    pub(super) async fn digests(&self, call: &Call, draft: &Draft) -> Result<BTreeMap<String, String>, Fault> {
        let (mut digests, mut unread) = (BTreeMap::new(), Vec::new());
        for (uri, place) in draft.objects(&BTreeMap::new()) {
            let content = match place {
                Ok(place) => self.object(call, place).await,
                Err(_) => None,
            };
            match content {
                Some(content) => _ = digests.insert(uri, digest(&content)),
                None => unread.push(format!("{uri} = {NOT_ACCESSIBLE}")),
            }
        }
        if unread.is_empty() {
            return Ok(digests);
        }
        let unread = unread.join(", ");
        Err(invalid("OTHER", format!("Invalid Input: Encountered following errors in Artifacts: {{{unread}}}")))
    }

    /// An object of the account that the caller may read.
    async fn object(&self, call: &Call, (bucket, key): Place) -> Option<Bytes> {
        if !call.may("s3:GetObject", &format!("arn:aws:s3:::{bucket}/{key}")) || !self.inventory.has_bucket(&bucket) {
            return None;
        }
        let target = format!("/{bucket}/{}", encoded(&key));
        let answer = self.localstack.s3(&call.region, Method::GET, &target).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Some(answer.body),
            Ok(_) => None,
            Err(reason) => {
                tracing::warn!(reason, bucket, key, "an artifact could not be read");
                None
            }
        }
    }
}
