//! What is a secret by its shape, and what only looks like one.

use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};

const BODY: &str = "Zq01aB23cD45eF67gH89iJ0kLmNoPqRsTuVw";

fn seen(text: &str) -> Vec<(&'static str, String)> {
    let hits = Patterns.hits(text.as_bytes());
    hits.iter().map(|hit| (SHAPES[hit.canary].name, hit.excerpt.clone())).collect()
}

fn key() -> String {
    let body = STANDARD.encode((0..150_u8).map(|byte| byte.wrapping_mul(37)).collect::<Vec<_>>());
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    lines.join("\n")
}

#[test]
fn secrets_are_known_by_their_shape() {
    let long = format!("ghs_12345_{}.{}", "aB3-".repeat(90), "z_9xK".repeat(30));
    let session = format!("IQoJb3JpZ2luX2Vj{}", "aB3/dE6+".repeat(50));
    let secret = "wJalr0UtnFEMI/K7MDENG/bPxRfiCYzq83Kd+L0a";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", key());
    for (text, name, excerpt) in [
        (
            format!("clone https://x:ghp_{BODY}@github.com/o"),
            "GitHub personal access token",
            "clone https://x:***@github.com/o",
        ),
        (format!("https://ghp_{BODY}@github.com/o"), "GitHub personal access token", "https://***@github.com/o"),
        (format!("t=gho_{BODY} "), "GitHub OAuth token", "t=*** "),
        (format!("t=ghu_{BODY} "), "GitHub App user token", "t=*** "),
        (format!("t=ghs_{BODY} "), "GitHub App installation token", "t=*** "),
        (format!("t={long} "), "GitHub App installation token", "t=*** "),
        (format!("t=ghr_{BODY}{BODY} "), "GitHub refresh token", "t=*** "),
        (format!("t=github_pat_11ABCDEFG0{BODY}_x{BODY} "), "GitHub fine-grained token", "t=*** "),
        (format!("AWS_SESSION_TOKEN={session}\nx"), "AWS session token", "AWS_SESSION_TOKEN=***"),
        (format!("aws_secret_access_key = {secret}\n"), "AWS secret access key", "aws_secret_access_key = ***"),
        (
            format!(r#"{{"SecretAccessKey":"{secret}","x":1}}"#),
            "AWS secret access key",
            r#"{"SecretAccessKey":"***","x":1}"#,
        ),
        (format!(r#"{{\"secretAccessKey\":\"{secret}\"}}"#), "AWS secret access key", r#"{\"secretAccessKey\":\"***"#),
        (format!("AKIAQWERTYUIOPASDFGH,{secret}\n"), "AWS secret access key", ",***"),
        (pem.clone(), "private key", "***"),
        (serde_json::to_string(&pem).unwrap(), "private key", "***"),
        (pem.replace("PRIVATE", "OPENSSH PRIVATE"), "private key", "***"),
        (pem.replace("PRIVATE", "RSA PRIVATE"), "private key", "***"),
        (
            "git clone https://me:s3cr3t-Zq9@host.example/x".into(),
            "password in a URL",
            "git clone https://me:***@host.example/x",
        ),
        ("postgres://u:pAss12word9x@db:5432/x".into(), "password in a URL", "postgres://u:***@db:5432/x"),
        (format!("Authorization: Bearer {BODY}"), "authorization header", "Authorization: Bearer ***"),
        (format!("AUTHORIZATION: token {BODY}"), "authorization header", "AUTHORIZATION: token ***"),
        (
            format!("http.extraheader=Authorization: Basic {}", STANDARD.encode(format!("me:{BODY}"))),
            "authorization header",
            "http.extraheader=Authorization: Basic ***",
        ),
    ] {
        let seen = seen(&text);
        assert_eq!(seen.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name], "{text}");
        assert!(seen[0].1.contains(excerpt) || seen[0].1 == excerpt, "{text}: {}", seen[0].1);
        assert!(!seen[0].1.contains(&BODY[..12]) && !seen[0].1.contains(&secret[..12]), "{}", seen[0].1);
    }
}

#[test]
fn a_token_in_base64_is_seen_at_each_alignment() {
    for user in ["", "x:", "ab:", "abc:", "x-access-token:"] {
        for token in [format!("ghp_{BODY}"), format!("ghs_{BODY}"), format!("github_pat_11ABCDEFG0{BODY}")] {
            let text = format!("auth: \"{}\"", STANDARD.encode(format!("{user}{token}")));
            assert_eq!(
                seen(&text).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
                ["GitHub token in base64"],
                "{user}{token}"
            );
        }
    }
}

#[test]
fn what_is_no_secret_is_no_alarm() {
    for text in [
        "ghp_ and github_pat_ are prefixes, ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "https://x:***@github.com/o https://x:****@h https://${USER}:${TOKEN}@h https://x:$TOKEN@h https://u:%s@h",
        "https://x:<redacted>@host/ https://user:password@host https://host:8080/a@b http://[::1]:80/@",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUBdh0zZq01aB23cD45eF67gH89iJ0kLmNoPqRsTuVwMIIBszCCAVmgAwIBAgIU\n",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLE",
        "AWS4-HMAC-SHA256 Credential=AKIAQWERTYUIOPASDFGH/20261128/eu-west-1/s3/aws4_request, SignedHeaders=host",
        "Authorization: Basic *** and Authorization: Bearer ${TOKEN} Authorization: Bearer <token>",
        "\"secretAccessKey\": \"****************************************\"",
        "git@github.com:o/r.git ssh://git@github.com/o/r",
    ] {
        assert_eq!(seen(text), [], "{text}");
    }
}

#[test]
fn pieces_are_one_stream() {
    let pad = "some words that fill a line\n".repeat(1500);
    let text = format!("{pad}t=ghp_{BODY}\n{pad}-----BEGIN PRIVATE KEY-----\n{}\n{pad}https://x:ghs_{BODY}@h\n", key());
    let told = |hits: &[Hit]| hits.iter().map(|hit| (hit.canary, hit.offset, hit.end, hit.line)).collect::<Vec<_>>();
    let whole = told(&Patterns.hits(text.as_bytes()));
    assert_eq!(whole.iter().map(|hit| hit.3).collect::<Vec<_>>(), [1501, 3003, 4507], "{whole:?}");
    for size in [1000, 4096, 8191, 50_000] {
        let (mut search, mut hits) = (Patterns.begin(), Vec::new());
        text.as_bytes().chunks(size).for_each(|piece| search.feed(piece, &mut hits));
        search.finish(&mut hits);
        assert_eq!(told(&hits), whole, "pieces of {size}");
    }
}
