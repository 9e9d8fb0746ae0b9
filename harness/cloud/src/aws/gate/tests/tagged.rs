//! What is made with tags needs the action that gives tags, too.

use super::*;

fn kms(input: &Value) -> Call {
    let mut call = secret("", input);
    (call.service, call.uri) = ("kms", "https://kms.ap-northeast-1.amazonaws.com/".into());
    call.headers[1].1 = "TrentService.CreateKey".into();
    call
}

/// Makes a call, with tags or without.
type Make = Box<dyn Fn(bool) -> Call>;

fn iam(action: &str, fields: &str) -> Call {
    let body = format!("Action={action}&{fields}&Version=2010-05-08");
    Call { service: "iam", uri: "https://iam.amazonaws.com/".into(), body, ..sts("") }
}

/// What LocalStack was asked to do.
async fn was_asked(here: &Environment, operation: &str) -> bool {
    let asked = here.localstack.received_requests().await.unwrap();
    asked.iter().any(|request| {
        let target = request.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let action = format!("Action={operation}&");
        target.ends_with(&format!(".{operation}")) || String::from_utf8_lossy(&request.body).contains(&action)
    })
}

/// What makes something: its action, the one that gives tags, how a denial of that ends, and the call.
fn makers() -> [(&'static str, &'static str, String, Make); 4] {
    let documents =
        "AssumeRolePolicyDocument=%7B%22Statement%22%3A%5B%5D%7D&PolicyDocument=%7B%22Statement%22%3A%5B%5D%7D";
    let form = |action: &'static str, named: &'static str, tags: &'static str| {
        move |tagged: bool| iam(action, &format!("{named}&{documents}{}", if tagged { tags } else { "" }))
    };
    let tag = "&Tags.member.1.Key=team&Tags.member.1.Value=a";
    let made = |input: Value, tags: Value| {
        move |tagged: bool| {
            let mut input = input.clone();
            if tagged {
                input["Tags"] = tags.clone();
            }
            input
        }
    };
    let new_secret = made(json!({"Name": "new"}), json!([{"Key": "team", "Value": "a"}]));
    let new_key = made(json!({}), json!([{"TagKey": "team", "TagValue": "a"}]));
    [
        (
            "secretsmanager:CreateSecret",
            "secretsmanager:TagResource",
            " on resource: new because".into(),
            Box::new(move |tagged| secret("CreateSecret", &new_secret(tagged))),
        ),
        (
            "kms:CreateKey",
            "kms:TagResource",
            " because no identity-based policy".into(),
            Box::new(move |tagged| kms(&new_key(tagged))),
        ),
        (
            "iam:CreateRole",
            "iam:TagRole",
            format!(" on resource: arn:aws:iam::{ACCOUNT}:role/New because"),
            Box::new(form("CreateRole", "RoleName=New", tag)),
        ),
        (
            "iam:CreatePolicy",
            "iam:TagPolicy",
            " on resource: policy new because".into(),
            Box::new(form("CreatePolicy", "PolicyName=new", tag)),
        ),
    ]
}

#[tokio::test]
async fn tags_of_what_is_made_need_their_own_action() {
    fidelity::fidelity!("gate-18");
    for (action, tagging, end, call) in makers() {
        let operation = action.split_once(':').unwrap().1;
        let condition = json!({"StringEquals": {"aws:RequestTag/team": "a"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}});
        for (tagged, may_tag, comes_through) in [(false, false, true), (true, false, false), (true, true, true)] {
            let also = may_tag
                .then_some(json!({"Effect": "Allow", "Action": tagging, "Resource": "*", "Condition": condition}));
            let own = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
            let statements: Vec<_> = [own].into_iter().chain(also).collect();
            let here = Environment::raise(json!(statements)).await;
            let answer = ResponseTemplate::new(200).set_body_string("<R/>");
            Mock::given(matchers::any()).respond_with(answer).mount(&here.localstack).await;
            let answer = here.send(call(tagged).signed(&here.session())).await;
            let denied = answer.text.contains("is not authorized");
            assert_eq!(denied, !comes_through, "{action} {tagged} {may_tag}: {}", answer.text);
            if denied {
                assert!(answer.text.contains(&format!("perform: {tagging}{end}")), "{}", answer.text);
                assert!(!was_asked(&here, operation).await, "{action}");
            }
        }
    }
}

/// A policy for all keys of the account holds for a key that is being made, one for a certain key does not.
#[tokio::test]
async fn a_new_key_is_tagged_by_who_may_tag_all_keys() {
    fidelity::fidelity!("gate-18");
    let own = "arn:aws:kms:*:111122223333:key/";
    for (resource, status) in [("*".to_owned(), 200), (format!("{own}*"), 200), (format!("{own}0b1c2d3e"), 400)] {
        let here = Environment::raise(json!([{"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*"},
            {"Effect": "Allow", "Action": "kms:TagResource", "Resource": resource}]))
        .await;
        Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&here.localstack).await;
        let call = kms(&json!({"Tags": [{"TagKey": "team", "TagValue": "a"}]}));
        assert_eq!(here.send(call.signed(&here.session())).await.status, status, "{resource}");
    }
}

/// Tags that are taken away are seen by their names.
#[tokio::test]
async fn tags_that_go_are_seen_by_policies() {
    fidelity::fidelity!("gate-18");
    let condition = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}, "Null": {"aws:TagKeys": "false"}});
    let actions = ["iam:UntagRole", "iam:UntagPolicy"];
    let here =
        Environment::raise(json!([{"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition}]))
            .await;
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_string("<R/>"))
        .mount(&here.localstack)
        .await;
    let policy = format!("PolicyArn=arn:aws:iam::{ACCOUNT}:policy/p");
    for (action, on) in [("UntagRole", "RoleName=DeviceRole"), ("UntagPolicy", policy.as_str())] {
        for (keys, denied) in
            [("&TagKeys.member.1=a", false), ("&TagKeys.member.1=a&TagKeys.member.2=b", true), ("", true)]
        {
            let answer = here.send(iam(action, &format!("{on}{keys}")).signed(&here.session())).await;
            assert_eq!(answer.text.contains("is not authorized"), denied, "{action}{keys}: {}", answer.text);
        }
    }
}
