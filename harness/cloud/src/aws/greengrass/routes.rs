//! The operations, and what IAM authorises each on by the service authorization reference.

use super::recipe;
use crate::aws::rest::{Call, Route, anything};

/// Those that are emulated; the more specific of two paths that fit stands first.
pub(super) static ROUTES: [Route; 21] = [
    Route::new("CreateComponentVersion", "POST", "/greengrass/v2/createComponentVersion", 201, of_recipe),
    Route::new("ListComponents", "GET", "/greengrass/v2/components", 200, anything),
    Route::new("GetComponent", "GET", "/greengrass/v2/components/{arn}", 200, arn),
    Route::new("DeleteComponent", "DELETE", "/greengrass/v2/components/{arn}", 204, arn),
    Route::new("DescribeComponent", "GET", "/greengrass/v2/components/{arn}/metadata", 200, arn),
    Route::new("ListComponentVersions", "GET", "/greengrass/v2/components/{arn}/versions", 200, arn),
    Route::new(
        "GetComponentVersionArtifact",
        "GET",
        "/greengrass/v2/components/{arn}/artifacts/{artifactName+}",
        200,
        arn,
    ),
    Route::new("ResolveComponentCandidates", "POST", "/greengrass/v2/resolveComponentCandidates", 200, anything),
    Route::new("CreateDeployment", "POST", "/greengrass/v2/deployments", 201, anything).needing(to_deploy),
    Route::new("ListDeployments", "GET", "/greengrass/v2/deployments", 200, anything),
    Route::new("GetDeployment", "GET", "/greengrass/v2/deployments/{deploymentId}", 200, deployment),
    Route::new("DeleteDeployment", "DELETE", "/greengrass/v2/deployments/{deploymentId}", 204, deployment),
    Route::new("CancelDeployment", "POST", "/greengrass/v2/deployments/{deploymentId}/cancel", 200, deployment),
    Route::new("ListCoreDevices", "GET", "/greengrass/v2/coreDevices", 200, anything),
    Route::new("GetCoreDevice", "GET", "/greengrass/v2/coreDevices/{coreDeviceThingName}", 200, core),
    Route::new("DeleteCoreDevice", "DELETE", "/greengrass/v2/coreDevices/{coreDeviceThingName}", 204, core),
    Route::new(
        "ListInstalledComponents",
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/installedComponents",
        200,
        core,
    ),
    Route::new(
        "ListEffectiveDeployments",
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/effectiveDeployments",
        200,
        core,
    ),
    Route::new("ListTagsForResource", "GET", "/tags/{resourceArn}", 200, tagged),
    Route::new("TagResource", "POST", "/tags/{resourceArn}", 200, tagged),
    Route::new("UntagResource", "DELETE", "/tags/{resourceArn}", 200, tagged),
];

fn arn(call: &Call) -> String {
    call.label("arn").to_owned()
}

fn tagged(call: &Call) -> String {
    call.label("resourceArn").to_owned()
}

fn deployment(call: &Call) -> String {
    call.arn("greengrass", &format!("deployments:{}", call.label("deploymentId")))
}

fn core(call: &Call) -> String {
    call.arn("greengrass", &format!("coreDevices:{}", call.label("coreDeviceThingName")))
}

/// The component that the recipe names; a recipe that can't be read is refused before anything is made of it.
fn of_recipe(call: &Call) -> String {
    match recipe::draft(call) {
        Ok(draft) => call.arn("greengrass", &format!("components:{}", draft.name)),
        Err(_) => "*".to_owned(),
    }
}

/// What the service asks of IoT in the caller's name. A job's id is minted later.
fn to_deploy(call: &Call) -> Vec<(&'static str, String)> {
    let target = call.text("targetArn").unwrap_or_default().to_owned();
    let actions: &[_] = if target.contains(":thinggroup/") {
        &["iot:DescribeThingGroup"]
    } else {
        &["iot:DescribeThing", "iot:GetThingShadow", "iot:UpdateThingShadow"]
    };
    let job = target.contains(":thinggroup/").then(|| ("iot:CreateJob", call.arn("iot", "job/*")));
    actions.iter().map(|action| (*action, target.clone())).chain(job).collect()
}
