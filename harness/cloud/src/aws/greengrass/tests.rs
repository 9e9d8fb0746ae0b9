//! The service by direct calls: what it answers, what it refuses, and what follows for devices.

use super::Greengrass;
use crate::{
    aws::{
        inventory::Inventory,
        iot::{
            Iot,
            tests::{everything, iot_of, world},
        },
        rest::{Call, Fault, Rights, Service},
        upstream::LocalStack,
    },
    world::World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hyper::HeaderMap;
use serde_json::{Value, json};
use std::sync::Arc;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

const HOME: &str = "arn:aws:greengrass:ap-northeast-1:123456789012";
const IOT: &str = "arn:aws:iot:ap-northeast-1:123456789012";
const RECIPE: &str = "
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.New
ComponentVersion: 'VERSION'
ComponentPublisher: Example
Manifests:
  - Name: any
    Platform: {os: linux}
    Artifacts:
      - Uri: s3://bucket/new.py
    Lifecycle: {Run: {Script: echo, Timeout: 5}}
";

/// The service, and the device that it is for.
struct Account {
    greengrass: Greengrass,
    iot: Arc<Iot>,
    _localstack: MockServer,
}

impl Account {
    /// An account with one object, `new.py`, and with `COMPONENTS` of the world.
    async fn new() -> Self {
        let localstack = MockServer::start().await;
        Mock::given(matchers::path("/bucket/new.py"))
            .respond_with(ResponseTemplate::new(200).set_body_string("print()"))
            .mount(&localstack)
            .await;
        let hello = crate::aws::iot::tests::HELLO;
        let world = World { localstack: localstack.uri(), ..world(&everything(), &[hello]) };
        let inventory = Arc::new(Inventory::new(&world, LocalStack::new(&world)).unwrap());
        let upstream = LocalStack::new(&world);
        let iot = iot_of(world).unwrap();
        Self { greengrass: Greengrass::new(Arc::clone(&iot), inventory, upstream), iot, _localstack: localstack }
    }

    async fn call(&self, request: &str, body: Value) -> Result<Value, Fault> {
        self.call_with(request, body, true).await
    }

    /// Calls `METHOD PATH?QUERY` as somebody who may read objects, or not.
    async fn call_with(&self, request: &str, body: Value, may: bool) -> Result<Value, Fault> {
        let (method, target) = request.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let found = Call::find(self.greengrass.routes(), (method, path, query), &HeaderMap::new(), &body);
        let (route, call) = found.unwrap_or_else(|| panic!("no route for {request}"));
        let rights = Rights::new(move |action, _| may && action == "s3:GetObject");
        let (account, region) = ("123456789012".to_owned(), "ap-northeast-1".to_owned());
        self.greengrass.call(route.name, &Call { account, region, rights, ..call.unwrap() }).await
    }

    async fn ok(&self, request: &str, body: Value) -> Value {
        self.call(request, body).await.unwrap_or_else(|fault| panic!("{request}: {fault:?}"))
    }

    async fn refused(&self, request: &str, body: Value) -> (u16, &'static str, String) {
        let fault = self.call(request, body).await.expect_err(request);
        (fault.status, fault.code, fault.message)
    }
}

fn recipe(version: &str) -> Value {
    json!({ "inlineRecipe": BASE64.encode(RECIPE.replace("VERSION", version)) })
}

const CREATE: &str = "POST /greengrass/v2/createComponentVersion";
const DEPLOY: &str = "POST /greengrass/v2/deployments";

#[tokio::test]
async fn a_component_version_is_made_of_a_recipe_and_served_with_digests() {
    fidelity::fidelity!("greengrassv2-1");
    let account = Account::new().await;
    let arn = format!("{HOME}:components:com.example.New:versions:1.0.0");
    let mut with_tags = recipe("1.0.0");
    with_tags["tags"] = json!({"team": "a"});
    let made = account.ok(CREATE, with_tags.clone()).await;
    assert_eq!((&made["arn"], &made["status"]["componentState"]), (&json!(arn), &json!("REQUESTED")));
    let described = account.ok(&format!("GET /greengrass/v2/components/{arn}/metadata"), Value::Null).await;
    assert_eq!(described["status"]["componentState"], "DEPLOYABLE");
    assert_eq!(described["platforms"], json!([{"name": "any", "attributes": {"os": "linux"}}]));
    assert_eq!((&described["publisher"], &described["tags"]["team"]), (&json!("Example"), &json!("a")));
    for (format, expected) in [("?recipeOutputFormat=JSON", "JSON"), ("?recipeOutputFormat=YAML", "YAML"), ("", "YAML")]
    {
        let got = account.ok(&format!("GET /greengrass/v2/components/{arn}{format}"), Value::Null).await;
        assert_eq!(got["recipeOutputFormat"], expected);
        let text = BASE64.decode(got["recipe"].as_str().unwrap()).unwrap();
        let read: Value = serde_yaml_ng::from_slice(&text).unwrap();
        let digest = crate::aws::iot::component::digest(b"print()");
        assert_eq!(read["Manifests"][0]["Artifacts"][0]["Digest"], digest);
        assert_eq!(read["Manifests"][0]["Lifecycle"]["Run"]["Timeout"], 5);
    }
    let conflict = account.call(CREATE, recipe("1.0.0")).await.unwrap_err();
    let says = "Component [com.example.New : 1.0.0] for account [123456789012] already exists";
    assert_eq!((conflict.status, conflict.code), (409, "ConflictException"));
    assert_eq!(conflict.message, format!("{says} with state: [DEPLOYABLE]"));
    assert_eq!(conflict.members["resourceId"], json!(arn));
    let (_, _, message) = account.refused(CREATE, with_tags).await;
    assert_eq!(message, format!("{says} and can't be created again with tags."));
    let candidates = json!({"componentCandidates": [{"componentName": "com.example.New"}],
        "platform": {"attributes": {"os": "linux"}}});
    let resolved = account.ok("POST /greengrass/v2/resolveComponentCandidates", candidates).await;
    assert_eq!(resolved["resolvedComponentVersions"][0]["arn"], json!(arn));
}

#[tokio::test]
async fn what_no_recipe_is_made_of_is_refused() {
    fidelity::fidelity!("greengrassv2-2");
    let account = Account::new().await;
    let of = |from: &str, to: &str| json!({ "inlineRecipe": BASE64.encode(RECIPE.replace("VERSION", "1.0.0").replace(from, to)) });
    let unread = |uri: &str| {
        format!(
            "Invalid Input: Encountered following errors in Artifacts: {{{uri} = Specified artifact resource cannot be accessed}}"
        )
    };
    for (body, says) in [
        (of("new.py", "none.py"), unread("s3://bucket/none.py")),
        (of("s3://bucket", "s3://other"), unread("s3://other/new.py")),
        (of("s3://bucket/new.py", "https://example.com/a"), "the artifact `https://example.com/a`".to_owned()),
        (of("com.example.New", "a b"), "Value 'a b' at 'componentName' failed to satisfy constraint".to_owned()),
        (of("1.0.0", "one"), "`one` is no semantic version".to_owned()),
        (of("2020-01-25", "2019-01-25"), "RecipeFormatVersion `2019-01-25`".to_owned()),
        (of("Manifests", "Manifold"), "has no Manifests".to_owned()),
        (of("Platform: {", "Platform: ["), "it is no valid YAML".to_owned()),
        (of("Example", &"x".repeat(16_000)), "16000 is the limit".to_owned()),
        (json!({}), "Either inlineRecipe or lambdaFunction".to_owned()),
        (json!({"inlineRecipe": "***"}), "no text in base64".to_owned()),
    ] {
        let (status, code, message) = account.refused(CREATE, body).await;
        assert!((status, code) == (400, "ValidationException") && message.contains(&says), "{message}");
    }
    let refused = account.call_with(CREATE, recipe("1.0.0"), false).await.unwrap_err();
    assert_eq!(refused.message, unread("s3://bucket/new.py"), "who may not read the artifact can't make it known");
    let path = format!("GET /greengrass/v2/components/{HOME}:components:com.example.New/versions");
    let listed = account.ok(&path, Value::Null).await;
    assert_eq!(listed["componentVersions"], json!([]), "a component that nobody knows has no versions");
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    fidelity::fidelity!("greengrassv2-3");
    let account = Account::new().await;
    for version in ["1.0.0", "1.10.0", "1.9.0"] {
        account.ok(CREATE, recipe(version)).await;
    }
    let path = format!("GET /greengrass/v2/components/{HOME}:components:com.example.New/versions?maxResults=2");
    let page = account.ok(&path, Value::Null).await;
    let of = |page: &Value| {
        let listed = page["componentVersions"].as_array().unwrap().iter();
        listed.map(|one| one["componentVersion"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(&page), ["1.10.0", "1.9.0"]);
    let token = page["nextToken"].as_str().unwrap().replace('=', "%3D");
    let rest = account.ok(&format!("{path}&nextToken={token}"), Value::Null).await;
    assert_eq!((of(&rest), &rest["nextToken"]), (vec!["1.0.0".to_owned()], &Value::Null));
    let listed = account.ok("GET /greengrass/v2/components", Value::Null).await;
    let latest = |index: usize| &listed["components"][index]["latestVersion"]["componentVersion"];
    assert_eq!((latest(0), latest(1)), (&json!("1.0.0"), &json!("1.10.0")));
    assert_eq!(account.ok("GET /greengrass/v2/components?scope=PUBLIC", Value::Null).await["components"], json!([]));
    for (query, says) in [
        ("maxResults=0", "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than"),
        ("maxResults=101", "less than or equal to 100"),
        ("nextToken=x", "Invalid nextToken"),
        ("scope=MINE", "Member must satisfy enum value set: [PRIVATE, PUBLIC]"),
    ] {
        let (status, code, message) =
            account.refused(&format!("GET /greengrass/v2/components?{query}"), Value::Null).await;
        assert!((status, code) == (400, "ValidationException") && message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn a_repeated_request_gets_its_answer_again() {
    fidelity::fidelity!("greengrassv2-4");
    let account = Account::new().await;
    let mut body = recipe("1.0.0");
    body["clientToken"] = json!("token-1");
    assert_eq!(account.ok(CREATE, body.clone()).await, account.ok(CREATE, body).await);
    let order = |token: &str| json!({"targetArn": format!("{IOT}:thinggroup/Group"), "clientToken": token});
    let first = account.ok(DEPLOY, order("a")).await;
    assert_eq!(first, account.ok(DEPLOY, order("a")).await);
    assert_ne!(first, account.ok(DEPLOY, order("b")).await);
    let (status, _, message) = account.refused(DEPLOY, order("a b")).await;
    assert!(status == 400 && message.contains("'clientToken'"), "{message}");
}

#[tokio::test]
async fn a_groups_deployment_is_a_job_and_active_until_it_is_replaced_or_cancelled() {
    fidelity::fidelity!("greengrassv2-5", "iot-jobs-6");
    let account = Account::new().await;
    let target = format!("{IOT}:thinggroup/Group");
    let components = json!({"com.example.Hello": {"componentVersion": "1.0.0",
        "configurationUpdate": {"merge": "{\"k\": 1}", "reset": [""]}, "runWith": {"posixUser": "u"}}});
    let configuration = json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 5},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 7}});
    let order = json!({"targetArn": target, "deploymentName": "mine", "components": components, "tags": {"a": "b"},
        "deploymentPolicies": {"failureHandlingPolicy": "DO_NOTHING"},
        "iotJobConfiguration": configuration,
        "parentTargetArn": format!("{IOT}:thinggroup/Parent")});
    let made = account.ok(DEPLOY, order.clone()).await;
    let (id, job) = (made["deploymentId"].as_str().unwrap(), made["iotJobId"].as_str().unwrap());
    assert_eq!(made["iotJobArn"], format!("{IOT}:job/{job}"));
    let path = format!("/greengrass/v2/deployments/{id}");
    let got = account.ok(&format!("GET {path}"), Value::Null).await;
    for member in ["targetArn", "deploymentName", "components", "iotJobConfiguration", "parentTargetArn", "tags"] {
        assert_eq!(got[member], order[member], "{member}");
    }
    // The world's own deployment was the first revision.
    assert_eq!((&got["revisionId"], &got["deploymentStatus"]), (&json!("2"), &json!("ACTIVE")));
    let update = json!({"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"});
    let policies = json!({"failureHandlingPolicy": "DO_NOTHING", "componentUpdatePolicy": update,
        "configurationValidationPolicy": {"timeoutInSeconds": 60}});
    assert_eq!(got["deploymentPolicies"], policies);
    let waiting = account.iot.executions("Core").pop().unwrap();
    assert_eq!((waiting.deployment.as_str(), waiting.status.as_str()), (id, "QUEUED"), "the device is told");
    let listed = async |query: &str| {
        let listed = account.ok(&format!("GET /greengrass/v2/deployments?{query}"), Value::Null).await;
        let all = listed["deployments"].as_array().unwrap().iter();
        all.map(|one| (one["deploymentStatus"].as_str().unwrap().to_owned(), one["isLatestForTarget"] == true))
            .collect::<Vec<_>>()
    };
    let (active, inactive) = (("ACTIVE".to_owned(), true), ("INACTIVE".to_owned(), false));
    assert_eq!(listed("historyFilter=ALL").await, [active.clone(), inactive]);
    assert_eq!(listed("").await, [active]);
    assert_eq!(listed(&format!("targetArn={IOT}:thing/Core")).await, []);
    assert_eq!(listed(&format!("parentTargetArn={IOT}:thinggroup/Other")).await, []);
    let (status, code, _) = account.refused(&format!("DELETE {path}"), Value::Null).await;
    assert_eq!((status, code), (409, "ConflictException"), "an active one is not deleted");
    assert_eq!(account.ok(&format!("POST {path}/cancel"), Value::Null).await["message"], "SUCCESS");
    assert_eq!(account.ok(&format!("GET {path}"), Value::Null).await["deploymentStatus"], "CANCELED");
    assert_eq!(account.iot.executions("Core").pop().unwrap().status, "CANCELED");
    assert_eq!(account.refused(&format!("POST {path}/cancel"), Value::Null).await.0, 409);
    account.ok(&format!("DELETE {path}"), Value::Null).await;
    assert_eq!(account.refused(&format!("GET {path}"), Value::Null).await.1, "ResourceNotFoundException");
}

#[tokio::test]
async fn what_no_deployment_can_be_made_of_is_refused() {
    fidelity::fidelity!("greengrassv2-6");
    let account = Account::new().await;
    let group = format!("{IOT}:thinggroup/Group");
    let of = |version: &str, merge: &str| {
        json!({"targetArn": group, "components": {"com.example.Hello": {
        "componentVersion": version, "configurationUpdate": {"merge": merge}}}})
    };
    for (body, status, says) in [
        (json!({}), 400, "1 validation error detected: Value null at 'targetArn' failed to satisfy constraint"),
        (json!({"targetArn": "x"}), 400, "Member must satisfy regular expression pattern: arn:[^:]*:iot"),
        (json!({"targetArn": format!("{IOT}:thing/Nobody")}), 404, "thing/Nobody] does not exist"),
        (json!({"targetArn": format!("{IOT}:thinggroup/None")}), 404, "thinggroup/None] does not exist"),
        (json!({"targetArn": "arn:aws:iot:eu-west-1:123456789012:thing/Core"}), 404, "does not exist"),
        (of("9.9.9", "{}"), 404, "Component [com.example.Hello : 9.9.9] does not exist"),
        (of("1.0.0", "1"), 400, "into component [com.example.Hello] is no JSON object"),
        (json!({"targetArn": group, "components": {"A": {}}}), 400, "'components.A.member.componentVersion'"),
        (
            json!({"targetArn": group, "deploymentPolicies": {"failureHandlingPolicy": "RETRY"}}),
            400,
            "[ROLLBACK, DO_NOTHING]",
        ),
    ] {
        let (found, _, message) = account.refused(DEPLOY, body).await;
        assert!(found == status && message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn tags_are_put_on_what_there_is() {
    fidelity::fidelity!("greengrassv2-7");
    let account = Account::new().await;
    let path = format!("/tags/{HOME}:components:com.example.Hello:versions:1.0.0");
    account.ok(&format!("POST {path}"), json!({"tags": {"a": "1", "b": "2"}})).await;
    account.ok(&format!("DELETE {path}?tagKeys=a&tagKeys=c"), Value::Null).await;
    assert_eq!(account.ok(&format!("GET {path}"), Value::Null).await, json!({"tags": {"b": "2"}}));
    for (arn, status) in [
        (format!("{HOME}:components:com.example.None"), 404),
        (format!("{HOME}:deployments:none"), 404),
        (format!("{HOME}:coreDevices:Core"), 404),
        ("nonsense".to_owned(), 400),
    ] {
        assert_eq!(account.refused(&format!("GET /tags/{arn}"), Value::Null).await.0, status, "{arn}");
    }
}

/// A device is a core device from its first message on.
#[tokio::test]
async fn core_devices_are_what_they_say_of_themselves() {
    fidelity::fidelity!("greengrassv2-8");
    let account = Account::new().await;
    let path = "/greengrass/v2/coreDevices";
    assert_eq!(account.ok(&format!("GET {path}"), Value::Null).await["coreDevices"], json!([]));
    let (status, _, message) = account.refused(&format!("GET {path}/Core"), Value::Null).await;
    assert_eq!((status, message.as_str()), (404, "Core device [Core] does not exist"));
    let arn = format!("{HOME}:configuration:thinggroup/Group:1");
    let component = |name: &str, state: &str, root: bool, details: Value| {
        json!({"componentName": name, "version": "1.0.0", "fleetConfigArns": [arn], "isRoot": root, "status": state,
            "componentStatusDetails": details})
    };
    let trouble = json!({"statusCodes": ["RUN_ERROR"], "statusReason": "It failed."});
    let say = |timestamp: i64| {
        let message = json!({"ggcVersion": "2.12.0", "platform": "linux", "architecture": "amd64", "thing": "Core",
            "overallDeviceStatus": "UNHEALTHY", "sequenceNumber": 1, "timestamp": timestamp, "messageType": "COMPLETE",
            "trigger": "CADENCE", "components": [
                component("A", "BROKEN", true, trouble.clone()), component("B", "RUNNING", false, Value::Null),
                component("C", "UNINSTALLED", true, Value::Null)]});
        account.iot.says("Core", "greengrassv2/health/json", &message);
    };
    say(1_648_032_806_000);
    let core = account.ok(&format!("GET {path}/Core"), Value::Null).await;
    let expected = json!({"coreDeviceThingName": "Core", "status": "UNHEALTHY", "coreVersion": "2.12.0", "tags": {},
        "lastStatusUpdateTimestamp": 1_648_032_806.0, "platform": "linux", "architecture": "amd64"});
    assert_eq!(core, expected);
    let group = format!("thingGroupArn={IOT}:thinggroup/Group");
    for (query, count) in [("", 1), ("status=HEALTHY", 0), (group.as_str(), 1), ("runtime=aws_nucleus_lite", 0)] {
        let listed = account.ok(&format!("GET {path}?{query}"), Value::Null).await;
        assert_eq!(listed["coreDevices"].as_array().unwrap().len(), count, "{query}");
    }
    let roots = account.ok(&format!("GET {path}/Core/installedComponents"), Value::Null).await;
    let a = json!({"componentName": "A", "componentVersion": "1.0.0", "lifecycleState": "BROKEN", "isRoot": true,
        "lifecycleStateDetails": "It failed.", "lifecycleStatusCodes": ["RUN_ERROR"], "lastInstallationSource": "d-1",
        "lastStatusChangeTimestamp": 1_648_032_806.0, "lastReportedTimestamp": 1_648_032_806.0});
    assert_eq!(roots["installedComponents"], json!([a]));
    say(1_648_032_807_000);
    let all = account.ok(&format!("GET {path}/Core/installedComponents?topologyFilter=ALL"), Value::Null).await;
    assert_eq!(all["installedComponents"].as_array().unwrap().len(), 2);
    let times = ["lastStatusChangeTimestamp", "lastReportedTimestamp"].map(|name| &all["installedComponents"][1][name]);
    assert_eq!(times, [&json!(1_648_032_806.0), &json!(1_648_032_807.0)]);
    account.ok(&format!("DELETE {path}/Core"), Value::Null).await;
    assert_eq!(account.refused(&format!("GET {path}/Core"), Value::Null).await.0, 404);
    say(1_648_032_808_000);
    account.ok(&format!("GET {path}/Core"), Value::Null).await;
}

#[tokio::test]
async fn a_deployment_is_effective_on_a_device_as_the_device_says() {
    fidelity::fidelity!("greengrassv2-9");
    let account = Account::new().await;
    let message =
        json!({"overallDeviceStatus": "HEALTHY", "sequenceNumber": 1, "messageType": "COMPLETE", "timestamp": 1});
    account.iot.says("Core", "greengrassv2/health/json", &message);
    let details = json!({"detailed-deployment-status": "FAILED_NO_STATE_CHANGE", "deployment-failure-cause": "no",
        "deployment-error-stack": "[\"DEPLOYMENT_FAILURE\",\"HTTP_ERROR\"]", "deployment-error-types": "[\"NETWORK_ERROR\"]"});
    account.iot.says("Core", "jobs/j-1/update", &json!({"status": "FAILED", "statusDetails": details}));
    let thing =
        account.ok(DEPLOY, json!({"targetArn": format!("{IOT}:thing/Core"), "deploymentName": "by hand"})).await;
    let reported = json!({"status": "SUCCEEDED", "statusDetails": {"detailedStatus": "SUCCESSFUL"},
        "fleetConfigurationArnForStatus": format!("{HOME}:configuration:thing/Core:1")});
    let topic = "shadow/name/AWSManagedGreengrassV2Deployment/update";
    account.iot.says("Core", topic, &json!({"state": {"reported": reported}}));
    let path = "GET /greengrass/v2/coreDevices/Core/effectiveDeployments";
    let listed = account.ok(path, Value::Null).await;
    let by = |id: &Value| {
        let mut all = listed["effectiveDeployments"].as_array().unwrap().iter();
        all.find(|one| one["deploymentId"] == *id).unwrap().clone()
    };
    let failed = by(&json!("d-1"));
    assert_eq!((&failed["coreDeviceExecutionStatus"], &failed["iotJobId"]), (&json!("FAILED"), &json!("j-1")));
    assert_eq!(failed["reason"], "HTTP_ERROR: FAILED_NO_STATE_CHANGE: no");
    let expected = json!({"errorStack": ["DEPLOYMENT_FAILURE", "HTTP_ERROR"], "errorTypes": ["NETWORK_ERROR"]});
    assert_eq!((&failed["statusDetails"], &failed["deploymentName"]), (&expected, &json!("Deployment for Group")));
    let done = by(&thing["deploymentId"]);
    assert_eq!((&done["coreDeviceExecutionStatus"], &done["reason"]), (&json!("COMPLETED"), &Value::Null));
    let id = thing["deploymentId"].as_str().unwrap();
    let got = account.ok(&format!("GET /greengrass/v2/deployments/{id}"), Value::Null).await;
    assert_eq!((&got["deploymentStatus"], &got["deploymentName"]), (&json!("COMPLETED"), &json!("by hand")));
}
