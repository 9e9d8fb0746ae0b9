//! KMS, asked directly and behind Secrets Manager and S3.

mod parameters;

use super::*;
use crate::world::Key;
use base64::{Engine, engine::general_purpose::STANDARD};

const ID: &str = "0b1c2d3e-0000-4000-8000-123456789012";
const KEY: &str = "arn:aws:kms:ap-northeast-1:111122223333:key/0b1c2d3e-0000-4000-8000-123456789012";
const VERSION: &str = "11111111-2222-4333-8444-555555555555";

/// The account, and with it its identity policies, may use the key.
fn account() -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"})
}

fn kms(operation: &str, input: &Value) -> Call {
    let mut call = secret("", input);
    (call.service, call.uri) = ("kms", "https://kms.ap-northeast-1.amazonaws.com/".into());
    call.headers[1].1 = format!("TrentService.{operation}");
    call
}

/// A world with a secret and an object that are encrypted with a key of that policy.
async fn encrypted(statements: &Value, policy: &Value, enabled: bool) -> Environment {
    let key = Key { id: ID.into(), policy: text(policy), enabled };
    let here = Environment::of(statements, |world| _ = world.keys.insert("main".into(), key)).await;
    let described = json!({"ARN": ARN, "Name": "github-token", "KmsKeyId": KEY,
        "VersionIdsToStages": {VERSION: ["AWSCURRENT"]}});
    let target = |target: &str| matchers::header("x-amz-target", target);
    let state = if enabled { "Enabled" } else { "Disabled" };
    let metadata = json!({"KeyMetadata": {"Arn": KEY, "KeyId": ID, "KeyState": state, "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": false, "Origin": "AWS_KMS"}});
    let aliases = json!({"Aliases": [{"AliasName": "alias/main"}]});
    for (operation, body) in [
        ("secretsmanager.DescribeSecret", described),
        ("TrentService.DescribeKey", metadata),
        ("TrentService.ListAliases", aliases),
        ("TrentService.Decrypt", json!({"Plaintext": "eA=="})),
    ] {
        let asks = matchers::body_string_contains;
        let answer = ResponseTemplate::new(200).set_body_json(body);
        let ours = if operation.starts_with("Trent") && operation != "TrentService.Decrypt" { ID } else { "" };
        Mock::given(target(operation)).and(asks(ours)).respond_with(answer).mount(&here.localstack).await;
    }
    here.holds_the_secret().await;
    let object = ResponseTemplate::new(200)
        .insert_header("x-amz-server-side-encryption", "aws:kms")
        .insert_header("x-amz-server-side-encryption-aws-kms-key-id", KEY)
        .set_body_string("x");
    Mock::given(matchers::path("/artifacts/a")).respond_with(object).mount(&here.localstack).await;
    here
}

fn read_and(condition: &Value) -> Value {
    json!([{"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "s3:GetObject"], "Resource": "*"},
        {"Sid": "Key", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY, "Condition": condition}])
}

#[tokio::test]
async fn a_secret_is_read_with_its_key_in_the_callers_name() {
    fidelity::fidelity!("gate-12");
    let seen = json!({
        "StringEquals": {
            "kms:ViaService": "secretsmanager.ap-northeast-1.amazonaws.com",
            "kms:CallerAccount": ACCOUNT,
            "kms:EncryptionContext:SecretARN": ARN,
            "kms:EncryptionContext:SecretVersionId": VERSION,
            "aws:CalledViaFirst": "secretsmanager.amazonaws.com",
            "kms:KeySpec": "SYMMETRIC_DEFAULT",
            "kms:KeyOrigin": "AWS_KMS",
            "credentials-iot:ThingName": "core",
        },
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"]},
        "ForAnyValue:StringEquals": {"aws:CalledVia": "secretsmanager.amazonaws.com", "kms:ResourceAliases": "alias/main"},
        "Bool": {"aws:ViaAWSService": "true", "kms:MultiRegion": "false"},
        "IpAddress": {"aws:SourceIp": "203.0.113.0/24"},
        "Null": {"kms:EncryptionContextKeys": "false"},
    });
    let here = encrypted(&read_and(&seen), &account(), true).await;
    let session = here.session();
    for _ in 0..2 {
        let answer = here.send(get_secret("github-token").signed(&session)).await;
        assert_eq!(answer.status, 200, "{} {:?}", answer.text, here.last());
    }
    let [decrypt] = &here.last().further[..] else { panic!("{:?}", here.last()) };
    assert_eq!((decrypt.action.as_str(), decrypt.statement.as_deref()), ("kms:Decrypt", Some("access[Key]")));
    let version = secret("GetSecretValue", &json!({"SecretId": "github-token", "VersionId": "other"}));
    assert_eq!(here.send(version.signed(&session)).await.error().2, "Access to KMS is not allowed");
}

#[tokio::test]
async fn a_secret_whose_key_is_refused_or_disabled_is_not_read() {
    fidelity::fidelity!("gate-12");
    let nobody = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/Admin"},
        "Action": "kms:*", "Resource": "*"});
    let denied = |layer, outcome| Some((layer, outcome));
    for (statements, policy, enabled, why) in [
        (allow("secretsmanager:*", "*"), account(), true, denied("identity", Outcome::ImplicitlyDenied)),
        (allow("*", "*"), nobody, true, denied("resource", Outcome::ImplicitlyDenied)),
        (allow("*", "*"), account(), false, None),
    ] {
        let here = encrypted(&statements, &policy, enabled).await;
        let error = here.send(get_secret("github-token").signed(&here.session())).await.error();
        let [decrypt] = &here.last().further[..] else { panic!("{:?}", here.last()) };
        if let Some((layer, outcome)) = why {
            assert_eq!(error, (400, "AccessDeniedException".into(), "Access to KMS is not allowed".into()));
            assert_eq!((decrypt.layer.as_deref(), decrypt.outcome), (Some(layer), outcome));
        } else {
            let message = "Secrets Manager can't decrypt the protected secret text using the provided KMS key.";
            assert_eq!(error, (400, "DecryptionFailure".into(), message.into()));
        }
        assert!(here.last().decision.is_allowed() && here.forwarded("GetSecretValue").await.is_empty());
    }
}

