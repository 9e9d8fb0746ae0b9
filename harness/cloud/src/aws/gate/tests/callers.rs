//! Who a caller is: signatures in headers and URLs, and who is refused.

use super::*;

#[tokio::test]
async fn who_is_not_known_is_refused_in_the_services_own_words() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("*", "*")).await;
    here.holds_the_secret().await;
    let session = here.session();
    let code = |answer: Answer| answer.error().1;
    assert_eq!(code(here.send(get_secret("x").unsigned()).await), "MissingAuthenticationTokenException");
    let stranger = Session { key: "ASIAAAAAAAAAAAAAAAAA".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&stranger)).await), "UnrecognizedClientException");
    let forger = Session { token: "other".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&forger)).await), "UnrecognizedClientException");
    let forger = Session { secret: "other".into(), ..session.clone() };
    assert_eq!(code(here.send(get_secret("x").signed(&forger)).await), "InvalidSignatureException");
    let mut altered = get_secret("x").signed(&session);
    *altered.body_mut() = Full::from(get_secret("y").body);
    assert_eq!(code(here.send(altered).await), "InvalidSignatureException");
    let over = here.sessions.issue_device("DeviceRole", CERTIFICATE, None, 0);
    assert_eq!(code(here.send(get_secret("x").signed(&over)).await), "ExpiredTokenException");
    let mut late = get_secret("x");
    late.time -= Duration::from_mins(6);
    let (_, code, text) = here.send(late.signed(&session)).await.error();
    assert_eq!(code, "InvalidSignatureException");
    assert!(text.starts_with("Signature expired: ") && text.ends_with(" - 5 min.)"), "{text}");
}

/// Strangers are refused in S3's form.
#[tokio::test]
async fn s3_refuses_strangers_in_xml() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let forger = Session { secret: "other".into(), ..session.clone() };
    let answer = here.send(s3("GET", "/a").signed(&forger)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", answer.text);
    assert!(answer.headers.contains("x-amz-request-id") && answer.headers.contains("application/xml"));
    let over = here.sessions.issue_device("DeviceRole", CERTIFICATE, None, 0);
    let answer = here.send(s3("GET", "/a").signed(&over)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("<Code>ExpiredToken</Code>"), "{}", answer.text);
    let mut altered = s3("PUT", "/a").signed(&session);
    *altered.body_mut() = Full::from("something else");
    assert_eq!(here.send(altered).await.status, 400);
}

/// A presigned URL is as good as its signature and its time.
#[tokio::test]
async fn a_presigned_url_holds_until_it_expires() {
    fidelity::fidelity!("gate-2");
    let here = Environment::raise(allow("s3:GetObject", "*")).await;
    Mock::given(matchers::path("/artifacts/a"))
        .respond_with(ResponseTemplate::new(200).set_body_string("x"))
        .mount(&here.localstack)
        .await;
    let session = here.session();
    let mut call = s3("GET", "/a?response-content-type=text%2Fplain");
    assert_eq!(here.send(call.presigned(&session, 60)).await.text, "x");
    let asked = &here.localstack.received_requests().await.unwrap()[0];
    assert_eq!(asked.url.query(), Some("response-content-type=text%2Fplain"));
    call.time -= Duration::from_secs(61);
    let answer = here.send(call.presigned(&session, 60)).await;
    assert!(answer.status == 403 && answer.text.contains("Request has expired"), "{}", answer.text);
    let forger = Session { secret: "other".into(), ..session.clone() };
    let answer = here.send(s3("GET", "/a").presigned(&forger, 60)).await;
    assert!(answer.text.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", answer.text);
    assert_eq!(here.send(s3("GET", "/a").presigned(&session, 604_800)).await.text, "x");
    let answer = here.send(s3("GET", "/a").presigned(&session, 604_801)).await;
    assert!(answer.status == 400 && answer.text.contains("X-Amz-Expires must be less than a week"), "{}", answer.text);
}

/// What is AWS's in a request to S3 is signed, and so is the host of any.
#[tokio::test]
async fn what_is_not_signed_is_refused() {
    fidelity::fidelity!("gate-21");
    let here = Environment::raise(allow("*", "*")).await;
    let session = here.session();
    let with = |mut request: Request<Full<Bytes>>, name: &'static str| {
        request.headers_mut().insert(name, hyper::header::HeaderValue::from_static("private"));
        request
    };
    for request in [s3("PUT", "/a").signed(&session), s3("PUT", "/a").presigned(&session, 60)] {
        let answer = here.send(with(request, "x-amz-acl")).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text.contains("<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"), "{}", answer.text);
    }
    let mut without = s3("GET", "/a").signed(&session);
    without.headers_mut().remove("x-amz-content-sha256");
    let answer = here.send(without).await;
    let missing = "Missing required header for this request: x-amz-content-sha256";
    assert!(answer.status == 400 && answer.text.contains(missing), "{}", answer.text);
    let mut hostless = secret("GetSecretValue", &json!({"SecretId": "token"})).signed(&session);
    let signed = hostless.headers()["authorization"].to_str().unwrap().replace(";host;", ";").replace("=host;", "=");
    hostless.headers_mut().insert("authorization", hyper::header::HeaderValue::from_str(&signed).unwrap());
    let (_, code, said) = here.send(hostless).await.error();
    assert_eq!(code, "InvalidSignatureException");
    assert_eq!(said, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
}

/// No secret is longer than Secrets Manager's model says.
#[tokio::test]
async fn a_secret_that_is_too_long_is_not_kept() {
    fidelity::fidelity!("gate-22");
    let here = Environment::raise(allow("*", "*")).await;
    let long = |length: usize| json!({"Name": "long", "SecretString": "x".repeat(length)});
    let (_, code, said) = here.send(secret("CreateSecret", &long(65_537)).signed(&here.session())).await.error();
    assert_eq!(code, "ValidationException");
    assert!(said.ends_with(
        "Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"
    ));
    let answer = here.send(secret("CreateSecret", &long(65_536)).signed(&here.session())).await;
    assert!(!answer.text.contains("ValidationException"), "{}", answer.text);
}

/// A URL that AWS hands out is good for what it names and nothing else, whatever the device's role may do.
#[tokio::test]
async fn a_url_of_awss_own_needs_no_right_of_the_role() {
    fidelity::fidelity!("iot-32");
    let here = Environment::raise(allow("s3:ListBucket", "*")).await;
    let object = ResponseTemplate::new(206).set_body_string("llo").insert_header("content-range", "bytes 2-4/5");
    Mock::given(matchers::path("/artifacts/lib/a%20b.zip"))
        .and(matchers::header("range", "bytes=2-"))
        .respond_with(object)
        .mount(&here.localstack)
        .await;
    let session = here.sessions.issue_service(60);
    let url = presign::object(&session, REGION, S3, "lib/a b.zip", Duration::from_mins(1)).unwrap();
    let get = |url: &str| {
        let request = Request::builder().uri(url).header("host", S3).header("range", "bytes=2-");
        request.body(Full::default()).unwrap()
    };
    let answer = here.send(get(&url)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (206, "llo"), "{}", answer.headers);
    assert!(answer.headers.contains("\"content-length\": \"3\""), "{}", answer.headers);
    let other = here.send(get(&url.replace("a%20b", "c"))).await;
    assert!(other.status == 403 && other.text.contains("SignatureDoesNotMatch"), "{}", other.text);
}
