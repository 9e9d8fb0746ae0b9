//! What becomes of the credentials provider's answer: what a component is told, for how long, and what is logged.

use crate::log::{Cause, Line, instant};
use serde_json::{Value, json};
use std::{fmt, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const LOGGER: &str = super::LOGGER;
/// How long before their end credentials are fetched anew.
const MARGIN: time::Duration = time::Duration::seconds(300);

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// What a component is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// HTTP body.
    pub(crate) body: String,
    /// The credentials of a good answer.
    pub(crate) credentials: Option<Credentials>,
}

/// For how long an answer is given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Not at all: the next request asks anew.
    Not,
    /// For a period of the core's clock.
    For(Duration),
    /// As long as these credentials last, but for the margin.
    Until(OffsetDateTime),
}

/// How long refusals are remembered: `credentialRetryInSec` of the token exchange service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// After an answer of 400 to 499.
    pub(crate) client: Duration,
    /// After an answer of 500 to 599.
    pub(crate) server: Duration,
    /// After any other, and after none.
    pub(crate) unknown: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { client: Duration::from_mins(2), server: Duration::from_mins(1), unknown: Duration::from_mins(5) }
    }
}

/// An answer with what follows from it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) answer: Answer,
    pub(super) keep: Keep,
    pub(super) lines: Vec<Line>,
}

impl Verdict {
    /// Of what the provider answered at `now`.
    pub(super) fn of(status: u16, body: &str, retry: Retry, now: OffsetDateTime) -> Self {
        let keep = match status {
            200 => return Self::accepted(body, now),
            400..=499 => retry.client,
            500..=599 => retry.server,
            _ => retry.unknown,
        };
        let text = format!("TES responded with status code: {status}. Caching response. {body}");
        let line = Line::error(LOGGER).message(&text);
        Self { answer: refusal(status, text), keep: Keep::For(keep), lines: vec![line] }
    }

    /// Of no answer at all.
    pub(super) fn no_connection(cause: Cause, retry: Retry) -> Self {
        let line = Line::warn(LOGGER).message("Immediate retry after resetting connection also failed").cause(cause);
        let keep = Keep::For(retry.unknown);
        Self { answer: refusal(500, "Failed to get connection".into()), keep, lines: vec![line] }
    }

    fn accepted(body: &str, now: OffsetDateTime) -> Self {
        let document: Value = match serde_json::from_str(body) {
            Ok(document) => document,
            Err(error) => return Self::malformed(body, &error),
        };
        let field = |name: &str| document["credentials"][name].as_str().map(str::to_owned);
        let fields = (field("accessKeyId"), field("secretAccessKey"), field("sessionToken"), field("expiration"));
        let (Some(access_key_id), Some(secret_access_key), Some(session_token), Some(expiration)) = fields else {
            return Self::failed(Cause::new("java.lang.NullPointerException", ""));
        };
        let Ok(end) = OffsetDateTime::parse(&expiration, &Rfc3339) else {
            let text = format!("Text '{expiration}' could not be parsed at index 0");
            return Self::failed(Cause::new("java.time.format.DateTimeParseException", text));
        };
        if end < now {
            let line = Line::error(LOGGER);
            let line = line.message(format!("Unable to cache expired credentials which expired at {}", instant(end)));
            let text = format!("TES responded with credentials that expired at {}", instant(end));
            return Self { answer: refusal(500, text), keep: Keep::Not, lines: vec![line] };
        }
        let line = if end - MARGIN < now {
            Line::warn(LOGGER).message(format!(
                "Can't cache credentials as new credentials {} will expire in less than 300 seconds",
                instant(end)
            ))
        } else {
            let text = format!("Received IAM credentials that will be cached until {}", instant(end - MARGIN));
            Line::info(LOGGER).message(text)
        };
        let body = json!({
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret_access_key,
            "Expiration": expiration,
            "Token": session_token,
        });
        let credentials = Some(Credentials { access_key_id, secret_access_key, session_token });
        let answer = Answer { status: 200, body: body.to_string(), credentials };
        Self { answer, keep: Keep::Until(end - MARGIN), lines: vec![line] }
    }

    /// An answer that is no JSON.
    fn malformed(body: &str, error: &serde_json::Error) -> Self {
        let cause = || Cause::new("com.fasterxml.jackson.core.JsonParseException", error.to_string());
        let exception = Cause::new("com.aws.greengrass.deployment.exceptions.AWSIotException", "").because(cause());
        let lines = vec![
            Line::error(LOGGER).message("Received malformed credential input").cause(cause()),
            Line::error(LOGGER).message("Unable to parse response body").cause(exception),
        ];
        Self { answer: refusal(500, format!("Bad TES response: {body}")), keep: Keep::Not, lines }
    }