/// What is written needs a data key besides, and the key that the call names counts.
#[tokio::test]
async fn a_secret_is_written_with_a_data_key() {
    fidelity::fidelity!("gate-12");
    let only = |action: &str| json!([{"Effect": "Allow", "Action": ["secretsmanager:*", action], "Resource": "*"}]);
    for (action, refused) in [("kms:Decrypt", true), ("kms:GenerateDataKey", true), ("kms:*", false)] {
        let here = encrypted(&only(action), &account(), true).await;
        let stored = ResponseTemplate::new(200).set_body_json(json!({"ARN": ARN}));
        Mock::given(matchers::header("x-amz-target", "secretsmanager.PutSecretValue"))
            .respond_with(stored)
            .mount(&here.localstack)
            .await;
        let input = json!({"SecretId": "github-token", "SecretString": "x", "ClientRequestToken": VERSION});
        let (_, _, said) = here.send(secret("PutSecretValue", &input).signed(&here.session())).await.error();
        assert_eq!(said == "Access to KMS is not allowed", refused, "{action}: {said}");
    }
}

/// `aws/secretsmanager` is for everybody in the account who may use the secret.
#[tokio::test]
async fn the_key_of_aws_needs_no_permission() {
    fidelity::fidelity!("gate-12");
    let here = Environment::raise(allow("secretsmanager:*", "*")).await;
    here.holds_the_secret().await;
    assert_eq!(here.send(get_secret("github-token").signed(&here.session())).await.status, 200);
    assert!(here.last().further.is_empty());
}

/// Its policy lets services alone use it.
#[tokio::test]
async fn the_key_of_aws_is_used_by_services_alone() {
    fidelity::fidelity!("gate-12");
    let here = Environment::raise(allow("kms:*", "*")).await;
    let metadata = json!({"KeyMetadata": {"Arn": KEY, "KeyId": ID, "KeyState": "Enabled", "KeyManager": "AWS"}});
    let described = Mock::given(matchers::header("x-amz-target", "TrentService.DescribeKey"));
    described.respond_with(ResponseTemplate::new(200).set_body_json(metadata)).mount(&here.localstack).await;
    let named = json!({"KeyId": "alias/aws/secretsmanager", "Plaintext": "eA=="});
    let (_, code, said) = here.send(kms("Encrypt", &named).signed(&here.session())).await.error();
    assert!(
        code == "AccessDeniedException" && said.ends_with("no resource-based policy allows the kms:Encrypt action")
    );
}

