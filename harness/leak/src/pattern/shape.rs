//! The shapes of secrets.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use regex::bytes::Regex;
use std::{ops::Range, sync::LazyLock};

/// A shape of a secret.
pub(super) struct Shape {
    /// What such a secret is called.
    pub(super) name: &'static str,
    /// Texts of which one stands in it or just before it.
    pub(super) signs: &'static [&'static str],
    /// From the sign on; the group `secret` is the secret.
    ahead: Regex,
    /// What has to stand before the sign.
    behind: Option<Regex>,
    /// Whether it may be anything, so that a shape that says more goes before.
    pub(super) vague: bool,
    /// Whether it is read as base64.
    pub(super) encoded: bool,
}

impl Shape {
    /// The secret after its sign, where these bytes begin.
    pub(super) fn secret(&self, behind: &[u8], ahead: &[u8]) -> Option<Range<usize>> {
        if self.behind.as_ref().is_some_and(|pattern| !pattern.is_match(behind)) {
            return None;
        }
        let secret = self.ahead.captures(ahead)?.name("secret")?;
        let good = if self.encoded { holds_token(secret.as_bytes()) } else { is_real(secret.as_bytes()) };
        good.then(|| secret.range())
    }
}

/// In the order in which one goes before another.
pub(super) static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let token = Some(r"(?:^|[^A-Za-z0-9])$");
    vec![
        shape("GitHub personal access token", &["ghp_"], r"\A(?<secret>ghp_[A-Za-z0-9]{30,255})", token),
        shape("GitHub fine-grained token", &["github_pat_"], r"\A(?<secret>github_pat_[A-Za-z0-9_]{22,255})", token),
        shape("GitHub App installation token", &["ghs_"], r"\A(?<secret>ghs_[A-Za-z0-9._-]{36,2000})", token),
        shape("GitHub App user token", &["ghu_"], r"\A(?<secret>ghu_[A-Za-z0-9._-]{30,2000})", token),
        shape("GitHub OAuth token", &["gho_"], r"\A(?<secret>gho_[A-Za-z0-9]{30,255})", token),
        shape("GitHub refresh token", &["ghr_"], r"\A(?<secret>ghr_[A-Za-z0-9]{30,255})", token),
        shape(
            "private key",
            &["PRIVATE KEY"],
            r"\APRIVATE KEY(?: BLOCK)?-----(?:\s|\\+[nr])*(?<secret>[A-Za-z0-9+/=]{40,}(?:(?:\s|\\+[nr])+[A-Za-z0-9+/=]{40,})*(?:(?:\s|\\+[nr])+[A-Za-z0-9+/=]+(?:\s|\\+[nr])*-----END)?)",
            Some(r"-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|PGP) )?$"),
        ),
        shape(
            "AWS session token",
            &["IQoJb3JpZ2luX2Vj", "FwoGZXIvYXdz", "FQoGZXIvYXdz"],
            r"\A(?<secret>[A-Za-z0-9+/=%]{100,})",
            Some(r"(?:^|[^A-Za-z0-9+/])$"),
        ),
        shape(
            "AWS secret access key",
            &["ecretAccessKey", "ecret_access_key", "ECRET_ACCESS_KEY", "ecretaccesskey", "ecret access key"],
            r#"\A.{14,16}?\\*["']?\s*[=:,]\s*\\*["']?(?<secret>[A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)"#,
            None,
        ),
        shape(
            "AWS secret access key",
            &["AKIA", "ASIA"],
            r#"\A[A-Z]{4}[A-Z2-7]{16}\\*["']?[\s,:;|]{1,8}\\*["']?(?<secret>[A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)"#,
            Some(r"(?:^|[^A-Za-z0-9])$"),
        ),
        Shape {
            encoded: true,
            ..shape(
                "GitHub token in base64",
                // Of `ghp_`, `ghs_` and `github_pat_` at each alignment.
                &[
                    "Z2hwX",
                    "docF",
                    "naHBf",
                    "Z2hzX",
                    "doc1",
                    "naHNf",
                    "Z2l0aHViX3BhdF",
                    "dpdGh1Yl9wYXRf",
                    "naXRodWJfcGF0X",
                ],
                r"\A(?<secret>[A-Za-z0-9+/_-]{36,4000}={0,2})",
                None,
            )
        },
        Shape {
            vague: true,
            ..shape(
                "password in a URL",
                &["://"],
                r#"\A://[^\s/@:"'<>\\]{0,64}:(?<secret>[^\s/@"'<>\\:]{6,})@[A-Za-z0-9\[]"#,
                Some(r"[a-z][a-z0-9+.-]{1,20}$"),
            )
        },
        Shape {
            vague: true,
            ..shape(
                "authorization header",
                &["uthorization", "UTHORIZATION"],
                r#"\A(?i:uthorization)\\*["']?\s*[:=]\s*\\*["']?(?i:basic|bearer|token)\s+(?<secret>[A-Za-z0-9._~+/-]{12,}=*)"#,
                None,
            )
        },
    ]
});

fn shape(name: &'static str, signs: &'static [&'static str], ahead: &str, behind: Option<&str>) -> Shape {
    let pattern = |pattern: &str| Regex::new(&format!("(?s-u){pattern}")).expect("the pattern is valid");
    Shape { name, signs, ahead: pattern(ahead), behind: behind.map(pattern), vague: false, encoded: false }
}

/// Whether a text may be a secret: not a placeholder, and not what AWS's documentation shows.
fn is_real(secret: &[u8]) -> bool {
    const WORDS: [&str; 9] =
        ["EXAMPLE", "REDACTED", "PLACEHOLDER", "YOUR_", "YOUR-", "CHANGEME", "PASSWORD", "XXXXX", "SECRET"];
    let text = String::from_utf8_lossy(secret).to_ascii_uppercase();
    let mut seen = [false; 256];
    for byte in secret {
        seen[usize::from(*byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let made = ['$', '{', '}', '*', '<', '>'].iter().any(|letter| text.starts_with(*letter))
        || text.ends_with('}')
        || text.starts_with("%(")
        || text.starts_with("%S");
    different >= 5 && !made && (secret.len() > 400 || !WORDS.iter().any(|word| text.contains(word)))
}

/// Whether a token of GitHub is in this base64, which may begin anywhere.
fn holds_token(base64: &[u8]) -> bool {
    const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?s-u)\A.{0,3}?(?:h[pousr]_|ithub_pat_)(?<body>[A-Za-z0-9._-]{30,})")
            .expect("the pattern is valid")
    });
    let plain: Vec<u8> = base64
        .iter()
        .filter(|byte| **byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    // The first letter may be made of the byte before, too, so what is read of it does not count.
    (0..4).any(|before| {
        let part = [&b"AAA"[..before], &plain].concat();
        let part = &part[..part.len() - usize::from(part.len() % 4 == 1)];
        let decoded = GeneralPurpose::new(&alphabet::STANDARD, LAX).decode(part).unwrap_or_default();
        TOKEN.captures(&decoded).and_then(|found| found.name("body")).is_some_and(|body| is_real(body.as_bytes()))
    })
}
