//! Role credentials from the IoT credentials provider, cached as the token exchange service does.
//!
//! The core's own S3 downloads and the components' HTTP requests use the same cache. Nothing is fetched in the
//! background: the first request after the cache has run out asks, and whoever comes meanwhile waits for that answer.
//!
//! Times are those of the core's clock. How long credentials still last is measured in the world's time when they
//! arrive, and that much of the core's time is what the cache keeps them: with a faster clock they are fetched anew
//! early, and they are never used past their real end.

mod answer;

pub(crate) use answer::{Answer, Credentials, Retry};

use crate::{
    clock::{Clock, Moment},
    config::Config,
    log::{Cause, Line, Logs},
    tree,
};
use answer::{Keep, Verdict};
use rand::RngExt;
use reqwest::Client;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::sync::watch;

const LOGGER: &str = "com.aws.greengrass.tes.CredentialRequestHandler";
/// How often a connection is tried before it is given up and made anew.
const TRIES: u32 = 3;
/// Pause after the first failed try; after the next ones it is that much longer.
const BACKOFF: Duration = Duration::from_millis(200);
/// Longest pause before the one try over a new connection.
const JITTER: Duration = Duration::from_millis(200);

/// The credentials provider with its cache.
#[derive(Debug)]
pub(crate) struct Provider {
    client: Client,
    thing: String,
    clock: Clock,
    logs: Arc<Logs>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    upstream: Upstream,
    retry: Retry,
    cached: Option<Cached>,
    /// The request on its way, and its answer once there is one.
    flight: Option<watch::Receiver<Option<Arc<Answer>>>>,
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Upstream {
    /// Base URL.
    endpoint: String,
    alias: Option<String>,
}

#[derive(Debug)]
struct Cached {
    answer: Arc<Answer>,
    until: Moment,
    /// When it ends in any case, in the world's time.
    end: Option<OffsetDateTime>,
}

impl Provider {
    /// A provider that knows no endpoint until it is configured.
    pub(crate) fn new(config: &Config, client: Client, logs: Arc<Logs>) -> Self {
        let upstream = Upstream { endpoint: String::new(), alias: None };
        let state = State { upstream, retry: Retry::default(), cached: None, flight: None };
        Self { client, thing: config.thing.clone(), clock: config.clock, logs, state: Mutex::new(state) }
    }

    /// Takes the role alias and the endpoint from the nucleus's configuration, at the start and whenever it changes; the
    /// cache is dropped if either is another one.
    pub(crate) fn configure(&self, nucleus: &Value) {
        let given = |key| tree::text(nucleus, key).filter(|text| !text.is_empty());
        let endpoint = given("iotCredEndpoint").map(|host| format!("https://{host}")).unwrap_or_default();
        self.ask_at(Upstream { endpoint, alias: given("iotRoleAlias") });
    }

    fn ask_at(&self, upstream: Upstream) {
        let mut state = self.state();
        if upstream != state.upstream {
            let line = Line::debug(LOGGER).message("Clearing TES cache");
            self.logs.nucleus(&line.with("iotCredentialsPath", state.upstream.path()));
            *state = State { upstream, retry: state.retry, cached: None, flight: None };
        }
    }

    /// Sets how long refusals are remembered from now on.
    pub(crate) fn remember(&self, retry: Retry) {
        self.state().retry = retry;
    }

    /// The configured role alias.
    pub(crate) fn role_alias(&self) -> Option<String> {
        self.state().upstream.alias.clone()
    }

    /// The answer for a component; `None` if another one's request is on its way and takes longer than `patience`.
    pub(crate) async fn answer(self: &Arc<Self>, patience: Duration) -> Option<Arc<Answer>> {
        match self.current() {
            Current::Cached(answer) => Some(answer),
            Current::Mine(flight) => Some(landed(flight).await),
            Current::Others(flight) => self.clock.timeout(patience, landed(flight)).await.ok(),
        }
    }

    /// The credentials for the core's own use, if there are any.
    pub(crate) async fn credentials(self: &Arc<Self>) -> Option<Credentials> {
        let answer = match self.current() {
            Current::Cached(answer) => answer,
            Current::Mine(flight) | Current::Others(flight) => landed(flight).await,
        };
        if answer.credentials.is_none() {
            let line = Line::error(LOGGER).message("Error in retrieving AwsCredentials from TES");
            let line = line.with("iotCredentialsPath", self.state().upstream.path());
            self.logs.nucleus(&line.with("credentialData", &answer.body));
        }
        answer.credentials.clone()
    }

