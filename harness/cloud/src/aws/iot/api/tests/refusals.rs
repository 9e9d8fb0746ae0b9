//! What the control plane refuses, and in which words.

use super::*;

/// A request with its body, and the status, exception and words in which it is refused.
type Case<'a> = (&'a str, Value, u16, &'a str, &'a str);

async fn refused(iot: &Iot, cases: &[Case<'_>]) {
    for (request, body, status, code, message) in cases {
        let fault = call(iot, request, body.clone()).await.expect_err(request);
        assert_eq!((fault.status, fault.code, fault.message.as_str()), (*status, *code, *message), "{request}");
    }
}

#[tokio::test]
async fn names_and_numbers_are_checked_in_the_words_of_awss_validation() {
    fidelity::fidelity!("registry-7");
    let long = format!("POST /things/{}", "x".repeat(129));
    let too_long = format!(
        "1 validation error detected: Value '{}' at 'thingName' failed to satisfy constraint: Member must have length \
         less than or equal to 128",
        "x".repeat(129)
    );
    let violated = |value: &str, name: &str, rule: &str| {
        format!(
            "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: Member must {rule}"
        )
    };
    let pattern = violated("'a b'", "thingName", "satisfy regular expression pattern: [a-zA-Z0-9:_-]+");
    let null = violated("null", "policyDocument", "not be null");
    let principal = violated("null", "principal", "not be null");
    let page = violated("'251'", "maxResults", "have value less than or equal to 250");
    let status = violated(
        "'GONE'",
        "newStatus",
        "satisfy enum value set: [ACTIVE, INACTIVE, PENDING_ACTIVATION, PENDING_TRANSFER, REGISTER_INACTIVE, REVOKED]",
    );
    let certificate = format!("PUT /certificates/{}?newStatus=GONE", "0".repeat(64));
    let invalid = "InvalidRequestException";
    let cases: [Case<'_>; 6] = [
        ("POST /things/a%20b", Value::Null, 400, invalid, &pattern),
        (&long, Value::Null, 400, invalid, &too_long),
        ("POST /policies/p", Value::Null, 400, invalid, &null),
        ("PUT /things/Core/principals", Value::Null, 400, invalid, &principal),
        ("GET /things?maxResults=251", Value::Null, 400, invalid, &page),
        (&certificate, Value::Null, 400, invalid, &status),
    ];
    refused(&iot(), &cases).await;
}

#[tokio::test]
async fn what_is_there_already_is_refused_with_its_id_and_arn() {
    fidelity::fidelity!("registry-7");
    let iot = iot();
    ok(&iot, "POST /policies/p", allow("iot:Connect")).await;
    ok(&iot, "POST /thing-groups/g", Value::Null).await;
    for (request, body, kind, name, words) in [
        ("POST /policies/p", allow("iot:*"), "policy", "p", "Policy cannot be created - name already exists (name=p)"),
        (
            "POST /things/Core",
            json!({"attributePayload": {"attributes": {"k": "v"}}}),
            "thing",
            "Core",
            "Thing Core already exists in account with different attributes",
        ),
        (
            "POST /thing-groups/g",
            json!({"parentGroupName": "Group"}),
            "thinggroup",
            "g",
            "Thing Group g already exists in current account with different properties",
        ),
    ] {
        let fault = call(&iot, request, body).await.unwrap_err();
        assert_eq!((fault.status, fault.code, fault.message.as_str()), (409, "ResourceAlreadyExistsException", words));
        assert_eq!(
            Value::Object(fault.members),
            json!({"resourceId": name, "resourceArn": format!("{PREFIX}:{kind}/{name}")})
        );
    }
}

#[tokio::test]
async fn what_is_not_there_or_no_policy_is_refused() {
    fidelity::fidelity!("registry-7");
    let iot = iot();
    let nobody = format!("{PREFIX}:cert/{}", "0".repeat(64));
    let attach = format!("PUT /things/Core/principals x-amzn-principal:{nobody}");
    let gone = "ResourceNotFoundException";
    let cases: [Case<'_>; 9] = [
        ("GET /things/none", Value::Null, 404, gone, "Thing none is not found."),
        ("GET /policies/none", Value::Null, 404, gone, "Policy not found"),
        ("GET /role-aliases/none", Value::Null, 404, gone, "Role alias none does not exist"),
        ("GET /jobs/none", Value::Null, 404, gone, "Job none cannot be found."),
        ("GET /thing-groups/none", Value::Null, 404, gone, "Thing group none does not exist"),
        (&attach, Value::Null, 404, gone, "The certificate given in the principal does not exist."),
        ("PUT /target-policies/P", json!({"target": "x"}), 400, "InvalidRequestException", "Invalid principal: x"),
        (
            "PATCH /things/Core",
            json!({"expectedVersion": 7}),
            409,
            "VersionConflictException",
            "The version for thing Core does not match the expected version.",
        ),
        (
            "DELETE /things/Core",
            Value::Null,
            400,
            "InvalidRequestException",
            "Cannot delete. Thing Core is still attached to one or more principals",
        ),
    ];
    refused(&iot, &cases).await;
    // Detaching by today's name is not refused: its model has no exception for that.
    ok(&iot, "POST /target-policies/none", json!({"target": nobody})).await;
    let older = format!("DELETE /principal-policies/none x-amzn-iot-principal:{nobody}");
    refused(&iot, &[(&older, Value::Null, 404, gone, "Policy not found")]).await;
    for text in ["{", "{}", r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}"#] {
        let fault = call(&iot, "POST /policies/bad", json!({"policyDocument": text})).await.unwrap_err();
        assert_eq!((fault.status, fault.code), (400, "MalformedPolicyException"), "{text}");
    }
    let long = json!({"Effect": "Allow", "Action": "iot:Connect", "Resource": format!("arn:aws:iot:*:*:client/{}", "x".repeat(2048))});
    assert_eq!(call(&iot, "POST /policies/bad", document(&long)).await.unwrap_err().code, "MalformedPolicyException");
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    fidelity::fidelity!("registry-5", "registry-7");
    let iot = iot();
    let made = ok(&iot, "POST /keys-and-certificate?setAsActive=true", Value::Null).await;
    let (arn, id) = (made["certificateArn"].as_str().unwrap(), made["certificateId"].as_str().unwrap());
    ok(&iot, "POST /policies/p", allow("iot:Connect")).await;
    ok(&iot, "POST /things/t", Value::Null).await;
    ok(&iot, "PUT /target-policies/p", json!({"target": arn})).await;
    ok(&iot, &format!("PUT /things/t/principals x-amzn-principal:{arn}"), Value::Null).await;
    let delete = format!("DELETE /certificates/{id}");
    let active = format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
    let attached = "The policy cannot be deleted as the policy is attached to one or more principals (name=p)";
    refused(
        &iot,
        &[
            (&delete, Value::Null, 406, "CertificateStateException", &active),
            ("DELETE /policies/p", Value::Null, 409, "DeleteConflictException", attached),
        ],
    )
    .await;
    ok(&iot, &format!("PUT /certificates/{id}?newStatus=INACTIVE"), Value::Null).await;
    let things = format!("Things must be detached before deletion (arn: {arn})");
    let forced = format!("{delete}?forceDelete=true");
    refused(&iot, &[(&forced, Value::Null, 409, "DeleteConflictException", &things)]).await;
    ok(&iot, &format!("DELETE /things/t/principals x-amzn-principal:{arn}"), Value::Null).await;
    let policies = format!("Certificate policies must be detached before deletion (arn: {arn})");
    refused(&iot, &[(&delete, Value::Null, 409, "DeleteConflictException", &policies)]).await;
    ok(&iot, "POST /policies/p/version", allow("iot:Publish")).await;
    let versions = "The policy cannot be deleted as versions other than than default version exist (name=p)";
    refused(&iot, &[("DELETE /policies/p", Value::Null, 409, "DeleteConflictException", versions)]).await;
    ok(&iot, "DELETE /policies/p/version/2", Value::Null).await;
    ok(&iot, &forced, Value::Null).await;
    ok(&iot, "DELETE /policies/p", Value::Null).await;
    ok(&iot, "DELETE /things/t", Value::Null).await;
}

#[tokio::test]
async fn a_certificate_has_ten_policies_and_a_thing_ten_groups() {
    fidelity::fidelity!("registry-7");
    let iot = iot();
    let made = ok(&iot, "POST /keys-and-certificate", Value::Null).await;
    let target = json!({"target": made["certificateArn"]});
    for index in 0..11 {
        ok(&iot, &format!("POST /policies/p{index}"), allow("iot:Connect")).await;
        ok(&iot, &format!("POST /thing-groups/g{index}"), Value::Null).await;
    }
    for index in 0..10 {
        ok(&iot, &format!("PUT /target-policies/p{index}"), target.clone()).await;
    }
    let fault = call(&iot, "PUT /target-policies/p10", target).await.unwrap_err();
    assert_eq!((fault.status, fault.code), (410, "LimitExceededException"));
    let join = |group: usize| json!({"thingName": "Core", "thingGroupName": format!("g{group}")});
    for index in 0..9 {
        ok(&iot, "PUT /thing-groups/addThingToThingGroup", join(index)).await;
    }
    let fault = call(&iot, "PUT /thing-groups/addThingToThingGroup", join(9)).await.unwrap_err();
    assert_eq!((fault.status, fault.code), (400, "InvalidRequestException"));
}
