use crate::{
    artifact::{Artifacts, s3::S3},
    clock::{Clock, Speed},
    credentials::Provider,
    dataplane::DataPlane,
    failure::Failure,
    log::Logs,
    platform::Attributes,
    recipe::Recipe,
    store::Store,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};
use tokio::sync::watch;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, query_param},
};

/// A core's artifacts, whose S3 and data plane are a server of the test.
struct World {
    server: MockServer,
    folder: tempfile::TempDir,
    artifacts: Artifacts,
    recipe: Value,
    cancel: watch::Sender<bool>,
}

impl World {
    /// A component whose only artifact has this content, as far as its recipe says.
    async fn new(uri: &str, content: &str) -> Self {
        let server = MockServer::start().await;
        let folder = tempfile::tempdir().unwrap();
        let logs = Arc::new(Logs::new(folder.path()));
        let provider = Arc::new(Provider::without_client_certificate(&server.uri(), "A", logs.clone()));
        let client = Provider::plain_client();
        let s3 = S3 { client, provider, region: "eu-west-1".into(), base: Some(server.uri()) };
        let store = Store::open(folder.path()).unwrap();
        let clock = Clock::new(Speed::try_from(100_000.0).unwrap());
        let artifacts = Artifacts { s3, store, logs, clock };
        let artifact = json!({"Uri": uri, "Digest": STANDARD.encode(Sha256::digest(content)), "Algorithm": "SHA-256"});
        let recipe = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": "a.B", "ComponentVersion": "1.0.0",
            "Manifests": [{"Artifacts": [artifact]}],
        });
        let world = Self { server, folder, artifacts, recipe, cancel: watch::channel(false).0 };
        let good = r#"{"credentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":"2999-01-01T00:00:00Z"}}"#;
        world.on(Mock::given(path("/role-aliases/A/credentials")), answer(200).set_body_string(good)).await;
        let location = "<LocationConstraint>eu-west-1</LocationConstraint>";
        world.on(Mock::given(query_param("location", "")), answer(200).set_body_string(location)).await;
        world
    }

    async fn on(&self, request: wiremock::MockBuilder, answer: ResponseTemplate) {
        self.server.register(request.respond_with(answer)).await;
    }

    /// Answers to one HEAD and to GETs of this range.
    async fn object(&self, size: &str, range: &str, content: &str) {
        self.on(Mock::given(method("HEAD")).and(path("/k")), answer(200).set_body_string(size)).await;
        let get = Mock::given(method("GET")).and(path("/k")).and(header("range", range));
        self.on(get, answer(206).set_body_string(content)).await;
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("packages/artifacts/a.B/1.0.0").join(name)
    }

    /// Leaves a file from before.
    fn leave(&self, content: &str) {
        fs::create_dir_all(self.file("")).unwrap();
        fs::write(self.file("k"), content).unwrap();
    }

    async fn prepare(&self) -> Result<(), Failure> {
        self.prepare_with(json!({})).await
    }

    /// As a nucleus does that is configured so by now.
    async fn prepare_with(&self, nucleus: Value) -> Result<(), Failure> {
        let recipe = Recipe::read(&self.recipe).unwrap();
        let selected = recipe.select(&Attributes::new()).unwrap();
        let data_plane = DataPlane::plain(&self.server.uri(), Provider::plain_client());
        Artifacts::check(&recipe, &selected, |_| false)?;
        self.artifacts.prepare(&data_plane, &nucleus, &recipe, &selected, &self.cancel.subscribe()).await
    }

    /// The calls that were made, without those for credentials.
    async fn calls(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let call = |request: &wiremock::Request| {
            let range = request.headers.get("range").map(|range| format!(" {}", range.to_str().unwrap()));
            let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{} {}{query}{}", request.method, request.url.path(), range.unwrap_or_default())
        };
        requests.iter().map(call).filter(|call| !call.contains("/credentials")).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("greengrass.log")).unwrap_or_default()
    }
}