    fn current(self: &Arc<Self>) -> Current {
        let mut state = self.state();
        if let Some(cached) = state.cached.as_ref().filter(|cached| cached.is_valid(self.clock)) {
            return Current::Cached(cached.answer.clone());
        }
        if let Some(flight) = &state.flight {
            return Current::Others(flight.clone());
        }
        let (sender, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let provider = self.clone();
        let (upstream, retry) = (state.upstream.clone(), state.retry);
        // In a task of its own, so that it lands even if who asked has gone.
        tokio::spawn(async move {
            let answer = provider.fetch(&upstream, retry).await;
            sender.send_replace(Some(answer));
        });
        Current::Mine(flight)
    }

    /// Fetches anew, and keeps the answer if the configuration is still the same.
    async fn fetch(&self, upstream: &Upstream, retry: Retry) -> Arc<Answer> {
        let path = upstream.path();
        let say = |line: Line| self.logs.nucleus(&line.with("iotCredentialsPath", &path));
        let text = "IAM credentials not found in cache or already expired. Fetching new ones from TES";
        say(Line::debug(LOGGER).message(text));
        let verdict = match self.ask(upstream).await {
            Ok((status, body)) => Verdict::of(status, &body, retry, OffsetDateTime::now_utc()),
            Err(cause) => Verdict::no_connection(cause, retry),
        };
        verdict.lines.into_iter().for_each(say);
        let answer = Arc::new(verdict.answer);
        let mut state = self.state();
        if state.upstream == *upstream {
            state.flight = None;
            state.cached = self.cached(answer.clone(), verdict.keep);
        }
        answer
    }

    fn cached(&self, answer: Arc<Answer>, keep: Keep) -> Option<Cached> {
        match keep {
            Keep::Not => None,
            Keep::For(period) => Some(Cached { answer, until: self.clock.after(period), end: None }),
            Keep::Until(end) => {
                let left = Duration::try_from(end - OffsetDateTime::now_utc()).ok()?;
                Some(Cached { answer, until: self.clock.after(left), end: Some(end) })
            }
        }
    }

    /// Asks, again if no connection comes about, and at last once more over a new one.
    async fn ask(&self, upstream: &Upstream) -> Result<(u16, String), Cause> {
        for attempt in 1..=TRIES {
            if let Ok(answer) = self.ask_once(upstream).await {
                return Ok(answer);
            }
            self.clock.sleep(BACKOFF * attempt).await;
        }
        // A failed connection is not in the client's pool any more, so the next try makes a new one.
        let jitter = rand::rng().random_range(Duration::ZERO..=JITTER);
        self.clock.sleep(jitter).await;
        self.ask_once(upstream).await
    }

    async fn ask_once(&self, upstream: &Upstream) -> Result<(u16, String), Cause> {
        let url = format!("{}{}", upstream.endpoint, upstream.path());
        let request = self.client.get(url).header("x-amzn-iot-thingname", &self.thing);
        let response = request.send().await.map_err(|error| no_response(&error))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| no_response(&error))?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is for who asks.
enum Current {
    Cached(Arc<Answer>),
    /// A request that was made for this one.
    Mine(watch::Receiver<Option<Arc<Answer>>>),
    /// A request that was already on its way.
    Others(watch::Receiver<Option<Arc<Answer>>>),
}

async fn landed(mut flight: watch::Receiver<Option<Arc<Answer>>>) -> Arc<Answer> {
    let landed = flight.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
    // Only a panic of the request itself leaves no answer.
    landed.unwrap_or_else(|| Arc::new(Answer { status: 500, body: String::new(), credentials: None }))
}

impl Upstream {
    fn path(&self) -> String {
        format!("/role-aliases/{}/credentials", self.alias.as_deref().unwrap_or_default())
    }
}

impl Cached {
    fn is_valid(&self, clock: Clock) -> bool {
        clock.now() < self.until && self.end.is_none_or(|end| OffsetDateTime::now_utc() < end)
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
        let provider = Self::new(config, Self::plain_client(), logs);
        provider.ask_at(Upstream { endpoint: "https://c".into(), alias: Some("A".into()) });
        provider
    }

    /// A provider that asks `endpoint`, a base URL.
    pub(crate) fn without_client_certificate(endpoint: &str, alias: &str, logs: Arc<Logs>) -> Self {
        Self::at_speed(1.0, endpoint, alias, logs)
    }

    fn at_speed(speed: f64, endpoint: &str, alias: &str, logs: Arc<Logs>) -> Self {
        let upstream = Upstream { endpoint: endpoint.into(), alias: Some(alias.into()) };
        let clock = Clock::new(crate::Speed::try_from(speed).unwrap());
        let state = State { upstream, retry: Retry::default(), cached: None, flight: None };
        Self { client: Self::plain_client(), thing: "T".into(), clock, logs, state: Mutex::new(state) }
    }
}

#[cfg(test)]
mod tests;