#[tokio::test]
async fn kms_names_the_key_if_it_may() {
    fidelity::fidelity!("gate-4", "gate-7");
    let here = encrypted(&allow("kms:DescribeKey", "*"), &account(), true).await;
    let session = here.session();
    let ciphertext = |id: &str| json!({"CiphertextBlob": STANDARD.encode(format!("{id}0123456789ab"))});
    let user = format!("User: {} is not authorized to perform: kms:", device());
    let hidden = "because the resource does not exist in this Region, no resource-based policies allow access, or a \
                  resource-based policy explicitly denies access";
    let foreign = KEY.replace(ACCOUNT, "999988887777");
    let identity = "because no identity-based policy allows the kms:Decrypt action";
    let none = "ffffffff-0000-4000-8000-123456789012";
    for (operation, input, code, said) in [
        ("Decrypt", ciphertext(ID), "AccessDeniedException", format!("{user}Decrypt on resource: {KEY} {identity}")),
        (
            "Decrypt",
            ciphertext(none),
            "AccessDeniedException",
            format!("{user}Decrypt on the resource associated with this ciphertext {hidden}"),
        ),
        (
            "DescribeKey",
            json!({"KeyId": foreign}),
            "AccessDeniedException",
            format!("{user}DescribeKey on resource: {foreign} {hidden}"),
        ),
        (
            "DescribeKey",
            json!({"KeyId": none}),
            "NotFoundException",
            format!("Key '{}' does not exist", KEY.replace(ID, none)),
        ),
        ("Decrypt", json!({"CiphertextBlob": "eA=="}), "InvalidCiphertextException", String::new()),
    ] {
        let error = here.send(kms(operation, &input).signed(&session)).await.error();
        assert_eq!(error, (400, code.to_owned(), said));
    }
    assert_eq!(here.send(kms("DescribeKey", &json!({"KeyId": ID})).signed(&session)).await.status, 200);
}