fn answer(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

#[tokio::test]
async fn every_step_asks_for_the_location_and_nothing_is_cached() {
    fidelity::fidelity!("core-artifact-2");
    let world = World::new("s3://b/k", "abc").await;
    world.object("abc", "bytes=0-2", "abc").await;
    world.prepare().await.unwrap();
    let (location, head) = ("GET /?location", "HEAD /k");
    let expected = [location, head, location, head, location, "GET /k bytes=0-2"];
    let made: Vec<String> = world.calls().await.iter().map(|call| call.replace("location=", "location")).collect();
    assert_eq!(made, expected);
    assert_eq!(fs::metadata(world.file("k")).unwrap().permissions().mode() & 0o777, 0o440);
}

#[tokio::test]
async fn the_right_file_costs_no_call_and_a_recipe_without_digest_takes_any_file() {
    fidelity::fidelity!("core-artifact-1", "core-artifact-9");
    let mut world = World::new("s3://b/k", "abc").await;
    world.leave("abc");
    world.prepare().await.unwrap();
    world.recipe["Manifests"][0]["Artifacts"][0] = json!({"Uri": "s3://b/k", "Permission": {"Execute": "ALL"}});
    world.leave("another");
    world.prepare().await.unwrap();
    assert!(world.calls().await.is_empty());
    assert_eq!(fs::metadata(world.file("k")).unwrap().permissions().mode() & 0o777, 0o555);
    // Without a file the object would be needed, which a recipe without digest can't fetch.
    fs::remove_file(world.file("k")).unwrap();
    world.object("abc", "bytes=0-2", "abc").await;
    let failure = world.prepare().await.unwrap_err();
    let cause =
        "Failed to download artifact name: 's3://b/k' for component a.B-1.0.0, reason: Algorithm missing from artifact";
    assert_eq!(failure.cause(), cause);
    assert_eq!(failure.stack()[1..], ["ARTIFACT_DOWNLOAD_ERROR", "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"]);
    world.recipe["Manifests"][0]["Artifacts"][0] = json!({"Uri": "s3://b/k", "Digest": "x", "Algorithm": "CRC"});
    let failure = world.prepare().await.unwrap_err();
    assert_eq!(failure.stack()[1..], ["COMPONENT_PACKAGE_LOADING_ERROR", "HASHING_ALGORITHM_UNAVAILABLE"]);
}

#[tokio::test]
async fn a_partial_file_is_resumed_and_one_that_is_too_large_goes() {
    fidelity::fidelity!("core-artifact-9");
    let world = World::new("s3://b/k", "abcdef").await;
    world.object("abcdef", "bytes=2-5", "cdef").await;
    world.leave("ab");
    world.prepare().await.unwrap();
    assert_eq!(fs::read_to_string(world.file("k")).unwrap(), "abcdef");
    assert!(world.log().contains("the digest on disk does not match the digest in the recipe"));
    world.leave("abcdefgh");
    world.object("abcdef", "bytes=0-5", "abcdef").await;
    world.prepare().await.unwrap();
    assert_eq!(fs::read_to_string(world.file("k")).unwrap(), "abcdef");
    assert!(world.log().contains("existing file corrupted. Expected size: 6, Actual size: 8."), "{}", world.log());
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_resumed_where_it_ended() {
    fidelity::fidelity!("core-artifact-9");
    let world = World::new("s3://b/k", "abcdef").await;
    world.object("abcdef", "bytes=0-5", "abc").await;
    world.object("abcdef", "bytes=3-5", "def").await;
    world.prepare().await.unwrap();
    assert_eq!(fs::read_to_string(world.file("k")).unwrap(), "abcdef");
    assert_eq!(world.calls().await.iter().filter(|call| call.starts_with("GET /k")).count(), 2);
}

#[tokio::test]
async fn a_wrong_digest_is_tried_ten_times() {
    fidelity::fidelity!("core-artifact-1");
    let world = World::new("s3://b/k", "abc").await;
    world.object("xyz", "bytes=0-2", "xyz").await;
    let failure = world.prepare().await.unwrap_err();
    let cause = "Failed integrity check for the downloaded artifact. Artifact contents may have changed after component \
                 version was created";
    assert_eq!(failure.cause(), cause);
    assert_eq!(failure.stack()[1..], ["ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH"]);
    assert_eq!(failure.kinds(), ["COMPONENT_RECIPE_ERROR"]);
    assert_eq!(world.calls().await.iter().filter(|call| call.starts_with("GET /k")).count(), 10);
    assert!(!world.file("k").exists());
    assert_eq!(world.log().matches("download-artifact. task failed and will be retried").count(), 1, "{}", world.log());
    assert!(world.log().contains("Failed to prepare package a.B-v1.0.0"));
}

#[tokio::test]
async fn refusals_end_it_in_s3_s_own_words() {
    fidelity::fidelity!("core-artifact-3");
    let reason = "Failed to download artifact name: 's3://b/k' for component a.B-1.0.0, reason: ";
    let grant = "Ensure the IAM role associated with the core device has a policy granting s3:GetObject";
    for (status, text, code, last) in [
        (
            403,
            format!("S3 HeadObject returns 403 Access Denied. {grant}. "),
            "S3_ACCESS_DENIED",
            "S3_HEAD_OBJECT_ACCESS_DENIED",
        ),
        (
            404,
            format!("S3 HeadObject returns 404 Resource Not Found.{grant} and the artifact object uri is correct. "),
            "S3_RESOURCE_NOT_FOUND",
            "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND",
        ),
        (400, "Failed to head artifact object from S3. ".into(), "S3_BAD_REQUEST", "S3_BAD_REQUEST"),
    ] {
        let world = World::new("s3://b/k", "abc").await;
        world.on(Mock::given(method("HEAD")), answer(status)).await;
        let failure = world.prepare().await.unwrap_err();
        let sdk = format!("null (Service: S3, Status Code: {status}, Request ID: null, Extended Request ID: null)");
        assert_eq!(failure.cause(), format!("{reason}{text}{sdk}"));
        let mut stack = vec!["DEPLOYMENT_FAILURE", "ARTIFACT_DOWNLOAD_ERROR", "S3_ERROR", code, last];
        stack.dedup();
        assert_eq!(failure.stack(), stack);
    }
}

#[tokio::test]
async fn a_refused_location_is_wrapped_by_what_needed_it() {
    fidelity::fidelity!("core-artifact-3");
    let world = World::new("s3://b/k", "abc").await;
    world.server.reset().await;
    let good = r#"{"credentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":"2999-01-01T00:00:00Z"}}"#;
    world.on(Mock::given(path("/role-aliases/A/credentials")), answer(200).set_body_string(good)).await;
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    world.on(Mock::given(query_param("location", "")), answer(403).set_body_string(body)).await;
    let cause = world.prepare().await.unwrap_err();
    let reason = "Failed to download artifact name: 's3://b/k' for component a.B-1.0.0, reason: ";
    let expected = format!(
        "{reason}Failed to head artifact object from S3. {reason}S3 GetBucketLocation returns 403 Access Denied. Ensure \
         the IAM role associated with the core device has a policy granting s3:GetBucketLocation. Access Denied (Service: \
         S3, Status Code: 403, Request ID: null, Extended Request ID: null)"
    );
    assert_eq!(cause.cause(), expected);
    assert_eq!(cause.stack()[4], "S3_GET_BUCKET_LOCATION_ACCESS_DENIED");
}

#[tokio::test]
async fn passing_trouble_is_retried_until_the_deployment_is_cancelled() {
    fidelity::fidelity!("core-artifact-3");
    let world = World::new("s3://b/k", "abc").await;
    let expired = "<Error><Message>The provided token has expired.</Message></Error>";
    for (verb, status, body) in [("HEAD", 503, ""), ("HEAD", 429, ""), ("GET", 400, expired), ("GET", 500, "")] {
        let call = Mock::given(method(verb)).and(path("/k")).respond_with(answer(status).set_body_string(body));
        world.server.register(call.up_to_n_times(1)).await;
    }
    world.object("abc", "bytes=0-2", "abc").await;
    world.prepare().await.unwrap();
    assert_eq!(world.log().matches("download-S3-artifact. task failed and will be retried").count(), 1);

    fs::remove_file(world.file("k")).unwrap();
    world.server.reset().await;
    world.on(Mock::given(method("GET")), answer(503)).await;
    world.cancel.send_replace(true);
    let failure = world.prepare().await.unwrap_err();
    assert_eq!(failure.stack()[1..], ["DEPLOYMENT_INTERRUPTED"]);
}

#[tokio::test]
async fn a_full_store_ends_it_by_the_limit_of_now() {
    fidelity::fidelity!("core-artifact-6", "core-config-4");
    let world = World::new("s3://b/k", "abc").await;
    world.object("abc", "bytes=0-2", "abc").await;
    // Numbers of IoT jobs are doubles.
    let failure = world.prepare_with(json!({"componentStoreMaxSizeBytes": 2.0})).await.unwrap_err();
    let text = "Component store size limit reached: 0 bytes existing, 3 bytes needed, 2 bytes maximum allowed total";
    assert_eq!(failure.cause(), text);
    assert_eq!((failure.stack()[2], failure.kinds()), ("DISK_SPACE_CRITICAL", vec!["DEVICE_ERROR"]));
    assert!(!world.file("k").exists());
    world.prepare().await.unwrap();
    assert_eq!(fs::read_to_string(world.file("k")).unwrap(), "abc");
}

#[tokio::test]
async fn uris_that_are_none() {
    fidelity::fidelity!("core-artifact-8");
    let world = World::new("s3://b", "abc").await;
    let failure = world.prepare().await.unwrap_err();
    let text =
        "Failed to download artifact name: 's3://b' for component a.B-1.0.0, reason: Invalid artifact URI s3://b";
    assert_eq!(failure.cause(), text);
    assert_eq!(failure.stack()[1..], ["ARTIFACT_URI_NOT_VALID", "S3_ARTIFACT_URI_NOT_VALID"]);
}

#[tokio::test]
async fn an_archive_that_is_none_fails_with_the_artifact_s_description() {
    fidelity::fidelity!("core-artifact-4");
    let mut world = World::new("s3://b/k", "abc").await;
    world.object("abc", "bytes=0-2", "abc").await;
    world.recipe["Manifests"][0]["Artifacts"][0]["Unarchive"] = "ZIP".into();
    let failure = world.prepare().await.unwrap_err();
    let text = "Failed to unarchive component a.B-v1.0.0 artifact ComponentArtifact(artifactUri=s3://b/k, checksum=ungWv48B\
                z+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=, algorithm=SHA-256, unarchive=ZIP, permission=Permission(read=OWNER, \
                execute=NONE)). ";
    assert!(failure.cause().starts_with(text), "{}", failure.cause());
    assert_eq!(failure.stack()[1..], ["ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_UNZIP_ERROR"]);
}

mod greengrass {
    use super::*;

    /// A component of the cloud with an artifact `greengrass:lib/a.zip`, whose URL is at `/signed`.
    async fn world(content: &str) -> World {
        let world = World::new("greengrass:lib/a.zip", content).await;
        let recipe = Recipe::read(&world.recipe).unwrap();
        world
            .artifacts
            .store
            .keep_recipe(&recipe, Some("arn:aws:greengrass:r:a:components:a.B:versions:1.0.0"))
            .unwrap();
        world
    }

    async fn signs(world: &World) {
        signs_for(world, "GLOBAL").await;
    }

    async fn signs_for(world: &World, endpoint: &str) {
        let url = json!({"preSignedUrl": format!("{}/signed?x=1", world.server.uri())});
        let place = "/greengrass/v2/components/arn%3Aaws%3Agreengrass%3Ar%3Aa%3Acomponents%3Aa.B%3Aversions%3A1.0.0/artifacts/lib/a.zip";
        let mock = Mock::given(path(place)).and(query_param("s3EndpointType", endpoint));
        world.on(mock, answer(200).set_body_json(url)).await;
    }

    #[tokio::test]
    async fn the_size_is_asked_once_and_then_the_range() {
        fidelity::fidelity!("core-artifact-10");
        let world = world("abcdef").await;
        signs(&world).await;
        let range = Mock::given(path("/signed")).and(header("range", "bytes=0-5"));
        world.on(range, answer(206).set_body_string("abcdef")).await;
        world.on(Mock::given(path("/signed")), answer(200).set_body_string("abcdef")).await;
        world.prepare().await.unwrap();
        assert_eq!(fs::read_to_string(world.file("a.zip")).unwrap(), "abcdef");
        let calls = world.calls().await;
        assert_eq!(calls.len(), 4, "{calls:?}");
        assert!(calls[3].ends_with("bytes=0-5"));
        let signed = world.server.received_requests().await.unwrap();
        assert!(signed.iter().all(|request| !request.headers.contains_key("authorization")));
    }

    #[tokio::test]
    async fn the_endpoint_type_is_that_of_now() {
        fidelity::fidelity!("core-config-4");
        let world = world("abcdef").await;
        signs_for(&world, "REGIONAL").await;
        world.on(Mock::given(path("/signed")), answer(200).set_body_string("abcdef")).await;
        assert!(world.prepare().await.is_err(), "nobody signs for GLOBAL");
        world.prepare_with(json!({"s3EndpointType": "REGIONAL"})).await.unwrap();
        assert_eq!(fs::read_to_string(world.file("a.zip")).unwrap(), "abcdef");
    }

    #[tokio::test]
    async fn a_server_without_ranges_sends_all_of_it() {
        fidelity::fidelity!("core-artifact-10");
        let world = world("abcdef").await;
        signs(&world).await;
        world.on(Mock::given(path("/signed")), answer(200).set_body_string("abcdef")).await;
        fs::create_dir_all(world.file("")).unwrap();
        fs::write(world.file("a.zip"), "abcd").unwrap();
        world.prepare().await.unwrap();
        assert_eq!(fs::read_to_string(world.file("a.zip")).unwrap(), "abcdef");
    }

    #[tokio::test]
    async fn refusals_have_their_codes() {
        fidelity::fidelity!("core-artifact-10");
        for (api, url, codes, kinds) in [
            (
                403,
                200,
                ["CLOUD_API_ERROR", "ACCESS_DENIED", "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED"].as_slice(),
                "PERMISSION_ERROR",
            ),
            (404, 200, ["CLOUD_API_ERROR", "RESOURCE_NOT_FOUND"].as_slice(), "REQUEST_ERROR"),
            (200, 403, ["GET_GREENGRASS_ARTIFACT_SIZE_ERROR", "HTTP_REQUEST_ERROR"].as_slice(), "HTTP_ERROR"),
        ] {
            let world = world("abc").await;
            if api == 200 {
                signs(&world).await;
            } else {
                world.on(Mock::given(method("GET")), answer(api).set_body_json(json!({"message": "no"}))).await;
            }
            world.on(Mock::given(path("/signed")), answer(url)).await;
            let failure = world.prepare().await.unwrap_err();
            assert_eq!(failure.stack()[2..], *codes, "{failure}");
            assert_eq!(failure.kinds(), [kinds]);
        }
    }

    #[tokio::test]
    async fn a_local_component_has_none() {
        fidelity::fidelity!("core-artifact-10");
        let world = World::new("greengrass:a.zip", "abc").await;
        let failure = world.prepare().await.unwrap_err();
        assert!(failure.cause().ends_with("reason: Failed to get component version arn from component store"));
        assert_eq!(failure.stack()[3], "LOCAL_RECIPE_METADATA_NOT_FOUND");
    }
}
