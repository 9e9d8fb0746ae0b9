//! The endpoint: services by the scope of the signature, buckets by the host, the operator, and the control plane.

use super::*;
use crate::aws::{
    gate::Services,
    rest::{self, Fault, Route},
};
use futures_util::{FutureExt, future::BoxFuture};
use std::collections::BTreeMap;

/// A control plane of one service with two operations.
pub(super) fn services() -> Services {
    let stand = || Arc::new(Stand) as Arc<dyn rest::Service>;
    Services::from([("greengrass", stand()), ("iot", stand())])
}

#[derive(Debug)]
struct Stand;

static ROUTES: [Route; 2] = [
    Route::new("GetCoreDevice", "GET", "/greengrass/v2/coreDevices/{name}", 200, |call| {
        call.arn("greengrass", &format!("coreDevices:{}", call.label("name")))
    }),
    Route::new("CreateDeployment", "POST", "/greengrass/v2/deployments", 201, rest::anything)
        .needing(|call| vec![("iot:CreateJob", call.arn("iot", "job/j"))]),
];

impl rest::Service for Stand {
    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn tags(&self, arn: &str) -> BTreeMap<String, String> {
        [("last".to_owned(), arn.rsplit(':').next().unwrap_or_default().to_owned())].into()
    }

    fn call<'c>(&'c self, name: &'c str, call: &'c rest::Call) -> BoxFuture<'c, Result<Value, Fault>> {
        async move {
            match call.label("name") {
                "gone" => Err(Fault::new(404, "ResourceNotFoundException", "no").with("resourceId", "gone")),
                label => Ok(json!({"name": name, "label": label})),
            }
        }
        .boxed()
    }
}

fn operated(world: &mut World) {
    let operator = json!({"user": "olive", "access_key_id": "AKIAOLIVE", "secret_access_key": "hush"});
    world.operator = serde_json::from_value(operator).unwrap();
}

fn olive(here: &Environment) -> Session {
    here.sessions.find("AKIAOLIVE").unwrap()
}

fn rest(method: &'static str, path: &str, body: &str) -> Call {
    Call {
        service: "greengrass",
        region: REGION,
        method,
        uri: format!("http://localhost:4566{path}"),
        headers: Vec::new(),
        body: body.into(),
        time: SystemTime::now(),
    }
}

impl Environment {
    async fn ask(&self, call: Request<Full<Bytes>>) -> Answer {
        Self::send_to(self.endpoint, call).await
    }
}

const CORE: &str = "/greengrass/v2/coreDevices/core";

/// The signature's scope says the service, whatever the host is; the operator is a user who may do everything.
#[tokio::test]
async fn the_scope_of_the_signature_says_the_service() {
    fidelity::fidelity!("endpoint-1", "endpoint-2");
    let here = Environment::of(&allow("s3:GetObject", "*"), operated).await;
    here.holds_the_secret().await;
    let olive = olive(&here);
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/olive");
    let answer = here.ask(rest("GET", CORE, "").signed(&olive)).await;
    assert_eq!(answer.json(), json!({"name": "GetCoreDevice", "label": "core"}));
    let seen = here.last();
    assert_eq!((seen.event_source.as_str(), seen.event_name.as_str()), ("greengrass.amazonaws.com", "GetCoreDevice"));
    assert_eq!((&seen.user_identity["type"], &seen.user_identity["arn"]), (&json!("IAMUser"), &json!(arn)));
    assert_eq!(seen.decision.statement.as_deref(), Some("AdministratorAccess[0]"));
    let context = &seen.decision.context;
    assert_eq!((&context["aws:username"], &context["aws:PrincipalType"]), (&json!("olive"), &json!("User")));
    assert_eq!(context["aws:ResourceTag/last"], "core");
    assert!(!context.contains_key("aws:TokenIssueTime"));

    for service in ["iot", "execute-api"] {
        // The stand-in has one table for all services.
        let call = Call { service, ..rest("GET", CORE, "") };
        assert_eq!(here.ask(call.signed(&olive)).await.status, 200, "{service}");
        assert_eq!(here.last().event_source, "iot.amazonaws.com");
    }

    let local = |call: Call, path: &str| Call { uri: format!("http://127.0.0.1:4566{path}"), ..call };
    let answer = here.ask(local(get_secret("github-token"), "/").signed(&olive)).await;
    assert_eq!(answer.json()["SecretString"], "s3cr3t", "{}", answer.text);
    let answer = here.ask(local(sts("Action=GetCallerIdentity"), "/").signed(&olive)).await;
    assert!(answer.text.contains(&format!("<Arn>{arn}</Arn><UserId>AIDA")), "{}", answer.text);

    Mock::given(matchers::path("/artifacts/a%20b"))
        .respond_with(ResponseTemplate::new(200).set_body_string("x"))
        .mount(&here.localstack)
        .await;
    for uri in [
        "http://localhost:4566/artifacts/a%20b",
        "http://artifacts.localhost:4566/a%20b",
        "http://artifacts.s3.localhost:4566/a%20b",
    ] {
        let object = Call { uri: uri.to_owned(), ..s3("GET", "") };
        assert_eq!(here.ask(object.signed(&olive)).await.text, "x", "{uri}");
        assert_eq!(here.ask(object.presigned(&olive, 60)).await.text, "x", "{uri}");
    }
}

