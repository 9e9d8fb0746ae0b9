//! S3: objects, buckets, regions and faults.

use super::*;

/// The whole path is signed and forwarded as it came.
#[tokio::test]
async fn an_object_is_found_by_its_encoded_key() {
    fidelity::fidelity!("gate-5");
    let here = Environment::raise(allow("s3:GetObject", "arn:aws:s3:::artifacts/a b+c/*")).await;
    Mock::given(matchers::path("/artifacts/a%20b%2Bc/d"))
        .respond_with(ResponseTemplate::new(206).set_body_string("x"))
        .mount(&here.localstack)
        .await;
    let mut call = s3("GET", "/a%20b%2Bc/d");
    call.headers.push(("range", "bytes=0-0".into()));
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (206, "x"));
    assert!(answer.headers.contains("amazons3"), "{}", answer.headers);
}

/// Who may not list a bucket is not told that an object is missing.
#[tokio::test]
async fn a_missing_object_is_forbidden_to_those_who_may_not_list() {
    fidelity::fidelity!("gate-6");
    let missing = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
    for (statements, status) in [
        (allow("s3:GetObject", "*"), 403),
        (json!([{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]), 404),
    ] {
        let here = Environment::raise(statements).await;
        let not_found = |method| Mock::given(matchers::method(method));
        let xml = ResponseTemplate::new(404).set_body_raw(missing, "application/xml");
        not_found("GET").respond_with(xml).mount(&here.localstack).await;
        not_found("HEAD").respond_with(ResponseTemplate::new(404)).mount(&here.localstack).await;
        let session = here.session();
        let got = here.send(s3("GET", "/gone").signed(&session)).await;
        assert_eq!(got.status.as_u16(), status, "{}", got.text);
        assert_eq!(
            got.text.contains("s3:ListBucket on resource: &quot;arn:aws:s3:::artifacts&quot; because")
                || got.text.contains("s3:ListBucket on resource: \"arn:aws:s3:::artifacts\" because"),
            status == 403,
            "{}",
            got.text
        );
        let head = here.send(s3("HEAD", "/gone").signed(&session)).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (status, ""));
    }
}

/// What other environments keep in the same LocalStack does not exist.
#[tokio::test]
async fn a_bucket_of_another_environment_does_not_exist() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("*", "*")).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let mut call = s3("GET", "/theirs/k");
    call.uri = "https://s3.ap-northeast-1.amazonaws.com/theirs/k".into();
    let answer = here.send(call.signed(&here.session())).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("<Code>NoSuchBucket</Code>"), "{}", answer.text);
}

/// A bucket is in one region, and only its location may be asked elsewhere.
#[tokio::test]
async fn a_bucket_is_in_its_region() {
    fidelity::fidelity!("gate-7");
    let here = Environment::raise(allow("s3:*", "*")).await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let session = here.session();
    let ask = |uri: &str| Call { uri: uri.into(), region: "us-east-1", ..s3("GET", "") };
    let answer = here.send(ask("https://artifacts.s3.us-east-1.amazonaws.com/a").signed(&session)).await;
    assert!(
        answer.text.contains("expecting 'ap-northeast-1'</Message><Region>ap-northeast-1</Region>"),
        "{}",
        answer.text
    );
    assert!(answer.headers.contains("\"x-amz-bucket-region\": \"ap-northeast-1\""), "{}", answer.headers);
    let location = here.send(ask("https://artifacts.s3.us-east-1.amazonaws.com/?location").signed(&session)).await;
    assert_eq!(location.status, 200);
}

/// A fault of S3 comes before everything but who the caller is, and goes when it has struck often enough.
#[tokio::test]
async fn a_fault_answers_in_s3s_form_until_it_is_over() {
    fidelity::fidelity!("fault-1");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    let found = ResponseTemplate::new(200).set_body_string("hello");
    Mock::given(matchers::path("/artifacts/a.zip")).respond_with(found).mount(&here.localstack).await;
    let session = here.session();
    here.faults.begin("s3.GetObject.503 times=1".parse().unwrap());
    here.faults.begin("s3.500 times=1 body=<html>".parse().unwrap());
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = here.send(s3("GET", "/a.zip").signed(&session)).await;
        seen.push((answer.status.as_u16(), answer.text));
    }
    assert!(seen[0].0 == 503 && seen[0].1.contains("<Code>SlowDown</Code>"), "{seen:?}");
    assert_eq!(seen[1..], [(500, "<html>".to_owned()), (200, "hello".to_owned())]);
}

/// A bucket whose objects are written once: AWS's example of a policy that enforces conditional writes.
#[tokio::test]
async fn a_write_has_to_be_conditional_where_the_policy_says_so() {
    fidelity::fidelity!("gate-23");
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Condition": {"Null": {"s3:if-none-match": "false"}}},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Condition": {"Bool": {"s3:ObjectCreationOperation": "false"}}},
    ]))
    .await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let session = here.session();
    let put = |path: &str, condition: Option<&str>| {
        let mut call = s3("PUT", path);
        call.headers.extend(condition.map(|name| ("if-none-match", name.to_owned())));
        call.signed(&session)
    };
    assert_eq!(here.send(put("/k", None)).await.status, 403);
    assert_eq!(here.send(put("/k", Some("*"))).await.status, 200);
    let part = here.send(put("/k?partNumber=1&uploadId=u", None)).await;
    assert_ne!(part.status, 403, "{}", part.text);
}
