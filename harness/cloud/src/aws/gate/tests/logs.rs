//! CloudWatch Logs: what is allowed is told as not emulated, what is not is denied on groups and streams.

use super::*;

fn logs(operation: &str, input: &Value) -> Call {
    let mut call = secret("", input);
    (call.service, call.uri) = ("logs", "https://logs.ap-northeast-1.amazonaws.com/".into());
    call.headers[1].1 = format!("Logs_20140328.{operation}");
    call
}

#[tokio::test]
async fn logs_are_decided_on_groups_and_streams() {
    fidelity::fidelity!("gate-19");
    let group = "arn:aws:logs:*:*:log-group:/x";
    let here = Environment::raise(json!([
        {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams"],
            "Resource": format!("{group}:*")},
        {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": format!("{group}:log-stream:mine")},
        {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "arn:aws:logs:*:*:*"},
    ]))
    .await;
    let session = here.session();
    let of = |group: &str, stream: &str| json!({"logGroupName": group, "logStreamName": stream});
    for (operation, input, denied) in [
        ("CreateLogGroup", json!({"logGroupName": "/x"}), None),
        ("CreateLogGroup", json!({"logGroupName": "/y"}), Some("/y:log-stream:")),
        ("CreateLogStream", of("/x", "any"), None),
        ("CreateLogStream", of("/y", "any"), Some("/y:log-stream:any")),
        ("PutLogEvents", of("/x", "mine"), None),
        ("PutLogEvents", of("/x", "other"), Some("/x:log-stream:other")),
        ("DescribeLogStreams", json!({"logGroupName": "/x"}), None),
        ("DescribeLogStreams", json!({"logGroupIdentifier": format!("{}:*", group.replace('*', "1"))}), None),
        ("DescribeLogStreams", json!({"logGroupIdentifier": "/y"}), Some("/y:log-stream:")),
        ("DescribeLogGroups", json!({}), None),
        ("FilterLogEvents", json!({"logGroupName": "/y"}), None),
    ] {
        let (status, code, said) = here.send(logs(operation, &input).signed(&session)).await.error();
        let Some(resource) = denied else {
            assert_eq!((status, code.as_str()), (400, "UnknownOperationException"), "{operation} {input}: {said}");
            assert!(here.last().not_emulated, "{operation} {input}");
            continue;
        };
        let resource = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{resource}");
        assert_eq!(code, "AccessDeniedException", "{operation} {input}");
        assert!(!here.last().not_emulated, "{operation} {input}");
        assert!(said.contains(&format!("perform: logs:{operation} on resource: {resource} because")), "{said}");
    }
    assert!(here.localstack.received_requests().await.unwrap().is_empty());
}

/// Where policies are not enforced a denial stays a finding.
#[tokio::test]
async fn what_is_let_through_although_it_is_denied_is_no_gap() {
    fidelity::fidelity!("gate-19");
    let here = Environment::of(&allow("s3:*", "*"), |world| world.soft = true).await;
    here.send(logs("CreateLogGroup", &json!({"logGroupName": "/x"})).signed(&here.session())).await;
    let last = here.last();
    assert!(last.decision.let_through && !last.not_emulated, "{last:?}");
}