/// Who is not known is told so in the words of the service that its call is for.
#[tokio::test]
async fn a_stranger_is_refused_in_the_words_of_the_service() {
    fidelity::fidelity!("endpoint-1", "gate-2");
    let here = Environment::of(&allow("s3:GetObject", "*"), operated).await;
    let olive = olive(&here);
    let refused = async |request: Request<Full<Bytes>>| {
        let answer = here.ask(request).await;
        let kind = answer.headers.split("\"x-amzn-errortype\": \"").nth(1).and_then(|rest| rest.split('"').next());
        (answer.status.as_u16(), kind.unwrap_or_default().to_owned(), answer.text)
    };
    let forger = Session { secret: "other".into(), ..olive.clone() };
    let stranger = Session { key: "AKIAOTHER".into(), ..olive.clone() };
    let with_token = Session { token: "t".into(), ..olive.clone() };
    for (session, code, says) in [
        (&forger, "invalidsignatureexception", "The request signature we calculated does not match"),
        (&stranger, "unrecognizedclientexception", "The security token included in the request is invalid."),
        (&with_token, "unrecognizedclientexception", "The security token included in the request is invalid."),
    ] {
        let (status, kind, text) = refused(rest("GET", CORE, "").signed(session)).await;
        assert!((status, kind.as_str()) == (403, code) && text.contains(says), "{status} {kind} {text}");
    }
    let elsewhere = Call { region: "us-west-2", ..rest("GET", CORE, "") };
    let (_, kind, text) = refused(elsewhere.signed(&olive)).await;
    assert!(kind == "invalidsignatureexception" && text.contains("scoped to a valid region."), "{kind} {text}");
    let mut short = rest("GET", CORE, "").signed(&olive);
    let scope = short.headers()["authorization"].to_str().unwrap().replace("/aws4_request", "");
    short.headers_mut().insert("authorization", scope.parse().unwrap());
    let (status, _, text) = refused(short).await;
    assert!(
        status == 403 && text.contains("The authorization header is malformed") || text.contains("exactly 5"),
        "{text}"
    );
    let mut other = rest("GET", CORE, "").signed(&olive);
    let scope = other.headers()["authorization"].to_str().unwrap().replace("aws4_request", "aws5_request");
    other.headers_mut().insert("authorization", scope.parse().unwrap());
    let (_, _, text) = refused(other).await;
    assert!(text.contains("a valid terminator: 'aws4_request', not 'aws5_request'."), "{text}");
    let (status, kind, _) = refused(rest("GET", CORE, "").unsigned()).await;
    assert_eq!((status, kind.as_str()), (403, "missingauthenticationtokenexception"));
    assert_eq!(here.ask(get_secret("x").unsigned()).await.error().1, "MissingAuthenticationTokenException");
    let (status, _, text) = refused(sts("Action=GetCallerIdentity").unsigned()).await;
    assert!(status == 403 && text.contains("<Code>MissingAuthenticationToken</Code>"), "{text}");
    let lambda = Call { service: "lambda", ..rest("GET", "/2015-03-31/functions", "") };
    let (status, kind, _) = refused(lambda.signed(&olive)).await;
    assert_eq!((status, kind.as_str()), (404, "unknownoperationexception"));
}

