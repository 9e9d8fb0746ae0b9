//! How fast decisions are: `cargo bench -p iam`. Reasons are built only in the runs that say so.

use criterion::{Criterion, Throughput};
use iam::{Document, Kind, Outcome, Policies, Policy, Principal, Request, decide, explain};
use serde_json::{Value, json};
use std::hint::black_box;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:plant/line7-AbCdEf";

fn one() -> Value {
    json!([{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:plant/line7-??????"}])
}

/// All speak of the request, and all conditions but the last of each hold; only the last statement applies.
fn fifty() -> Value {
    (0..50)
        .map(|index| {
            json!({"Sid": format!("S{index}"), "Effect": "Allow", "Action": ["secretsmanager:Get*", "secretsmanager:Describe*"],
                "Resource": "arn:aws:secretsmanager:*:111122223333:secret:plant/*",
                "Condition": {
                    "StringEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]},
                    "IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]},
                    "Bool": {"aws:SecureTransport": if index == 49 { "true" } else { "false" }}}})
        })
        .collect()
}

fn text(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn policies(statements: &Value) -> Policies {
    let document = Document::read(&text(statements), Kind::Inline).expect("the policy is valid");
    Policies { identity: vec![Policy::new("role", document)], ..Policies::default() }
}

fn request() -> Request {
    Request::new("secretsmanager:GetSecretValue", SECRET)
        .by(Principal::parse("arn:aws:sts::111122223333:assumed-role/Core/thing"))
        .owned_by("111122223333")
        .with("aws:PrincipalArn", "arn:aws:iam::111122223333:role/Core")
        .with("aws:PrincipalAccount", "111122223333")
        .with("aws:RequestedRegion", "eu-west-1")
        .with("aws:SourceIp", "198.51.100.7")
        .with("aws:SecureTransport", "true")
        .with("aws:CurrentTime", "2025-03-14T09:26:53Z")
}

fn decisions(criterion: &mut Criterion) {
    let request = request();
    for (name, statements) in [("one statement", one()), ("fifty statements with conditions", fifty())] {
        let policies = policies(&statements);
        assert_eq!(decide(&policies, &request).outcome, Outcome::Allowed);
        let text = text(&statements);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("decide", |bencher| bencher.iter(|| decide(black_box(&policies), black_box(&request))));
        group.bench_function("explain", |bencher| bencher.iter(|| explain(black_box(&policies), black_box(&request))));
        group.bench_function("compile", |bencher| bencher.iter(|| Document::read(black_box(&text), Kind::Inline)));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decisions(&mut criterion);
    criterion.final_summary();
}
