//! Secrets Manager: what it is authorised on, what it says, and what policies see.

use super::*;

/// An allowed call reaches LocalStack in the account, without the caller's credentials.
#[tokio::test]
async fn an_allowed_call_is_forwarded_in_the_account() {
    fidelity::fidelity!("gate-1", "gate-9");
    let here =
        Environment::raise(allow("secretsmanager:GetSecretValue", &format!("{}??????", &ARN[..ARN.len() - 6]))).await;
    here.holds_the_secret().await;
    let session = here.session();
    for id in ["github-token", ARN] {
        let answer = here.send(get_secret(id).signed(&session)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["SecretString"], "s3cr3t");
        assert!(answer.headers.contains("x-amzn-requestid"));
        assert!(!answer.headers.contains("localstack") && !answer.headers.contains("werkzeug"), "{}", answer.headers);
    }
    let forwarded = &here.forwarded("GetSecretValue").await[0];
    let authorization = forwarded.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("Credential=111122223333/") && !authorization.contains(&session.key));
    assert!(!forwarded.headers.contains_key("x-amz-security-token"));
}

/// The resource is named as the caller named it, and existence is no excuse.
#[tokio::test]
async fn a_denied_secret_is_named_as_the_caller_named_it() {
    fidelity::fidelity!("gate-4");
    let here = Environment::raise(allow("s3:*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    for id in ["github-token", ARN] {
        let (status, code, text) = here.send(get_secret(id).signed(&session)).await.error();
        assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
        let user = format!("arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}");
        assert_eq!(
            text,
            format!(
                "User: {user} is not authorized to perform: secretsmanager:GetSecretValue on resource: {id} \
                 because no identity-based policy allows the secretsmanager:GetSecretValue action"
            )
        );
    }
    assert!(here.forwarded("GetSecretValue").await.is_empty());
}

#[tokio::test]
async fn an_explicit_deny_says_so() {
    fidelity::fidelity!("gate-4");
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}]))
    .await;
    let (_, _, text) = here.send(get_secret("x").signed(&here.session())).await.error();
    assert!(text.ends_with("on resource: x with an explicit deny in an identity-based policy"), "{text}");
    let (_, _, list) = here.send(secret("ListSecrets", &json!({})).signed(&here.session())).await.error();
    assert!(
        list.ends_with("perform: secretsmanager:ListSecrets with an explicit deny in an identity-based policy"),
        "{list}"
    );
}

/// A secret lives in one region and one account.
#[tokio::test]
async fn a_secret_is_not_found_in_another_region_or_under_another_arn() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("*", "*")).await;
    let foreign =
        |region: &str| matchers::header_regex("authorization", &format!("Credential=[^,]*/{region}/secretsmanager/"));
    let error = json!({"__type": "ResourceNotFoundException",
        "Message": "Secrets Manager can't find the specified secret."});
    Mock::given(foreign("us-east-1"))
        .respond_with(ResponseTemplate::new(400).set_body_json(error))
        .mount(&here.localstack)
        .await;
    here.holds_the_secret().await;
    let session = here.session();
    let mut elsewhere = get_secret("github-token");
    elsewhere.region = "us-east-1";
    elsewhere.uri = "https://secretsmanager.us-east-1.amazonaws.com/".into();
    assert_eq!(here.send(elsewhere.signed(&session)).await.error().1, "ResourceNotFoundException");
    let wrong_suffix = ARN.replace("AbCdEf", "ZzZzZz");
    assert_eq!(here.send(get_secret(&wrong_suffix).signed(&session)).await.error().1, "ResourceNotFoundException");
    let (_, code, _) = here.send(get_secret(&ARN.replace(ACCOUNT, "999988887777")).signed(&session)).await.error();
    assert!(["AccessDeniedException", "ResourceNotFoundException"].contains(&code.as_str()), "{code}");
}

/// The keys that policies ask for.
#[tokio::test]
async fn policies_see_who_calls_from_where_and_for_which_version() {
    fidelity::fidelity!("gate-3");
    let condition = json!({
        "ArnEquals": {"aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:role/device/DeviceRole")},
        "StringEquals": {"credentials-iot:ThingName": "core", "aws:RequestedRegion": REGION},
        "IpAddress": {"aws:SourceIp": "203.0.113.0/24"},
        "Bool": {"aws:SecureTransport": "true"},
        "Null": {"secretsmanager:VersionStage": "true"},
    });
    let here =
        Environment::raise(json!([{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        "Condition": condition}]))
        .await;
    here.holds_the_secret().await;
    let session = here.session();
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.status, 200);
    let staged = secret("GetSecretValue", &json!({"SecretId": "github-token", "VersionStage": "AWSCURRENT"}));
    assert_eq!(here.send(staged.signed(&session)).await.status, 400);
    let nameless = here.sessions.issue_device("DeviceRole", CERTIFICATE, None, 900);
    assert_eq!(here.send(get_secret("github-token").signed(&nameless)).await.status, 400);
}