/// The device calls the control plane by its host with its role, and may what its policies allow; also what a service
/// does in its name.
#[tokio::test]
async fn a_role_needs_the_action_and_what_the_service_does_in_its_name() {
    fidelity::fidelity!("endpoint-3");
    let core = format!("arn:aws:greengrass:{REGION}:{ACCOUNT}:coreDevices:core");
    let statements = json!([
        {"Effect": "Allow", "Action": "greengrass:GetCoreDevice", "Resource": core},
        {"Effect": "Allow", "Action": "greengrass:CreateDeployment", "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}},
        {"Effect": "Allow", "Action": "iot:CreateJob", "Resource": "*", "Condition": {"StringEquals": {
            "aws:RequestedRegion": "us-east-1"}}},
    ]);
    let here = Environment::raise(statements).await;
    let session = here.session();
    let by_host = |method, path: &str, body: &str| {
        let uri = format!("https://greengrass.{REGION}.amazonaws.com{path}");
        Call { uri, ..rest(method, path, body) }
    };
    assert_eq!(here.send(by_host("GET", CORE, "").signed(&session)).await.status, 200);
    let answer = here.send(by_host("GET", "/greengrass/v2/coreDevices/other", "").signed(&session)).await;
    let denied = |action: &str, resource: &str| {
        format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
             allows the {action} action",
            device()
        )
    };
    assert_eq!(answer.status, 403);
    assert!(answer.headers.contains("\"x-amzn-errortype\": \"accessdeniedexception\""), "{}", answer.headers);
    let other = format!("arn:aws:greengrass:{REGION}:{ACCOUNT}:coreDevices:other");
    assert_eq!(answer.json(), json!({"message": denied("greengrass:GetCoreDevice", &other)}));
    let path = "/greengrass/v2/deployments";
    for (body, action, on) in [
        ("{}", "greengrass:CreateDeployment", "*".to_owned()),
        (r#"{"tags": {"team": "a"}}"#, "iot:CreateJob", format!("arn:aws:iot:{REGION}:{ACCOUNT}:job/j")),
    ] {
        let answer = here.send(by_host("POST", path, body).signed(&session)).await;
        assert_eq!(answer.json()["message"], denied(action, &on));
    }
    assert_eq!(here.last().further[0].action, "iot:CreateJob");
    let answer = here.send(by_host("GET", "/greengrass/v3", "").signed(&session)).await;
    assert!(answer.status == 404 && answer.headers.contains("unknownoperationexception"), "{}", answer.headers);
}

#[tokio::test]
async fn what_a_service_refuses_and_what_is_no_json_is_answered_in_its_form() {
    fidelity::fidelity!("endpoint-3");
    let here = Environment::of(&allow("s3:GetObject", "*"), operated).await;
    let olive = olive(&here);
    let answer = here.ask(rest("GET", "/greengrass/v2/coreDevices/gone", "").signed(&olive)).await;
    assert_eq!(answer.json(), json!({"message": "no", "resourceId": "gone"}));
    assert!(answer.status == 404 && answer.headers.contains("resourcenotfoundexception"), "{}", answer.headers);
    for body in ["{", "[]", "1"] {
        let answer = here.ask(rest("POST", "/greengrass/v2/deployments", body).signed(&olive)).await;
        assert!(answer.status == 400 && answer.headers.contains("serializationexception"), "{}", answer.headers);
    }
    let answer = here.ask(rest("POST", "/greengrass/v2/deployments", "{}").signed(&olive)).await;
    assert_eq!(answer.status, 201);
}

/// What an operation is on besides its own resource is decided too, and what a script makes counts from then on.
#[tokio::test]
async fn every_resource_of_an_operation_is_decided() {
    fidelity::fidelity!("endpoint-4");
    let objects =
        |names: &[&str]| names.iter().map(|name| format!("arn:aws:s3:::artifacts/{name}")).collect::<Vec<_>>();
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": objects(&["to", "from"])},
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": objects(&["a", "b"])},
        {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}},
        {"Effect": "Allow", "Action": "s3:PutBucketPublicAccessBlock", "Resource": "arn:aws:s3:::artifacts"},
        {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"},
    ]))
    .await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
    let session = here.session();
    let copy = async |from: &str| {
        let mut call = s3("PUT", "/to");
        call.headers.push(("x-amz-copy-source", format!("artifacts/{from}")));
        let answer = here.send(call.signed(&session)).await;
        (answer.status.as_u16(), answer.text)
    };
    assert_eq!(copy("from").await.0, 200);
    let (status, text) = copy("other").await;
    assert!(
        status == 403 && text.contains("s3:GetObject on resource: &quot;arn:aws:s3:::artifacts/other&quot;"),
        "{text}"
    );
    let delete = async |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        let call = Call { body: format!("<Delete>{}</Delete>", keys.concat()), ..s3("POST", "/?delete=") };
        here.send(call.signed(&session)).await
    };
    assert_eq!(delete(&["a", "b"]).await.status, 200);
    assert_eq!(here.last().event_name, "DeleteObjects");
    let answer = delete(&["a", "c"]).await;
    assert!(answer.status == 403 && answer.text.contains("artifacts/c"), "{}", answer.text);
    assert_eq!(here.send(s3("PUT", "/?publicAccessBlock=").signed(&session)).await.status, 200);
    assert_eq!(here.send(s3("PUT", "/?versioning=").signed(&session)).await.status, 403);
    let create = async |tag: &str| {
        let body = json!({"Tags": [{"TagKey": "team", "TagValue": tag}]});
        let mut call = secret("", &body);
        (call.service, call.uri) = ("kms", "https://kms.ap-northeast-1.amazonaws.com/".into());
        call.headers[1].1 = "TrentService.CreateKey".into();
        let answer = here.send(call.signed(&session)).await;
        answer.status.as_u16()
    };
    assert_eq!((create("a").await, create("b").await), (200, 400));
    let mut roles = sts("Action=ListRoles");
    (roles.service, roles.uri) = ("iam", "https://iam.amazonaws.com/".into());
    assert_ne!(here.send(roles.signed(&session)).await.status, 403);
    let mut policies = sts("Action=ListPolicies");
    (policies.service, policies.uri) = ("iam", "https://iam.amazonaws.com/".into());
    let answer = here.send(policies.signed(&session)).await;
    assert!(answer.text.contains("iam:ListPolicies on resource: policy path / because"), "{}", answer.text);
}