#[tokio::test]
async fn an_encryption_context_is_seen_by_policies() {
    fidelity::fidelity!("gate-3");
    let condition = json!({"StringEquals": {"kms:EncryptionContext:app": "press", "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "Null": {"kms:ViaService": "true", "kms:RequestAlias": "true"}});
    let here = encrypted(&read_and(&condition), &account(), true).await;
    for (context, status) in [(json!({"app": "press"}), 200), (json!({"app": "other"}), 400), (json!({}), 400)] {
        let blob = STANDARD.encode(format!("{ID}0123456789ab"));
        let call = kms("Decrypt", &json!({"CiphertextBlob": blob, "EncryptionContext": context}));
        assert_eq!(here.send(call.signed(&here.session())).await.status, status, "{context}");
    }
}

#[tokio::test]
async fn an_encrypted_object_is_read_with_its_key() {
    fidelity::fidelity!("gate-12");
    let via = json!({"StringEquals": {"kms:ViaService": "s3.ap-northeast-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::artifacts/a"}});
    let here = encrypted(&read_and(&via), &account(), true).await;
    assert_eq!(here.send(s3("GET", "/a").signed(&here.session())).await.text, "x");
    let here = encrypted(&allow("s3:GetObject", "*"), &account(), true).await;
    let answer = here.send(s3("GET", "/a").signed(&here.session())).await;
    let said = format!("kms:Decrypt on resource: {KEY} because no identity-based policy allows the kms:Decrypt action");
    assert!(answer.status == 403 && answer.text.contains(&said), "{}", answer.text);
    let here = encrypted(&allow("*", "*"), &account(), false).await;
    let answer = here.send(s3("GET", "/a").signed(&here.session())).await;
    assert!(answer.text.contains("<Code>KMS.DisabledException</Code>"), "{}", answer.text);
    let here = encrypted(&allow("s3:*", "*"), &account(), true).await;
    let mut put = s3("PUT", "/b");
    put.headers.push(("x-amz-server-side-encryption", "aws:kms".into()));
    put.headers.push(("x-amz-server-side-encryption-aws-kms-key-id", ID.into()));
    let answer = here.send(put.signed(&here.session())).await;
    assert!(answer.status == 403 && answer.text.contains("kms:GenerateDataKey on resource"), "{}", answer.text);
}

/// What of S3 may be done without regard to keys, and one action of KMS with the object that it is for.
fn all_of_s3_and(action: &str, object: &str) -> Value {
    let via = json!({"StringEquals": {"kms:ViaService": "s3.ap-northeast-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": format!("arn:aws:s3:::artifacts/{object}")}});
    json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": action, "Resource": KEY, "Condition": via}])
}

/// Says whether a call came through; a denial names the action.
async fn comes_through(here: &Environment, call: Call, action: &str) -> bool {
    let answer = here.send(call.signed(&here.session())).await;
    let denied = answer.status == 403 && answer.text.contains(&format!("{action} on resource: {KEY}"));
    assert!(denied || answer.status == 200, "{} {}", answer.status, answer.text);
    !denied
}

/// Only the call that begins an upload names its key.
#[tokio::test]
async fn the_parts_of_an_upload_need_the_key_that_it_was_begun_with() {
    fidelity::fidelity!("gate-12");
    for (action, begins, goes_on) in
        [("kms:GenerateDataKey", true, false), ("kms:Decrypt", false, true), ("kms:*", true, true)]
    {
        let here = encrypted(&all_of_s3_and(action, "large"), &account(), true).await;
        let answered = ResponseTemplate::new(200)
            .insert_header("x-amz-server-side-encryption", "aws:kms")
            .insert_header("x-amz-server-side-encryption-aws-kms-key-id", KEY)
            .set_body_string("<InitiateMultipartUploadResult><UploadId>u+1</UploadId></InitiateMultipartUploadResult>");
        let large = || Mock::given(matchers::path("/artifacts/large"));
        large().and(matchers::query_param("uploads", "")).respond_with(answered).mount(&here.localstack).await;
        large().respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
        // A bucket's own setting encrypts, too: the call need not name the key.
        let begin = s3("POST", "/large?uploads=");
        assert!(comes_through(&here, begin, "kms:GenerateDataKey").await);
        let named = s3("POST", "/large?uploads=")
            .with("x-amz-server-side-encryption", "aws:kms")
            .with("x-amz-server-side-encryption-aws-kms-key-id", ID);
        assert_eq!(comes_through(&here, named, "kms:GenerateDataKey").await, begins, "{action}");
        let part = || s3("PUT", "/large?partNumber=1&uploadId=u%2B1");
        for call in [
            part(),
            part().with("x-amz-copy-source", "artifacts/plain"),
            s3("GET", "/large?uploadId=u%2B1"),
            s3("POST", "/large?uploadId=u%2B1"),
        ] {
            let method = call.method;
            assert_eq!(comes_through(&here, call, "kms:Decrypt").await, goes_on, "{action} {method}");
        }
        assert!(comes_through(&here, s3("PUT", "/large?partNumber=1&uploadId=other"), "kms:Decrypt").await);
    }
}

/// What a copy reads, and what is told of an object, needs the object's key.
#[tokio::test]
async fn a_copy_of_an_encrypted_object_needs_its_key() {
    fidelity::fidelity!("gate-12");
    for (action, object, may) in
        [("kms:Decrypt", "a", true), ("kms:Decrypt", "b", false), ("kms:GenerateDataKey", "a", false)]
    {
        let here = encrypted(&all_of_s3_and(action, object), &account(), true).await;
        Mock::given(matchers::path("/artifacts/b"))
            .respond_with(ResponseTemplate::new(200))
            .mount(&here.localstack)
            .await;
        let copy = s3("PUT", "/b").with("x-amz-copy-source", "/artifacts/a?versionId=v1");
        assert_eq!(comes_through(&here, copy, "kms:Decrypt").await, may, "{action} {object}");
        let part = s3("PUT", "/b?partNumber=1&uploadId=u").with("x-amz-copy-source", "artifacts/a");
        assert_eq!(comes_through(&here, part, "kms:Decrypt").await, may, "{action} {object}");
        let attributes = s3("GET", "/a?attributes=").with("x-amz-object-attributes", "ETag");
        assert_eq!(comes_through(&here, attributes, "kms:Decrypt").await, may, "{action} {object}");
        let plain = s3("PUT", "/b").with("x-amz-copy-source", "artifacts/b");
        assert!(comes_through(&here, plain, "kms:Decrypt").await);
    }
}

/// A key that can't be used is refused by KMS itself, and behind Secrets Manager and S3, until the fault has ended.
#[tokio::test]
async fn a_key_is_disabled_or_waits_for_its_deletion_while_a_fault_is_on() {
    fidelity::fidelity!("fault-12");
    let here = encrypted(&allow("*", "*"), &account(), true).await;
    let session = here.session();
    let decrypt = || kms("Decrypt", &json!({"CiphertextBlob": STANDARD.encode(format!("{ID}0123456789ab"))}));
    for (fault, code, said) in [
        ("kms.disabled", "DisabledException", "is disabled."),
        ("kms.pending-deletion", "KMSInvalidStateException", "is pending deletion."),
    ] {
        here.faults.begin(fault.parse().unwrap());
        let error = here.send(decrypt().signed(&session)).await.error();
        assert_eq!(error, (400, code.to_owned(), format!("{KEY} {said}")));
        for use_of_it in ["GenerateMac", "VerifyMac", "Sign", "Verify"] {
            let error = here.send(kms(use_of_it, &json!({"KeyId": ID})).signed(&session)).await.error();
            assert_eq!(error.1, code, "{use_of_it}");
        }
        let object = here.send(s3("GET", "/a").signed(&session)).await;
        assert!(object.status == 400 && object.text.contains(&format!("<Code>KMS.{code}</Code>")), "{}", object.text);
        assert_eq!(here.send(get_secret("github-token").signed(&session)).await.error().1, "DecryptionFailure");
        let describe = kms("DescribeKey", &json!({"KeyId": ID}));
        assert_eq!(here.send(describe.signed(&session)).await.status, 200, "it can still be described");
        here.faults.end(fault);
        assert_eq!(here.send(decrypt().signed(&session)).await.status, 200);
    }
}
