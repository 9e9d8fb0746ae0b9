//! Policies that are written while others are written.

use super::{sts::element, *};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use wiremock::Respond;

/// How long IAM takes to list what the account has: time enough for another call.
const LISTING: Duration = Duration::from_millis(300);

/// IAM with a role that one call deletes.
#[derive(Default)]
struct Iam {
    gone: AtomicBool,
    /// Told when the list is asked for.
    listed: Arc<Notify>,
}

impl Respond for Iam {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let body = String::from_utf8_lossy(&request.body);
        let asked: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
        let field = |name: &str| asked.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_ref());
        let there = !self.gone.load(Ordering::SeqCst);
        let done = |text: &str| ResponseTemplate::new(200).set_body_string(text.to_owned());
        match (field("Action"), field("RoleName")) {
            ("DeleteRole", "Doomed") => {
                self.gone.store(true, Ordering::SeqCst);
                done("<DeleteRoleResponse/>")
            }
            ("GetRole", "Doomed") if !there => {
                let error =
                    "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>gone</Message></Error></ErrorResponse>";
                ResponseTemplate::new(404).set_body_string(error)
            }
            ("GetRole", _) => {
                done("<R><GetRoleResult><Role><MaxSessionDuration>3600</MaxSessionDuration></Role></GetRoleResult></R>")
            }
            ("GetAccountAuthorizationDetails", _) => {
                self.listed.notify_one();
                let names = ["DeviceRole", "Doomed"].into_iter().filter(|name| there || *name != "Doomed");
                let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
                    "Principal": {"Service": "credentials.iot.amazonaws.com"}}});
                let role = |name| {
                    format!(
                        "<member><RoleName>{name}</RoleName><Path>/</Path>\
                         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument></member>"
                    )
                };
                let roles: String = names.map(role).collect();
                done(&format!(
                    "<R><GetAccountAuthorizationDetailsResult><RoleDetailList>{roles}</RoleDetailList>\
                     </GetAccountAuthorizationDetailsResult></R>"
                ))
                .set_delay(LISTING)
            }
            (action, _) => done(&format!("<{action}Response/>")),
        }
    }
}

fn iam(body: &str) -> Call {
    let call = sts("");
    Call {
        service: "iam",
        uri: "https://iam.amazonaws.com/".into(),
        body: format!("{body}&Version=2010-05-08"),
        ..call
    }
}

/// A role that goes while another call's change is read back is no failure of that call.
#[tokio::test]
async fn writes_do_not_get_into_each_others_reading_back() {
    fidelity::fidelity!("account-2");
    let here = Environment::raise(allow("iam:*", "*")).await;
    Mock::given(matchers::method("POST")).respond_with(Iam::default()).mount(&here.localstack).await;
    let session = here.session();
    // The first call of IAM puts the roles in, and takes out what there was.
    let first = here.send(iam("Action=GetRole&RoleName=DeviceRole").signed(&session)).await;
    assert_eq!(first.status, 200, "{}", first.text);
    here.localstack.reset().await;
    let listed = Arc::<Notify>::default();
    let iam_here = Iam { listed: Arc::clone(&listed), ..Iam::default() };
    Mock::given(matchers::method("POST")).respond_with(iam_here).mount(&here.localstack).await;
    let tag = iam("Action=TagRole&RoleName=DeviceRole&Tags.member.1.Key=a&Tags.member.1.Value=b").signed(&session);
    let delete = iam("Action=DeleteRole&RoleName=Doomed").signed(&session);
    let (tagged, deleted) = tokio::join!(here.send(tag), async {
        listed.notified().await;
        here.send(delete).await
    });
    assert_eq!((tagged.status.as_u16(), deleted.status.as_u16()), (200, 200), "{} {}", tagged.text, deleted.text);
}

/// A policy with a statement that speaks of everybody.
fn of_everybody(statement: &Value) -> String {
    let mut statement = statement.clone();
    statement["Effect"] = json!("Allow");
    statement["Principal"] = json!("*");
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

/// What S3 would refuse as the policy of this bucket never comes to LocalStack; what it takes does.
#[tokio::test]
async fn a_bucket_policy_that_s3_refuses_is_refused_in_its_words() {
    fidelity::fidelity!("account-3", "iam-25");
    let here = Environment::raise(allow("s3:*", "*")).await;
    let taken = |method| Mock::given(matchers::method(method)).and(matchers::path_regex("^/artifacts/?$"));
    let own = of_everybody(&json!({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::artifacts/*"}));
    taken("PUT").respond_with(ResponseTemplate::new(204)).expect(1).mount(&here.localstack).await;
    taken("GET").respond_with(ResponseTemplate::new(200).set_body_string(own.clone())).mount(&here.localstack).await;
    let put = async |policy: &str| {
        let mut call = s3("PUT", "/?policy");
        call.body = policy.to_owned();
        here.send(call.signed(&here.session())).await
    };
    for (action, resource, said) in [
        ("s3:GetObject", "arn:aws:s3:::theirs/*", "Policy has invalid resource"),
        ("s3:GetObject", "*", "Policy has invalid resource"),
        ("s3:ListObjects", "arn:aws:s3:::artifacts", "Policy has invalid action"),
        ("s3:GetObject", "arn:aws:s3:::artifacts", "Action does not apply to any resource(s) in statement"),
        ("s3:ListBucket", "arn:aws:s3:::artifacts/*", "Action does not apply to any resource(s) in statement"),
    ] {
        let answer = put(&of_everybody(&json!({"Action": action, "Resource": resource}))).await;
        assert_eq!(answer.status.as_u16(), 400, "{action} {resource}: {}", answer.text);
        assert_eq!(element(&answer.text, "Code"), "MalformedPolicy");
        assert_eq!(element(&answer.text, "Message"), said, "{action} {resource}");
    }
    let answer = put(&own).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}
