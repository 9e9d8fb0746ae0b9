//! Secrets that nobody told of, known by their shape: in what a person brings from a device.

use super::MASK;
use regex::{Captures, Regex};
use std::{borrow::Cow, sync::LazyLock};

/// Shapes of secrets. A group `keep` stays, whatever else matches is masked.
static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // A URL's user and password.
        r"(?<keep>[a-z][a-z0-9+.-]*://)[^\s/@]+@",
        r"\b(?:gh[pousr]_[A-Za-z0-9][A-Za-z0-9._-]{15,}|github_pat_\w{20,})",
        r"\b(?:AKIA|ASIA|AROA)[A-Z0-9]{16}\b",
        r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*",
        // An AWS session token.
        r"\b(?:IQoJ|FwoG|FQoG)[A-Za-z0-9+/=%]{40,}",
        r"(?i)(?<keep>\bauthorization:\s*(?:basic|bearer|token)\s+)\S+",
        r"(?i)(?<keep>\bAWS4-HMAC-SHA256 .*Signature=)[0-9a-f]+",
        r#"(?i)(?<keep>(?:secret_?access_?key|session_?token|security-?_?token|authorization_?token|svcuid|passw(?:or)?d|x-amz-(?:signature|credential)|"token)\\?"?\s*[=:]\s*\\?["']?)[^\s"'\\,}&]{6,}"#,
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    ]
    .map(|pattern| Regex::new(pattern).expect("the pattern is valid"))
    .into()
});

/// The text without what looks like a secret.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mask = |captures: &Captures<'_>| {
        if captures[0].ends_with("://git@") {
            return captures[0].to_owned();
        }
        let keep = captures.name("keep").map_or("", |keep| keep.as_str());
        let at = if keep.ends_with("://") { "@" } else { "" };
        format!("{keep}{MASK}{at}")
    };
    SHAPES.iter().fold(text.into(), |text, shape| match shape.replace_all(&text, mask) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => changed.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let long = format!("ghs_12345_{}.{}", "aB3-".repeat(60), "z_9".repeat(60));
        let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        for secret in [&long, token, "github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ", "ASIA0123456789ABCDEF"] {
            for around in [("x ", " y"), ("https://", "@github.com/o/r"), ("\"mypat\": \"", "\""), ("'", "'")] {
                let text = format!("{}{secret}{}", around.0, around.1);
                assert_eq!(masked(&text), format!("{}***{}", around.0, around.1));
            }
        }
        for (text, expected) in [
            ("https://x:very-secret@github.com/o/r.git", "https://***@github.com/o/r.git"),
            (r#"https://{"mypat":"abc"}@github.com/o"#, "https://***@github.com/o"),
            (r#"{"SecretAccessKey":"abc/def+012345","x":1}"#, r#"{"SecretAccessKey":"***","x":1}"#),
            (r#"{\"sessionToken\":\"abcdef012345\"}"#, r#"{\"sessionToken\":\"***\"}"#),
            ("AWS_SESSION_TOKEN=abcdefgh rest", "AWS_SESSION_TOKEN=*** rest"),
            ("Authorization: Basic eDphYmM=", "Authorization: Basic ***"),
            ("?X-Amz-Signature=0123456789abcdef&x=1", "?X-Amz-Signature=***&x=1"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "remote: Invalid username or token. Password authentication is not supported for Git operations.",
            "fatal: Authentication failed for 'https://github.com/O/R.git/'",
            "git@github.com: Permission denied (publickey).",
            "Cloning into 'x' from ssh://git@github.com/O/R.git",
            "Could not connect to the endpoint URL: \"http://localhost:39279/2016-11-01/credentialprovider/\"",
            "2026-11-28T10:00:00Z [INFO] (Copier) com.example.A: stdout. token: 3. {serviceName=com.example.A}",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
