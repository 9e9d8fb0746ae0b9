//! What calls of KMS ask for, as policies see it.

use super::*;

/// Asks for an operation that is allowed under a condition, with an input that meets it and with one that doesn't.
async fn seen(operation: &str, condition: Value, meets: Value, fails: Value) {
    let statement =
        json!([{"Effect": "Allow", "Action": format!("kms:{operation}"), "Resource": "*", "Condition": condition}]);
    let here = encrypted(&statement, &account(), true).await;
    let done = ResponseTemplate::new(200).set_body_json(json!({}));
    Mock::given(matchers::any()).respond_with(done).mount(&here.localstack).await;
    for (mut input, allowed) in [(meets, true), (fails, false)] {
        input["KeyId"] = ID.into();
        let (_, _, said) = here.send(kms(operation, &input).signed(&here.session())).await.error();
        let denied = said.contains(&format!("is not authorized to perform: kms:{operation} on resource: {KEY}"));
        assert_eq!(denied, !allowed, "{operation} {input}: {said}");
    }
}

fn equals(key: &str, value: &str) -> Value {
    json!({"StringEquals": {key: value}})
}

/// Also where AWS takes a value that the call leaves out.
#[tokio::test]
async fn what_a_key_is_used_for_is_seen_by_policies() {
    fidelity::fidelity!("gate-17");
    let signing = |algorithm: &str| json!({"SigningAlgorithm": algorithm});
    seen("Sign", equals("kms:SigningAlgorithm", "A"), signing("A"), signing("B")).await;
    let digest = || json!({"MessageType": "DIGEST"});
    seen("Verify", equals("kms:MessageType", "DIGEST"), digest(), json!({})).await;
    seen("Sign", equals("kms:MessageType", "RAW"), json!({}), digest()).await;
    let mac = |algorithm: &str| json!({"MacAlgorithm": algorithm});
    for operation in ["GenerateMac", "VerifyMac"] {
        seen(operation, equals("kms:MacAlgorithm", "A"), mac("A"), mac("B")).await;
    }
    let pair = |spec: &str| json!({"KeyPairSpec": spec});
    for operation in ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"] {
        let condition = json!({"StringLike": {"kms:DataKeyPairSpec": "RSA*"}});
        seen(operation, condition, pair("RSA_2048"), pair("ECC_NIST_P256")).await;
    }
}

#[tokio::test]
async fn what_becomes_of_a_key_is_seen_by_policies() {
    fidelity::fidelity!("gate-17");
    let condition = json!({"NumericGreaterThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "20"}});
    seen("ScheduleKeyDeletion", condition, json!({}), json!({"PendingWindowInDays": 7})).await;
    let condition = json!({"NumericLessThan": {"kms:RotationPeriodInDays": "100"}});
    seen("EnableKeyRotation", condition, json!({"RotationPeriodInDays": 90}), json!({})).await;
    let policy = text(&account());
    let (plain, bypass) =
        (json!({"Policy": policy}), json!({"Policy": policy, "BypassPolicyLockoutSafetyCheck": true}));
    let condition = json!({"Null": {"kms:BypassPolicyLockoutSafetyCheck": "true"}});
    seen("PutKeyPolicy", condition, plain, bypass).await;
    let names = |name: &str| json!({"TagKeys": [name]});
    let condition = json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}});
    seen("UntagResource", condition, names("a"), names("b")).await;
}

/// An alias counts where it names the key that is used, and not where it is what is changed.
#[tokio::test]
async fn an_alias_is_seen_where_it_names_the_key() {
    fidelity::fidelity!("gate-17");
    let condition = json!({"StringEquals": {"kms:RequestAlias": "alias/main"}});
    let here = encrypted(
        &json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}]),
        &account(),
        true,
    )
    .await;
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"KeyMetadata": {"Arn": KEY}})))
        .mount(&here.localstack)
        .await;
    let session = here.session();
    let used = here.send(kms("DescribeKey", &json!({"KeyId": "alias/main"})).signed(&session)).await;
    assert_eq!(used.status, 200, "{}", used.text);
    let update = json!({"AliasName": "alias/main", "TargetKeyId": ID});
    let changed = here.send(kms("UpdateAlias", &update).signed(&session)).await;
    assert_eq!(changed.error().1, "AccessDeniedException", "{}", changed.text);
}

/// The properties of a key have an old name besides.
#[tokio::test]
async fn properties_of_a_key_are_seen_by_their_old_names() {
    fidelity::fidelity!("gate-17");
    for (spec, status) in [("SYMMETRIC_DEFAULT", 200), ("RSA_2048", 400)] {
        let condition = equals("kms:CustomerMasterKeySpec", spec);
        let statement = json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}]);
        let here = encrypted(&statement, &account(), true).await;
        let call = kms("DescribeKey", &json!({"KeyId": ID}));
        assert_eq!(here.send(call.signed(&here.session())).await.status, status, "{spec}");
    }
}

/// A new key is seen as it is to be, by the old names of its properties and in regions, too.
#[tokio::test]
async fn a_new_key_is_seen_as_it_is_to_be() {
    fidelity::fidelity!("gate-17");
    let made = |condition: &Value| json!([{"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*", "Condition": condition}]);
    for (condition, input, status) in [
        (json!({"Bool": {"kms:MultiRegion": "false"}}), json!({}), 200),
        (json!({"Bool": {"kms:MultiRegion": "false"}}), json!({"MultiRegion": true}), 400),
        (json!({"StringEquals": {"kms:MultiRegionKeyType": "PRIMARY"}}), json!({"MultiRegion": true}), 200),
        (
            json!({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}}),
            json!({"CustomerMasterKeySpec": "RSA_2048"}),
            400,
        ),
        (json!({"StringEquals": {"kms:CustomerMasterKeyUsage": "ENCRYPT_DECRYPT"}}), json!({}), 200),
        (
            json!({"Null": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}),
            json!({"BypassPolicyLockoutSafetyCheck": true}),
            400,
        ),
    ] {
        let here = Environment::raise(made(&condition)).await;
        Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
        let answer = here.send(kms("CreateKey", &input).signed(&here.session())).await;
        assert_eq!(answer.status, status, "{condition} {input}");
    }
}