    /// JSON that isn't as it should be, on which the handler itself fails.
    fn failed(cause: Cause) -> Self {
        let line = Line::warn(LOGGER).message("Request failed").cause(cause);
        Self { answer: refusal(500, String::new()), keep: Keep::Not, lines: vec![line] }
    }
}

fn refusal(status: u16, body: String) -> Answer {
    Answer { status, body, credentials: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use time::macros::datetime;

    const GOOD: &str = r#"{"credentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":"2026-01-01T01:00:00Z"}}"#;

    fn of(status: u16, body: &str, now: OffsetDateTime) -> (u16, String, Keep, String) {
        let Verdict { answer, keep, lines } = Verdict::of(status, body, Retry::default(), now);
        let lines: String = lines.iter().map(|line| line.text(datetime!(2026-01-01 00:00 UTC))).collect();
        (answer.status, answer.body, keep, lines.replace("2026-01-01T00:00:00Z ", "").replace("(pool-2-thread-1) ", ""))
    }

    #[test]
    fn good_credentials_last_until_five_minutes_before_their_end() {
        fidelity!("core-tes-2");
        let (status, body, keep, lines) = of(200, GOOD, datetime!(2026-01-01 00:00 UTC));
        assert_eq!(status, 200);
        assert_eq!(
            body,
            r#"{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"2026-01-01T01:00:00Z","Token":"T"}"#
        );
        assert_eq!(keep, Keep::Until(datetime!(2026-01-01 00:55 UTC)));
        assert_eq!(
            lines,
            format!("[INFO] {LOGGER}: Received IAM credentials that will be cached until 2026-01-01T00:55:00Z. {{}}\n")
        );
        let (status, _, _, lines) = of(200, GOOD, datetime!(2026-01-01 00:55:01 UTC));
        assert_eq!(status, 200);
        let text =
            "Can't cache credentials as new credentials 2026-01-01T01:00:00Z will expire in less than 300 seconds";
        assert_eq!(lines, format!("[WARN] {LOGGER}: {text}. {{}}\n"));
    }

    #[test]
    fn what_can_not_be_used_is_not_kept() {
        fidelity!("core-tes-4");
        let now = datetime!(2026-01-01 02:00 UTC);
        let (status, body, keep, lines) = of(200, GOOD, now);
        let told = "TES responded with credentials that expired at 2026-01-01T01:00:00Z";
        assert_eq!((status, body.as_str(), keep), (500, told, Keep::Not));
        assert!(lines.contains("[ERROR]"), "{lines}");
        assert!(lines.contains("Unable to cache expired credentials which expired at 2026-01-01T01:00:00Z. {}"));

        let (status, body, keep, lines) = of(200, "<html>", now);
        assert_eq!((status, body.as_str(), keep), (500, "Bad TES response: <html>", Keep::Not));
        assert!(lines.contains("Received malformed credential input. {}\ncom.fasterxml."), "{lines}");
        assert!(lines.contains("Unable to parse response body. {}\ncom.aws.greengrass."), "{lines}");

        for body in ["{}", &GOOD.replace("2026-01-01T01:00:00Z", "soon")] {
            let (status, body, keep, lines) = of(200, body, now);
            assert_eq!((status, body.as_str(), keep), (500, "", Keep::Not));
            assert!(lines.starts_with(&format!("[WARN] {LOGGER}: Request failed. {{}}\njava.")), "{lines}");
        }
    }

    #[test]
    fn refusals_are_kept_by_their_kind() {
        fidelity!("core-tes-2");
        let now = datetime!(2026-01-01 00:00 UTC);
        for (upstream, seconds) in [(400, 120), (403, 120), (429, 120), (500, 60), (503, 60), (302, 300), (204, 300)] {
            let (status, body, keep, lines) = of(upstream, r#"{"message":"no"}"#, now);
            let told = format!(r#"TES responded with status code: {upstream}. Caching response. {{"message":"no"}}"#);
            assert_eq!((status, keep), (upstream, Keep::For(Duration::from_secs(seconds))));
            assert_eq!(body, told);
            assert_eq!(lines, format!("[ERROR] {LOGGER}: {told}. {{}}\n"));
        }
    }
}
