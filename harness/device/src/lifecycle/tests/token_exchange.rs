//! The token exchange service as a component.

use super::*;

#[tokio::test]
async fn the_token_exchange_service_answers_on_loopback() {
    fidelity!("core-tes-1");
    let mut world = World::new();
    world.add(crate::tes::NAME, json!({}), &[]);
    world.states(crate::tes::NAME, State::Running).await;
    let environment = world.kernel.environment();
    let url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"].clone();
    let client = Provider::plain_client();
    let answer = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("content-type"));
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let token = world.kernel.service(crate::tes::NAME).unwrap().token.clone();
    assert_eq!(answer(client.get(&url)).await, (403, String::new()));
    assert_eq!(answer(client.get(&url).header("authorization", format!("Bearer {token}"))).await, (403, String::new()));
    let elsewhere = client.get(url.trim_end_matches('/')).send().await.unwrap();
    assert_eq!(
        (elsewhere.status().as_u16(), &elsewhere.headers()["content-type"]),
        (404, &"text/html".parse().unwrap())
    );
    assert_eq!(elsewhere.text().await.unwrap(), "<h1>404 Not Found</h1>No context found for request");
    assert_eq!(answer(client.get(format!("{url}x")).header("authorization", &token)).await, (400, String::new()));
    assert_eq!(answer(client.post(&url)).await, (405, String::new()));
    let told = answer(client.get(&url).header("authorization", token)).await;
    assert_eq!(told, (500, "Failed to get connection".to_owned()));
    let log = world.log("greengrass");
    let handler = "(HTTP-Dispatcher) com.aws.greengrass.tes.CredentialRequestHandler:";
    for line in [
        format!("[INFO] {handler} Request denied due to invalid token. {{}}"),
        format!("[WARN] {handler} Unexpected URI: /2016-11-01/credentialprovider/x.. {{}}"),
        format!("[WARN] {handler} Unsupported http method for POST. GET is supported.. {{}}"),
        "TokenExchangeService: Attempting to start server at configured port 0. {".into(),
        "TokenExchangeService: Started server at port ".into(),
    ] {
        assert!(log.contains(&line), "{line}\n{log}");
    }
}

#[tokio::test]
async fn without_a_role_alias_the_token_exchange_service_breaks() {
    fidelity!("core-tes-8");
    let mut world = World::new();
    world.kernel.provider.configure(&json!({"iotCredEndpoint": "c"}));
    world.add(crate::tes::NAME, json!({}), &[]);
    let states = world.states(crate::tes::NAME, State::Broken).await;
    assert_eq!(states.iter().filter(|state| **state == State::Errored).count(), 2);
    let log = world.log("greengrass");
    let error = "TokenExchangeService: service-errored. {serviceName=aws.greengrass.TokenExchangeService, \
                 currentState=STARTING}\njava.lang.IllegalArgumentException: iotRoleAlias parameter is either empty or \
                 not configured for TES\n";
    assert_eq!(log.matches(error).count(), 3, "{log}");
}

#[tokio::test]
async fn the_configuration_of_the_token_exchange_service_is_followed() {
    fidelity!("core-tes-1", "core-tes-5");
    let mut world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = |configuration: Value| Spec {
        version: Version::new(1, 0, 0),
        arn: String::new(),
        lifecycle: json!({}),
        configuration,
        dependencies: vec![],
        user: None,
    };
    world.kernel.define(crate::tes::NAME, spec(json!({"port": port})));
    world.states(crate::tes::NAME, State::Broken).await;
    assert!(world.log("greengrass").contains("java.net.BindException: Address already in use"));
    world.kernel.remove(crate::tes::NAME).await;
    drop(taken);

    let retry = json!({"clientError": 9, "serverError": 42_900.0, "unknownError": "10"});
    world.kernel.define(crate::tes::NAME, spec(json!({"port": f64::from(port), "credentialRetryInSec": retry})));
    world.states(crate::tes::NAME, State::Running).await;
    let url = format!("http://localhost:{port}/2016-11-01/credentialprovider/");
    assert_eq!(world.kernel.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"], url);
    let error = "Credential retry value must be between 10 and 42900 seconds, setting credentialRetryInSec.clientError \
                 to default value 120. {";
    assert!(world.log("greengrass").contains(error), "{}", world.log("greengrass"));
    world.kernel.define(crate::tes::NAME, spec(json!({"port": 0, "credentialRetryInSec": {"clientError": 10}})));
    world.states(crate::tes::NAME, State::Running).await;
    assert_ne!(world.kernel.environment()["AWS_CONTAINER_CREDENTIALS_FULL_URI"], url);
    let log = world.log("greengrass");
    assert!(log.contains("tes-credential-retry-config-change. TES credential retry configuration updated. {"), "{log}");
    assert!(log.contains("tes-port-config-change. Restarting TES server due to port config change. {"), "{log}");
    assert!(log.contains(&format!("Stopped server at port {port}. {{")), "{log}");
}
