//! KMS: an operation is on the key that it names, or on the one that its ciphertext was made with.

use super::{Answerer, Need, Operation, host::Place, tags};
use crate::{aws::gate::Received, world::World};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// Operations on one key.
const ON_A_KEY: [&str; 27] = [
    "CancelKeyDeletion",
    "Decrypt",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "EnableKey",
    "EnableKeyRotation",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetPublicKey",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListResourceTags",
    "PutKeyPolicy",
    "ScheduleKeyDeletion",
    "Sign",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
    "Verify",
    "VerifyMac",
];

/// Operations on an alias and its key; a change of the key needs the one that it had, too.
const ON_AN_ALIAS: [&str; 3] = ["CreateAlias", "DeleteAlias", "UpdateAlias"];

/// Operations without resource-level permissions.
const ON_NO_KEY: [&str; 3] = ["GenerateRandom", "ListAliases", "ListKeys"];

/// What takes part in encryption, and so has an encryption context.
pub(in crate::aws::gate) const CRYPTOGRAPHIC: [&str; 6] = [
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
];

/// The length of the key's id with which LocalStack's ciphertexts begin.
const ID_LENGTH: usize = 36;

impl Operation {
    pub(super) fn kms(place: &Place, received: &Received, world: &World) -> Self {
        let mut operation = Self::json(place, received);
        let (name, input) = (operation.name.clone(), operation.input.clone());
        if ON_NO_KEY.contains(&name.as_str()) {
            operation.answerer = Answerer::LocalStack;
            return operation;
        }
        if name == "CreateKey" {
            operation.creates_a_key();
            return operation;
        }
        if ON_AN_ALIAS.contains(&name.as_str()) {
            operation.on_an_alias(world);
            return operation;
        }
        if !ON_A_KEY.contains(&name.as_str()) {
            return operation;
        }
        operation.answerer = Answerer::LocalStack;
        let named = input["KeyId"].as_str().map(str::to_owned);
        if let Some(key) = &named {
            operation.parameters = json!({ "keyId": key });
        }
        if let Some(alias) = named.as_ref().and_then(|key| key.find("alias/").map(|at| &key[at..])) {
            operation.keys.insert("kms:RequestAlias".into(), alias.into());
        }
        operation.key_id = Some(named.or_else(|| maker(&input)).unwrap_or_default());
        if CRYPTOGRAPHIC.contains(&name.as_str()) {
            operation.keys.extend(encryption(&input));
        }
        if name == "TagResource" {
            operation.tagged(tags(&input, "TagKey", "TagValue"));
        }
        operation
    }
}

impl Operation {
    fn creates_a_key(&mut self) {
        self.answerer = Answerer::LocalStack;
        let input = self.input.clone();
        for (field, usual) in [("KeySpec", "SYMMETRIC_DEFAULT"), ("KeyUsage", "ENCRYPT_DECRYPT"), ("Origin", "AWS_KMS")]
        {
            let key = if field == "Origin" { "kms:KeyOrigin".to_owned() } else { format!("kms:{field}") };
            self.keys.insert(key, input[field].as_str().unwrap_or(usual).into());
        }
        self.tagged(tags(&input, "TagKey", "TagValue"));
    }

    fn on_an_alias(&mut self, world: &World) {
        self.answerer = Answerer::LocalStack;
        let alias = self.text("AliasName").unwrap_or_default().to_owned();
        let key = self.text("TargetKeyId").unwrap_or(&alias).to_owned();
        self.parameters = json!({ "aliasName": alias, "targetKeyId": self.text("TargetKeyId") });
        self.keys.insert("kms:RequestAlias".into(), alias.as_str().into());
        let action: &'static str = match self.name.as_str() {
            "CreateAlias" => "kms:CreateAlias",
            "DeleteAlias" => "kms:DeleteAlias",
            _ => "kms:UpdateAlias",
        };
        let resource = format!("arn:aws:kms:{}:{}:{alias}", self.region, world.account);
        let keys = self.keys.clone();
        self.besides.push(Need { action, shown: Some(resource.clone()), resource, keys });
        self.key_id = Some(key);
    }
}

/// The id of the key that made a ciphertext.
fn maker(input: &Value) -> Option<String> {
    let blob = STANDARD.decode(input["CiphertextBlob"].as_str()?).ok()?;
    let id = std::str::from_utf8(blob.get(..ID_LENGTH)?).ok()?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then(|| id.to_owned())
}

/// The condition keys of an encryption context and algorithm.
fn encryption(input: &Value) -> Vec<(String, Value)> {
    let mut keys = Vec::new();
    if let Some(context) = input["EncryptionContext"].as_object().filter(|context| !context.is_empty()) {
        keys.extend(context.iter().map(|(name, value)| (format!("kms:EncryptionContext:{name}"), value.clone())));
        keys.push(("kms:EncryptionContextKeys".into(), context.keys().cloned().collect::<Vec<_>>().into()));
    }
    let algorithm = input["EncryptionAlgorithm"].as_str().unwrap_or("SYMMETRIC_DEFAULT");
    keys.push(("kms:EncryptionAlgorithm".into(), algorithm.into()));
    keys
}
