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

/// What else uses a key that may be named by an alias, for which AWS fills `kms:RequestAlias`; it does so for no operation on
/// the alias itself.
const BY_ALIAS: [&str; 6] = ["DescribeKey", "GenerateMac", "GetPublicKey", "Sign", "Verify", "VerifyMac"];

/// Fields of the input that are condition keys, with the value that AWS takes where the caller gives none.
const KEYS: [Parameter; 7] = [
    Parameter { field: "SigningAlgorithm", of: &["Sign", "Verify"], key: "kms:SigningAlgorithm", usual: None },
    Parameter { field: "MessageType", of: &["Sign", "Verify"], key: "kms:MessageType", usual: Some("RAW") },
    Parameter { field: "MacAlgorithm", of: &["GenerateMac", "VerifyMac"], key: "kms:MacAlgorithm", usual: None },
    Parameter {
        field: "KeyPairSpec",
        of: &["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"],
        key: "kms:DataKeyPairSpec",
        usual: None,
    },
    Parameter {
        field: "PendingWindowInDays",
        of: &["ScheduleKeyDeletion"],
        key: "kms:ScheduleKeyDeletionPendingWindowInDays",
        usual: Some("30"),
    },
    Parameter {
        field: "RotationPeriodInDays",
        of: &["EnableKeyRotation"],
        key: "kms:RotationPeriodInDays",
        usual: Some("365"),
    },
    Parameter {
        field: "BypassPolicyLockoutSafetyCheck",
        of: &["CreateKey", "PutKeyPolicy"],
        key: "kms:BypassPolicyLockoutSafetyCheck",
        usual: None,
    },
];

/// A field of the input of these operations that is a condition key.
struct Parameter {
    field: &'static str,
    of: &'static [&'static str],
    key: &'static str,
    usual: Option<&'static str>,
}

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
        operation.shows_parameters();
        if name == "CreateKey" {
            operation.creates_a_key(world);
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
        let is_cryptographic = CRYPTOGRAPHIC.contains(&name.as_str());
        if let Some(alias) = named.as_ref().and_then(|key| key.find("alias/").map(|at| &key[at..]))
            && (is_cryptographic || BY_ALIAS.contains(&name.as_str()))
        {
            operation.keys.insert("kms:RequestAlias".into(), alias.into());
        }
        operation.key_id = Some(named.or_else(|| maker(&input)).unwrap_or_default());
        if is_cryptographic {
            operation.keys.extend(encryption(&input));
        }
        if name == "TagResource" {
            operation.tagged(tags(&input, "TagKey", "TagValue"));
        }
        if let ("UntagResource", Some(names)) = (name.as_str(), input["TagKeys"].as_array()) {
            operation.keys.insert("aws:TagKeys".into(), json!(names));
        }
        operation
    }
}

impl Operation {
    /// Takes the condition keys from the input.
    fn shows_parameters(&mut self) {
        for Parameter { field, key, usual, .. } in KEYS.iter().filter(|one| one.of.contains(&self.name.as_str())) {
            let value = match &self.input[*field] {
                Value::Null => usual.map(Value::from),
                Value::String(text) => Some(text.as_str().into()),
                other => Some(other.to_string().into()),
            };
            self.keys.extend(value.map(|value| ((*key).to_owned(), value)));
        }
    }

    /// What a new key is to be, the old names of its properties too. To give it tags is an action of its own, which no
    /// single key's policy can allow (AWS's guide on tag permissions).
    fn creates_a_key(&mut self, world: &World) {
        self.answerer = Answerer::LocalStack;
        let input = self.input.clone();
        let text = |field: &str| input[field].as_str();
        let spec = text("KeySpec").or(text("CustomerMasterKeySpec")).unwrap_or("SYMMETRIC_DEFAULT");
        let usage = text("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
        for (key, value) in [
            ("kms:KeySpec", spec),
            ("kms:CustomerMasterKeySpec", spec),
            ("kms:KeyUsage", usage),
            ("kms:CustomerMasterKeyUsage", usage),
            ("kms:KeyOrigin", text("Origin").unwrap_or("AWS_KMS")),
        ] {
            self.keys.insert(key.into(), value.into());
        }
        let in_regions = input["MultiRegion"].as_bool().unwrap_or_default();
        self.keys.insert("kms:MultiRegion".into(), in_regions.to_string().into());
        if in_regions {
            self.keys.insert("kms:MultiRegionKeyType".into(), "PRIMARY".into());
        }
        let tags = tags(&input, "TagKey", "TagValue");
        if !tags.is_empty() {
            self.tagged(tags);
            let resource = format!("arn:aws:kms:{}:{}:key/*", self.region, world.account);
            self.besides.push(Need { action: "kms:TagResource", resource, shown: None, keys: self.keys.clone() });
        }
    }

    fn on_an_alias(&mut self, world: &World) {
        self.answerer = Answerer::LocalStack;
        let alias = self.text("AliasName").unwrap_or_default().to_owned();
        let key = self.text("TargetKeyId").unwrap_or(&alias).to_owned();
        self.parameters = json!({ "aliasName": alias, "targetKeyId": self.text("TargetKeyId") });
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
