//! What is written down, and what is not done at all.

use super::*;

/// A call is written down with everything that decided it.
#[tokio::test]
async fn a_call_is_written_down_with_what_decided_it() {
    fidelity::fidelity!("gate-10", "gate-25");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    let session = here.session();
    here.send(s3("HEAD", "/gone").signed(&session)).await;
    here.send(s3("GET", "/a").unsigned()).await;
    here.send(get_secret("x").unsigned()).await;
    assert_eq!(here.last().decision.outcome, Outcome::Unauthenticated);
    let calls = std::mem::take(&mut *here.calls.lock().unwrap());
    let [head, unsigned, _] = &calls[..] else { panic!("{calls:?}") };
    let principal = format!("arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/{CERTIFICATE}");
    assert_eq!((&head.decision.principal, head.decision.outcome), (&principal, Outcome::Allowed));
    assert_eq!(head.decision.statement.as_deref(), Some("access[It]"));
    assert_eq!(head.decision.resource_account.as_deref(), Some(ACCOUNT));
    assert_eq!((&head.decision.context["aws:SourceIp"], &*head.source_ip_address), (&json!(SITE), SITE));
    let [listing] = &head.further[..] else { panic!("{head:?}") };
    assert_eq!((listing.action.as_str(), listing.resource.as_str()), ("s3:ListBucket", "arn:aws:s3:::artifacts"));
    assert_eq!((listing.outcome, listing.layer.as_deref()), (Outcome::ImplicitlyDenied, Some("identity")));
    assert_eq!(
        (unsigned.decision.principal.as_str(), unsigned.decision.layer.as_deref()),
        ("anonymous", Some("resource"))
    );
}

/// What can't be authorised as AWS does is not done.
#[tokio::test]
async fn what_is_not_emulated_is_refused_and_not_forwarded() {
    fidelity::fidelity!("gate-5");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let mut copy = s3("PUT", "/a");
    copy.headers.push(("x-amz-copy-source", "/theirs/secret".into()));
    assert_eq!(here.send(copy.signed(&session)).await.status, 404, "no other environment's bucket is there");
    assert!(!here.last().not_emulated, "AWS says the same");
    assert_eq!(here.send(s3("PUT", "/?inventory").signed(&session)).await.status, 501);
    for (service, operation) in [("kms", "TrentService.ReEncrypt"), ("kms", "TrentService.CreateGrant")] {
        let mut call = secret("", &json!({"KeyId": "0b1c"}));
        (call.service, call.uri) = (service, format!("https://{service}.ap-northeast-1.amazonaws.com/"));
        call.headers[1].1 = operation.into();
        assert_eq!(here.send(call.signed(&session)).await.error().1, "UnknownOperationException");
    }
    let mut call = sts("Action=CreateUser&UserName=x");
    (call.service, call.uri) = ("iam", "https://iam.amazonaws.com/".into());
    assert_eq!(here.send(call.signed(&session)).await.status, 400);
    let batch = secret("BatchGetSecretValue", &json!({"SecretIdList": ["github-token"]}));
    assert_eq!(here.send(batch.signed(&session)).await.error().1, "UnknownOperationException");
    assert!(here.localstack.received_requests().await.unwrap().is_empty());
    let calls = here.calls.lock().unwrap();
    for call in &calls[1..] {
        assert!(call.not_emulated && call.decision.outcome == Outcome::Undecided, "{call:?}");
    }
    let what = What::Api(Box::new(calls[1].clone()));
    assert_eq!(what.unsupported().as_deref(), Some("PUT /?inventory of s3.amazonaws.com is not emulated"));
    let person = ApiCall { user_identity: json!({"type": "IAMUser"}), ..calls[1].clone() };
    assert_eq!(What::Api(Box::new(person)).unsupported(), None, "no device depends on it");
}

/// What AWS refuses too is no gap of ours.
#[tokio::test]
async fn what_cannot_be_read_is_refused_and_not_told_as_not_emulated() {
    fidelity::fidelity!("gate-24");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let missing = "Value null at 'secretId' failed to satisfy constraint: Member must not be null";
    for (call, status, says) in [
        (secret("GetSecretValue", &json!({})), 400, missing),
        (secret("CreateSecret", &json!({})), 400, "'name' failed to satisfy constraint"),
        (secret("GetSecretValue", &json!({})).saying("{"), 400, "SerializationException"),
        (s3("POST", "/?delete=").saying("<Delete>"), 400, "<Code>MalformedXML</Code>"),
        (sts(""), 400, "<Code>MissingAction</Code>"),
    ] {
        let answer = here.send(call.signed(&session)).await;
        assert!(answer.status == status && answer.text.contains(says), "{}", answer.text);
        let last = here.last();
        assert!(!last.not_emulated && last.decision.outcome == Outcome::Undecided, "{last:?}");
    }
    let answer = here.send(s3("OPTIONS", "/").unsigned()).await;
    assert!(answer.status == 403 && !here.last().not_emulated, "{}", answer.text);
    let nameless = secret("", &json!({"SecretId": "x"}));
    assert_eq!(here.send(nameless.signed(&session)).await.error().1, "UnknownOperationException");
    assert!(!here.last().not_emulated);
}

