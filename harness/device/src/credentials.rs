//! Role credentials from the IoT credentials provider, cached as the token exchange service does.
//!
//! The core's own S3 downloads and the components' HTTP requests use the same cache.

use crate::{
    config::Config,
    log::{Cause, Line, Logs, instant},
};
use reqwest::Client;
use serde_json::{Value, json};
use std::{fmt, sync::Arc};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Mutex;

const LOGGER: &str = "com.aws.greengrass.tes.CredentialRequestHandler";
/// How long before their end credentials are fetched anew.
const MARGIN: Duration = Duration::seconds(300);
/// How long refusals are remembered: 4xx, 5xx, anything else.
const CLIENT_ERROR: Duration = Duration::seconds(120);
const SERVER_ERROR: Duration = Duration::seconds(60);
const UNKNOWN_ERROR: Duration = Duration::seconds(300);
/// Pause between the tries of a connection.
const RECONNECT: std::time::Duration = std::time::Duration::from_millis(200);

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
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// HTTP body.
    pub(crate) body: String,
    /// The credentials of a good answer.
    pub(crate) credentials: Option<Credentials>,
    valid_until: OffsetDateTime,
}

/// The credentials provider with its cache.
#[derive(Debug)]
pub(crate) struct Provider {
    client: Client,
    endpoint: String,
    path: String,
    thing: String,
    logs: Arc<Logs>,
    cache: Mutex<Option<Arc<Answer>>>,
}

impl Provider {
    /// A provider with an empty cache.
    pub(crate) fn new(config: &Config, client: Client, logs: Arc<Logs>) -> Self {
        Self {
            client,
            endpoint: format!("https://{}", config.credentials_endpoint),
            path: format!("/role-aliases/{}/credentials", config.role_alias.as_deref().unwrap_or_default()),
            thing: config.thing.clone(),
            logs,
            cache: Mutex::default(),
        }
    }

    /// The current answer; concurrent callers wait for the one request in flight.
    pub(crate) async fn answer(&self) -> Arc<Answer> {
        let mut cache = self.cache.lock().await;
        if let Some(answer) = cache.as_ref().filter(|answer| answer.valid_until > OffsetDateTime::now_utc()) {
            return answer.clone();
        }
        let text = "IAM credentials not found in cache or already expired. Fetching new ones from TES";
        self.logs.nucleus(&Line::debug(LOGGER).message(text).with("iotCredentialsPath", &self.path));
        let answer = Arc::new(self.fetch().await);
        *cache = Some(answer.clone());
        answer
    }

