//! What callers are answered when something goes wrong on purpose.

use super::*;

impl Environment {
    fn begin(&self, fault: &str) {
        self.faults.begin(fault.parse().unwrap());
    }
}

/// Each service is too busy in its own way.
#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    fidelity::fidelity!("fault-11");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    here.begin("secretsmanager.GetSecretValue.throttled times=1");
    let throttled = (400, "ThrottlingException".to_owned(), "Rate exceeded".to_owned());
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.error(), throttled);
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.status, 200);
    here.begin("kms.throttled times=1");
    let mut kms = secret("x", &json!({"KeyId": "x"}));
    (kms.service, kms.uri) = ("kms", format!("https://kms.{REGION}.amazonaws.com/"));
    kms.headers[1].1 = "TrentService.DescribeKey".into();
    let message = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
    let throttled = (400, "ThrottlingException".to_owned(), message.to_owned());
    assert_eq!(here.send(kms.signed(&session)).await.error(), throttled);
    here.begin("sts.throttled");
    let answer = here.send(sts("Action=GetCallerIdentity").signed(&session)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("<Code>Throttling</Code>"), "{}", answer.text);
    here.begin("s3.throttled");
    let answer = here.send(s3("GET", "/a").signed(&session)).await;
    assert!(answer.status == 503 && answer.text.contains("<Code>SlowDown</Code>"), "{}", answer.text);
}

#[tokio::test]
async fn a_status_or_a_page_stands_in_place_of_a_services_answer() {
    fidelity::fidelity!("fault-11");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    here.begin("secretsmanager.500 times=1");
    let broken = (500, "InternalServiceError".to_owned(), "An error occurred on the server side.".to_owned());
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.error(), broken);
    here.begin("secretsmanager.wrong-body times=1");
    let answer = here.send(get_secret("github-token").signed(&session)).await;
    assert!(answer.status == 200 && answer.text.contains("<html>"), "{}", answer.text);
    assert!(answer.headers.contains("text/html"), "{}", answer.headers);
    assert_eq!(here.last().status, 200);
    assert_eq!(here.send(get_secret("github-token").signed(&session)).await.json()["SecretString"], "s3cr3t");
}

#[tokio::test]
async fn a_secret_is_missing_deleted_or_rotated_while_a_fault_is_on() {
    fidelity::fidelity!("fault-12");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    let ask = async || here.send(get_secret("github-token").signed(&session)).await;
    here.begin("secretsmanager.missing secret=another");
    assert_eq!(ask().await.status, 200);
    here.begin("secretsmanager.missing secret=github-token");
    let missing = "Secrets Manager can't find the specified secret.";
    assert_eq!(ask().await.error(), (400, "ResourceNotFoundException".into(), missing.into()));
    here.faults.end("secretsmanager.missing");
    here.begin("secretsmanager.deleted secret=github-token");
    let deleted = "You can't perform this operation on the secret because it was marked for deletion.";
    assert_eq!(ask().await.error(), (400, "InvalidRequestException".into(), deleted.into()));
    let describe = secret("DescribeSecret", &json!({"SecretId": "github-token"}));
    assert_eq!(here.send(describe.signed(&session)).await.status, 200, "it can still be described");
    here.faults.end("secretsmanager.deleted");
    here.begin("secretsmanager.rotated secret=github-token body=n3w");
    assert_eq!(ask().await.json()["SecretString"], "n3w");
    here.begin("secretsmanager.rotated secret=github-token");
    let value = ask().await.json()["SecretString"].as_str().unwrap().to_owned();
    assert!(value.len() == 6 && value != "s3cr3t", "{value}");
    here.faults.end("secretsmanager.rotated");
    assert_eq!(ask().await.json()["SecretString"], "s3cr3t");
}

