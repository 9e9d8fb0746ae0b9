//! The provider against a stand-in for the cloud's, with a clock that runs faster than the world.

use super::*;
use fidelity::fidelity;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    folder: tempfile::TempDir,
    server: MockServer,
    provider: Arc<Provider>,
}

impl World {
    async fn at_speed(speed: f64, answer: ResponseTemplate) -> Self {
        let (folder, server) = (tempfile::tempdir().unwrap(), MockServer::start().await);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let logs = Arc::new(Logs::new(folder.path()));
        let provider = Arc::new(Provider::at_speed(speed, &server.uri(), "A", logs));
        Self { folder, server, provider }
    }

    async fn ask(&self) -> (u16, String) {
        let answer = self.provider.answer(PATIENCE).await.unwrap();
        (answer.status, answer.body.clone())
    }

    async fn asked(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("greengrass.log")).unwrap_or_default()
    }

    /// Lets `seconds` of the core's time pass.
    async fn pass(&self, seconds: u64) {
        self.provider.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

fn good(lasting: Duration) -> ResponseTemplate {
    let end = (OffsetDateTime::now_utc() + lasting).replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    ResponseTemplate::new(200).set_body_json(json!({"credentials": {
        "accessKeyId": "A", "secretAccessKey": "S", "sessionToken": "T", "expiration": end}}))
}

#[tokio::test]
async fn the_request_is_the_real_one_and_its_answer_is_kept() {
    fidelity!("core-tes-2");
    let world = World::at_speed(1.0, good(Duration::from_hours(1))).await;
    assert_eq!(world.ask().await.0, 200);
    assert_eq!(world.ask().await.0, 200);
    assert_eq!(world.provider.credentials().await.unwrap().session_token, "T");
    let asked = world.asked().await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].url.path(), "/role-aliases/A/credentials");
    assert_eq!(asked[0].headers["x-amzn-iot-thingname"], "T");
    assert!(world.log().contains("will be cached until "), "{}", world.log());
    assert!(world.log().contains(". {iotCredentialsPath=/role-aliases/A/credentials}\n"), "{}", world.log());
}

#[tokio::test]
async fn credentials_are_fetched_anew_five_minutes_before_their_end() {
    fidelity!("core-tes-2");
    // An hour less five minutes passes in 3.3 s.
    let world = World::at_speed(1000.0, good(Duration::from_hours(1))).await;
    world.ask().await;
    world.pass(300).await;
    world.ask().await;
    assert_eq!(world.asked().await.len(), 1);
    world.pass(3_020).await;
    assert_eq!(world.ask().await.0, 200);
    assert_eq!(world.asked().await.len(), 2);
}

#[tokio::test]
async fn credentials_that_end_soon_are_fetched_each_time() {
    fidelity!("core-tes-4");
    let world = World::at_speed(1.0, good(Duration::from_secs(290))).await;
    assert_eq!(world.ask().await.0, 200);
    assert_eq!(world.ask().await.0, 200);
    assert_eq!(world.asked().await.len(), 2);
    assert!(world.log().contains("[WARN]"), "{}", world.log());
}

#[tokio::test]
async fn refusals_are_kept_for_their_time() {
    fidelity!("core-tes-2", "core-tes-5");
    let kept = |status: u16, speed: f64, seconds: u64| async move {
        let world = World::at_speed(speed, ResponseTemplate::new(status).set_body_string("no")).await;
        let told = format!("TES responded with status code: {status}. Caching response. no");
        assert_eq!(world.ask().await, (status, told.clone()));
        world.pass(seconds / 6).await;
        assert_eq!(world.ask().await, (status, told));
        assert_eq!(world.asked().await.len(), 1, "{status}");
        world.pass(seconds).await;
        world.ask().await;
        assert_eq!(world.asked().await.len(), 2, "{status}");
    };
    // Each period passes in 3 s.
    tokio::join!(kept(403, 40.0, 120), kept(503, 20.0, 60), kept(302, 100.0, 300));
    let world = World::at_speed(500.0, ResponseTemplate::new(403)).await;
    let tenth = Duration::from_secs(12);
    world.provider.remember(Retry { client: tenth, ..Retry::default() });
    world.ask().await;
    world.pass(12).await;
    world.ask().await;
    assert_eq!(world.asked().await.len(), 2);
}

#[tokio::test]
async fn without_a_connection_it_is_tried_four_times_and_then_kept() {
    fidelity!("core-tes-2");
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Each connection is taken and closed without a word, until the test itself comes.
    let counted = std::thread::spawn(move || {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept() {
            let mut first = [0; 3];
            if std::io::Read::read_exact(&mut stream, &mut first).is_ok() && first == *b"end" {
                break;
            }
            count += 1;
        }
        count
    });
    let logs = Arc::new(Logs::new(folder.path()));
    let provider = Arc::new(Provider::at_speed(100.0, &endpoint, "A", logs));
    let began = provider.clock.now();
    for _ in 0..2 {
        let answer = provider.answer(PATIENCE).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (500, "Failed to get connection"));
        assert!(provider.credentials().await.is_none());
    }
    assert!(provider.clock.since(began) >= BACKOFF * 6, "200, 400 and 600 ms lie between them");
    let mut end = std::net::TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    std::io::Write::write_all(&mut end, b"end").unwrap();
    assert_eq!(counted.join().unwrap(), 4);
    let log = std::fs::read_to_string(folder.path().join("greengrass.log")).unwrap();
    let warning = "[WARN] (pool-2-thread-1) com.aws.greengrass.tes.CredentialRequestHandler: Immediate retry after \
                   resetting connection also failed. {iotCredentialsPath=/role-aliases/A/credentials}\n\
                   com.aws.greengrass.deployment.exceptions.AWSIotException: Unable to get response\nCaused by: ";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    let error = "Error in retrieving AwsCredentials from TES. \
                 {iotCredentialsPath=/role-aliases/A/credentials, credentialData=Failed to get connection}";
    assert_eq!(log.matches(error).count(), 2, "{log}");
}

#[tokio::test]
async fn who_asks_meanwhile_waits_for_the_answer_on_its_way() {
    fidelity!("core-tes-6");
    // At this speed 30 s of patience are 30 ms.
    let answer = good(Duration::from_secs(10)).set_delay(Duration::from_millis(300));
    let world = World::at_speed(1000.0, answer).await;
    let (first, own, second) =
        tokio::join!(world.provider.answer(PATIENCE), world.provider.credentials(), world.provider.answer(PATIENCE));
    assert_eq!(first.unwrap().status, 200);
    assert!(own.is_some());
    assert!(second.is_none());
    assert_eq!(world.asked().await.len(), 1);
}

#[tokio::test]
async fn another_alias_or_endpoint_drops_the_cache() {
    fidelity!("core-tes-7");
    let world = World::at_speed(1.0, ResponseTemplate::new(403)).await;
    world.ask().await;
    let upstream = |alias: &str| Upstream { endpoint: world.server.uri(), alias: Some(alias.into()) };
    world.provider.ask_at(upstream("A"));
    world.ask().await;
    assert_eq!(world.asked().await.len(), 1);
    world.provider.ask_at(upstream("B"));
    world.ask().await;
    assert_eq!(world.asked().await[1].url.path(), "/role-aliases/B/credentials");
    world.provider.configure(&json!({"iotCredEndpoint": "c:1", "iotRoleAlias": ""}));
    let configured = world.provider.state().upstream.clone();
    assert_eq!(configured, Upstream { endpoint: "https://c:1".into(), alias: None });
    assert!(world.provider.state().cached.is_none());
}