/// A user's access key makes sessions; what it made does not make more of them.
#[tokio::test]
async fn a_user_gets_a_session_token_and_assumes_roles() {
    fidelity::fidelity!("endpoint-4");
    let here = Environment::of(&allow("s3:GetObject", "*"), |world| {
        operated(world);
        let trust = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}});
        let role = world.roles.get_mut("DeviceRole").unwrap();
        (role.trust, role.max_session_seconds) = (trust.to_string(), 7200);
    })
    .await;
    let olive = olive(&here);
    let local = |body: &str| Call { uri: "http://localhost:4566/".into(), ..sts(body) };
    let answer = here.ask(local("Action=GetSessionToken&DurationSeconds=900").signed(&olive)).await;
    let field = |name: &str| {
        let (_, rest) = answer.text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let session = here.sessions.find(&field("AccessKeyId")).unwrap();
    assert_eq!((session.token.as_str(), session.name.as_str()), (field("SessionToken").as_str(), "olive"));
    let answer = here.ask(local("Action=GetSessionToken").signed(&session)).await;
    assert!(answer.text.contains("Cannot call GetSessionToken with session credentials"), "{}", answer.text);
    let answer = here.ask(local("Action=GetSessionToken&DurationSeconds=899").signed(&olive)).await;
    assert!(answer.text.contains("greater than or equal to 900"), "{}", answer.text);
    // No role chaining: the role's own limit counts.
    let role = format!("arn:aws:iam::{ACCOUNT}:role/device/DeviceRole");
    let assume = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=probe&DurationSeconds=7200");
    let answer = here.ask(local(&assume).signed(&olive)).await;
    assert!(
        answer.text.contains(&format!("<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/DeviceRole/probe</Arn>")),
        "{}",
        answer.text
    );
}