/// Whoever reads twice, or with and without the stage, reads the same; who wants another version gets what there was.
#[tokio::test]
async fn a_rotated_secret_has_one_new_version_and_keeps_its_old_ones() {
    fidelity::fidelity!("fault-12", "minted-2");
    let seeded = |world: &mut World| world.seed = Some(crate::world::Sensitive("seed".to_owned()));
    let here = Environment::of(&allow("*", "*"), seeded).await;
    here.holds_the_secret().await;
    let session = here.session();
    let ask = async |more: Value| {
        let mut asked = json!({"SecretId": "github-token"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        here.send(secret("GetSecretValue", &asked).signed(&session)).await.json()
    };
    here.begin("secretsmanager.rotated secret=github-token");
    let new = ask(json!({})).await;
    let expected = Seed::of("seed").rotated("github-token", "s3cr3t");
    assert_eq!((&new["SecretString"], new["VersionId"].as_str().unwrap().len()), (&json!(expected), 36));
    assert_eq!((ask(json!({})).await, ask(json!({"VersionStage": "AWSCURRENT"})).await), (new.clone(), new.clone()));
    for older in [json!({"VersionStage": "AWSPREVIOUS"}), json!({"VersionId": "c0ffee00-0000-4000-8000-000000000000"})]
    {
        assert_eq!(ask(older.clone()).await["SecretString"], "s3cr3t", "{older}");
    }
    here.begin("secretsmanager.rotated secret=github-token body=n3w");
    let stated = ask(json!({})).await;
    assert_eq!((&stated["SecretString"], stated["VersionId"] == new["VersionId"]), (&json!("n3w"), false));
    assert_eq!(ask(json!({})).await["VersionId"], stated["VersionId"]);
}

/// Policies come first: who may not ask is not told that a secret is marked for deletion.
#[tokio::test]
async fn a_deleted_secret_is_denied_to_who_may_not_read_it() {
    fidelity::fidelity!("fault-12");
    let here = Environment::raise(allow("s3:*", "*")).await;
    here.holds_the_secret().await;
    here.begin("secretsmanager.deleted secret=github-token");
    let (_, code, _) = here.send(get_secret("github-token").signed(&here.session())).await.error();
    assert_eq!(code, "AccessDeniedException");
}

/// What Secrets Manager says of a secret that was really marked for deletion.
#[tokio::test]
async fn a_secret_that_was_deleted_is_refused_in_awss_words() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("*", "*")).await;
    let described = json!({"ARN": ARN, "Name": "github-token", "DeletedDate": 1.0});
    Mock::given(matchers::header("x-amz-target", "secretsmanager.DescribeSecret"))
        .respond_with(ResponseTemplate::new(200).set_body_json(described))
        .mount(&here.localstack)
        .await;
    let (_, code, text) = here.send(get_secret("github-token").signed(&here.session())).await.error();
    assert!(code == "InvalidRequestException" && text.ends_with("it was marked for deletion."), "{text}");
}

#[tokio::test]
async fn what_is_signed_by_the_devices_clock_is_refused_by_awss() {
    fidelity::fidelity!("fault-10");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    here.begin("aws.clock shift=3600");
    let session = here.session();
    let (_, code, text) = here.send(get_secret("github-token").signed(&session)).await.error();
    assert_eq!(code, "InvalidSignatureException");
    assert!(text.starts_with("Signature expired: ") && text.contains(" is now earlier than "), "{text}");
    let answer = here.send(s3("GET", "/a").signed(&session)).await;
    assert!(answer.text.contains("<Code>RequestTimeTooSkewed</Code>"), "{}", answer.text);
    here.begin("aws.clock shift=-3600");
    let (_, _, text) = here.send(get_secret("github-token").signed(&here.session())).await.error();
    assert!(text.starts_with("Signature not yet current: ") && text.ends_with(" + 5 min.)"), "{text}");
    here.faults.end("aws.clock");
    assert_eq!(here.send(get_secret("github-token").signed(&here.session())).await.status, 200);
}