    async fn fetch(&self) -> Answer {
        for attempt in 1..=3 {
            let request = self.client.get(format!("{}{}", self.endpoint, self.path));
            let error = match request.header("x-amzn-iot-thingname", &self.thing).send().await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    match response.text().await {
                        Ok(body) => return self.interpret(status, &body, OffsetDateTime::now_utc()),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let line = Line::warn(LOGGER).message("Encountered error while fetching credentials");
            self.logs.nucleus(&line.with("iotCredentialsPath", &self.path).cause(no_response(&error)));
            if attempt < 3 {
                #[expect(clippy::disallowed_methods, reason = "the nucleus waits this long between its tries")]
                tokio::time::sleep(RECONNECT).await;
            }
        }
        self.refusal(500, "Failed to get connection".into(), UNKNOWN_ERROR)
    }

    fn interpret(&self, status: u16, body: &str, now: OffsetDateTime) -> Answer {
        if status == 200 {
            return self.accepted(body, now);
        }
        let text = format!("TES responded with status code: {status}. Caching response. {body}");
        let keep = match status {
            400..=499 => CLIENT_ERROR,
            500..=599 => SERVER_ERROR,
            _ => UNKNOWN_ERROR,
        };
        self.refusal(status, text, keep)
    }

    fn accepted(&self, body: &str, now: OffsetDateTime) -> Answer {
        let document: Value = serde_json::from_str(body).unwrap_or_default();
        let field = |name| document["credentials"][name].as_str().map(str::to_owned);
        let fields = (field("accessKeyId"), field("secretAccessKey"), field("sessionToken"), field("expiration"));
        let (Some(access_key_id), Some(secret_access_key), Some(session_token), Some(expiration)) = fields else {
            return self.refusal(500, format!("Bad TES response: {body}"), Duration::ZERO);
        };
        let Ok(end) = OffsetDateTime::parse(&expiration, &Rfc3339) else {
            return self.refusal(500, format!("Bad TES response: {body}"), Duration::ZERO);
        };
        if end <= now {
            let text = format!("TES responded with credentials that expired at {}", instant(end));
            return self.refusal(500, text, Duration::ZERO);
        }
        let valid_until = end - MARGIN;
        let line = if valid_until > now {
            let text = format!("Received IAM credentials that will be cached until {}", instant(valid_until));
            Line::info(LOGGER).message(text)
        } else {
            let text = format!(
                "Can't cache credentials as new credentials {} will expire in less than 300 seconds",
                instant(end)
            );
            Line::warn(LOGGER).message(text)
        };
        self.logs.nucleus(&line.with("iotCredentialsPath", &self.path));
        let body = json!({
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret_access_key,
            "Expiration": expiration,
            "Token": session_token,
        });
        let credentials = Some(Credentials { access_key_id, secret_access_key, session_token });
        Answer { status: 200, body: body.to_string(), credentials, valid_until }
    }

    fn refusal(&self, status: u16, body: String, keep: Duration) -> Answer {
        // A body that isn't understood could hold credentials, so only refusals of the provider are quoted.
        let quoted = if body.starts_with("Bad TES response") { "Bad TES response" } else { &body };
        self.logs.nucleus(&Line::error(LOGGER).message(quoted).with("iotCredentialsPath", &self.path));
        Answer { status, body, credentials: None, valid_until: OffsetDateTime::now_utc() + keep }
    }
}

/// The exception that a request ends with when no answer comes.
fn no_response(error: &dyn std::error::Error) -> Cause {
    let exception = Cause::new("com.aws.greengrass.deployment.exceptions.AWSIotException", "Unable to get response");
    exception.because(Cause::new("java.io.IOException", chain(error)))
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
impl Provider {
    /// An HTTP client that trusts nobody.
    pub(crate) fn plain_client() -> Client {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Client::builder().tls_backend_preconfigured(tls).build().unwrap()
    }

    /// A provider that can't reach anything.
    pub(crate) fn for_tests(config: &Config, logs: Arc<Logs>) -> Self {
        Self::new(config, Self::plain_client(), logs)
    }

    /// A provider that asks `endpoint`, a base URL.
    pub(crate) fn without_client_certificate(endpoint: &str, alias: &str, logs: Arc<Logs>) -> Self {
        Self {
            client: Self::plain_client(),
            endpoint: endpoint.into(),
            path: format!("/role-aliases/{alias}/credentials"),
            thing: "T".into(),
            logs,
            cache: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [core-tes-2]
    #[test]
    fn answers_and_how_long_they_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Arc::new(Logs::new(folder.path()));
        let provider = Provider::without_client_certificate("", "A", logs);
        let now = time::macros::datetime!(2026-01-01 00:00 UTC);
        let good = r#"{"credentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":"2026-01-01T01:00:00Z"}}"#;
        let answer = provider.interpret(200, good, now);
        assert_eq!(
            answer.body,
            r#"{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"2026-01-01T01:00:00Z","Token":"T"}"#
        );
        assert_eq!(answer.valid_until, time::macros::datetime!(2026-01-01 00:55 UTC));
        let refused = provider.interpret(403, r#"{"message":"Access Denied"}"#, now);
        assert_eq!(refused.status, 403);
        assert_eq!(
            refused.body,
            r#"TES responded with status code: 403. Caching response. {"message":"Access Denied"}"#
        );
        assert_eq!(provider.interpret(200, "{}", now).status, 500);
        assert_eq!(
            provider.interpret(200, good, time::macros::datetime!(2026-01-01 02:00 UTC)).body,
            "TES responded with credentials that expired at 2026-01-01T01:00:00Z"
        );
    }
}