/// What is not signed as other calls are is seen, too.
#[tokio::test]
async fn a_call_that_is_signed_otherwise_is_told_as_not_emulated() {
    fidelity::fidelity!("gate-24");
    let here = Environment::raise(allow("*", "*")).await;
    let signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=x";
    for (host, query, told) in [
        ("data-ats.iot", signed.to_owned(), "GET /mqtt of iot.amazonaws.com"),
        ("sts", format!("Action=GetCallerIdentity&{signed}"), "GetCallerIdentity of sts.amazonaws.com"),
        ("sts", "Action=AssumeRoleWithWebIdentity".into(), "AssumeRoleWithWebIdentity of sts.amazonaws.com"),
    ] {
        let path = if host == "sts" { "/" } else { "/mqtt" };
        let uri = format!("https://{host}.{REGION}.amazonaws.com{path}?{query}");
        here.send(Call { uri, ..s3("GET", "") }.unsigned()).await;
        let what = What::Api(Box::new(here.last())).unsupported();
        assert_eq!(what, Some(format!("{told} is not emulated")));
    }
    let form = s3("POST", "/").with("content-type", "multipart/form-data; boundary=x");
    let asymmetric = get_secret("x").with("authorization", "AWS4-ECDSA-P256-SHA256 Credential=x");
    let api = Call { uri: format!("https://a1b2.execute-api.{REGION}.amazonaws.com/prod"), ..s3("GET", "") };
    for call in [form, asymmetric, api] {
        here.send(call.unsigned()).await;
        assert!(here.last().not_emulated, "{}", call.uri);
    }
}

/// Parameters of a form may stand in the URL beside a body.
#[tokio::test]
async fn an_action_in_the_url_is_read_whatever_the_body_is() {
    fidelity::fidelity!("gate-8");
    let here = Environment::raise(allow("s3:*", "*")).await;
    let call = sts("x=y");
    let uri = format!("{}?Action=GetCallerIdentity&Version=2011-06-15", call.uri);
    let answer = here.send(Call { uri, ..call }.signed(&here.session())).await;
    assert!(answer.status == 200 && answer.text.contains("<GetCallerIdentityResult>"), "{}", answer.text);
}

/// A call of any other service, by whatever name it is signed, whatever the policies say of it.
#[tokio::test]
async fn a_service_that_is_not_emulated_is_told_with_its_operation() {
    fidelity::fidelity!("gate-24");
    let here = Environment::raise(allow("secretsmanager:*", "*")).await;
    let session = here.session();
    let at = |host: &str, service, call: Call| Call {
        service,
        region: REGION,
        uri: format!("https://{host}.{REGION}.amazonaws.com{}", call.uri.split_once(".com").unwrap().1),
        ..call
    };
    let target = secret("", &json!({"Name": "x"})).with("x-amz-target", "AmazonSSM.GetParameter");
    let target = Call { headers: vec![target.headers[0].clone(), target.headers[2].clone()], ..target };
    for (call, told) in [
        (at("ssm", "ssm", target), "GetParameter of ssm.amazonaws.com"),
        (at("sns", "sns", sts("Action=Publish&Message=x")), "Publish of sns.amazonaws.com"),
        (
            at("data-ats.iot", "iotdata", s3("POST", "/topics/t?qos=1").saying("x")),
            "POST /topics/t of iot.amazonaws.com",
        ),
        (at("api.ecr", "ecr", s3("GET", "/")), "GET / of ecr.amazonaws.com"),
    ] {
        here.send(call.signed(&session)).await;
        let what = What::Api(Box::new(here.last())).unsupported();
        assert_eq!(what, Some(format!("{told} is not emulated")));
        here.send(call.unsigned()).await;
        assert_eq!(What::Api(Box::new(here.last())).unsupported(), None, "AWS refuses it without a signature, too");
    }
    here.send(get_secret("x").signed(&session)).await;
    assert_eq!(What::Api(Box::new(here.last())).unsupported(), None, "it is emulated, and not there");
}

/// Older buckets take what newer ones refuse, so nobody knows whether it works.
#[tokio::test]
async fn a_signature_of_version_2_is_told_as_not_emulated() {
    fidelity::fidelity!("gate-24");
    let here = Environment::raise(allow("*", "*")).await;
    let url = "/a?AWSAccessKeyId=AKIAX&Signature=x%3D&Expires=1";
    for call in [s3("GET", url), s3("GET", "/a").with("authorization", "AWS AKIAX:x=")] {
        let answer = here.send(call.unsigned()).await;
        assert!(answer.status == 400 && answer.text.contains("Please use AWS4-HMAC-SHA256."), "{}", answer.text);
        assert!(here.last().not_emulated);
    }
    assert_eq!(here.send(s3("GET", "/a?Signature=x").unsigned()).await.status, 403);
    assert!(!here.last().not_emulated);
}
