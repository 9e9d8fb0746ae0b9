//! The operations of the control plane: methods and paths of the service model, resources of AWS's service
//! authorization reference.

use super::super::super::rest::{Call, Route, anything};

type On = fn(&Call) -> String;

const THING: On = |call| call.arn("iot", &format!("thing/{}", call.label("thingName")));
const GROUP: On = |call| call.arn("iot", &format!("thinggroup/{}", call.label("thingGroupName")));
const CERTIFICATE: On = |call| call.arn("iot", &format!("cert/{}", call.label("certificateId")));
const POLICY: On = |call| call.arn("iot", &format!("policy/{}", call.label("policyName")));
const ALIAS: On = |call| call.arn("iot", &format!("rolealias/{}", call.label("roleAlias")));
const JOB: On = |call| call.arn("iot", &format!("job/{}", call.label("jobId")));
const TARGET: On = |call| call.text("target").unwrap_or("*").to_owned();
const PATH_TARGET: On = |call| call.label("target").to_owned();
const PRINCIPAL: On = |call| call.header("x-amzn-iot-principal").to_owned();
const RESOURCE: On = |call| call.text("resourceArn").or_else(|| call.query("resourceArn")).unwrap_or("*").to_owned();

/// A member of a group is the one, the group the other of two resources.
const MEMBER: On = |call| named(call, "thing", "thing");
const ITS_GROUP: On = |call| named(call, "thingGroup", "thinggroup");

fn named(call: &Call, what: &str, kind: &str) -> String {
    let by_name = call.text(&format!("{what}Name")).map(|name| call.arn("iot", &format!("{kind}/{name}")));
    by_name.or_else(|| call.text(&format!("{what}Arn")).map(str::to_owned)).unwrap_or_else(|| "*".to_owned())
}

/// The role that the service is passed.
fn passed(call: &Call) -> Vec<(&'static str, String)> {
    call.text("roleArn").map(|role| ("iam:PassRole", role.to_owned())).into_iter().collect()
}

const fn route(name: &'static str, method: &'static str, path: &'static str, on: On) -> Route {
    Route::new(name, method, path, 200, on)
}

/// What there is.
pub(super) static ROUTES: [Route; 61] = [
    route("DescribeEndpoint", "GET", "/endpoint", anything),
    route("CreateThing", "POST", "/things/{thingName}", THING),
    route("DescribeThing", "GET", "/things/{thingName}", THING),
    route("ListThings", "GET", "/things", anything),
    route("UpdateThing", "PATCH", "/things/{thingName}", THING),
    route("DeleteThing", "DELETE", "/things/{thingName}", THING),
    route("AddThingToThingGroup", "PUT", "/thing-groups/addThingToThingGroup", MEMBER)
        .needing(|call| vec![("iot:AddThingToThingGroup", ITS_GROUP(call))]),
    route("RemoveThingFromThingGroup", "PUT", "/thing-groups/removeThingFromThingGroup", MEMBER)
        .needing(|call| vec![("iot:RemoveThingFromThingGroup", ITS_GROUP(call))]),
    route("CreateThingGroup", "POST", "/thing-groups/{thingGroupName}", GROUP),
    route("DescribeThingGroup", "GET", "/thing-groups/{thingGroupName}", GROUP),
    route("ListThingGroups", "GET", "/thing-groups", anything),
    route("UpdateThingGroup", "PATCH", "/thing-groups/{thingGroupName}", GROUP),
    route("DeleteThingGroup", "DELETE", "/thing-groups/{thingGroupName}", GROUP),
    route("ListThingsInThingGroup", "GET", "/thing-groups/{thingGroupName}/things", GROUP),
    route("ListThingGroupsForThing", "GET", "/things/{thingName}/thing-groups", THING),
    route("CreateKeysAndCertificate", "POST", "/keys-and-certificate", anything),
    route("CreateCertificateFromCsr", "POST", "/certificates", anything),
    route("RegisterCertificateWithoutCA", "POST", "/certificate/register-no-ca", anything),
    route("DescribeCertificate", "GET", "/certificates/{certificateId}", CERTIFICATE),
    route("ListCertificates", "GET", "/certificates", anything),
    route("UpdateCertificate", "PUT", "/certificates/{certificateId}", CERTIFICATE),
    route("DeleteCertificate", "DELETE", "/certificates/{certificateId}", CERTIFICATE),
    route("AttachThingPrincipal", "PUT", "/things/{thingName}/principals", anything),
    route("DetachThingPrincipal", "DELETE", "/things/{thingName}/principals", anything),
    route("ListThingPrincipals", "GET", "/things/{thingName}/principals", anything),
    route("ListThingPrincipalsV2", "GET", "/things/{thingName}/principals-v2", anything),
    route("ListPrincipalThings", "GET", "/principals/things", anything),
    route("ListPrincipalThingsV2", "GET", "/principals/things-v2", anything),
    route("CreatePolicy", "POST", "/policies/{policyName}", POLICY),
    route("GetPolicy", "GET", "/policies/{policyName}", POLICY),
    route("ListPolicies", "GET", "/policies", anything),
    route("DeletePolicy", "DELETE", "/policies/{policyName}", POLICY),
    route("CreatePolicyVersion", "POST", "/policies/{policyName}/version", POLICY),
    route("GetPolicyVersion", "GET", "/policies/{policyName}/version/{policyVersionId}", POLICY),
    route("ListPolicyVersions", "GET", "/policies/{policyName}/version", POLICY),
    route("SetDefaultPolicyVersion", "PATCH", "/policies/{policyName}/version/{policyVersionId}", POLICY),
    route("DeletePolicyVersion", "DELETE", "/policies/{policyName}/version/{policyVersionId}", POLICY),
    route("AttachPolicy", "PUT", "/target-policies/{policyName}", TARGET),
    route("DetachPolicy", "POST", "/target-policies/{policyName}", TARGET),
    route("ListAttachedPolicies", "POST", "/attached-policies/{target}", PATH_TARGET),
    route("ListTargetsForPolicy", "POST", "/policy-targets/{policyName}", POLICY),
    route("AttachPrincipalPolicy", "PUT", "/principal-policies/{policyName}", PRINCIPAL),
    route("DetachPrincipalPolicy", "DELETE", "/principal-policies/{policyName}", PRINCIPAL),
    route("ListPrincipalPolicies", "GET", "/principal-policies", PRINCIPAL),
    route("ListPolicyPrincipals", "GET", "/policy-principals", anything),
    route("GetEffectivePolicies", "POST", "/effective-policies", anything),
    route("CreateRoleAlias", "POST", "/role-aliases/{roleAlias}", ALIAS).needing(passed),
    route("DescribeRoleAlias", "GET", "/role-aliases/{roleAlias}", ALIAS),
    route("UpdateRoleAlias", "PUT", "/role-aliases/{roleAlias}", ALIAS).needing(passed),
    route("ListRoleAliases", "GET", "/role-aliases", anything),
    route("DeleteRoleAlias", "DELETE", "/role-aliases/{roleAlias}", ALIAS),
    route("DescribeJob", "GET", "/jobs/{jobId}", JOB),
    route("ListJobs", "GET", "/jobs", anything),
    route("CancelJob", "PUT", "/jobs/{jobId}/cancel", JOB),
    route("GetJobDocument", "GET", "/jobs/{jobId}/job-document", JOB),
    route("DescribeJobExecution", "GET", "/things/{thingName}/jobs/{jobId}", THING),
    route("ListJobExecutionsForThing", "GET", "/things/{thingName}/jobs", THING),
    route("ListJobExecutionsForJob", "GET", "/jobs/{jobId}/things", JOB),
    route("TagResource", "POST", "/tags", RESOURCE),
    route("UntagResource", "POST", "/untag", RESOURCE),
    route("ListTagsForResource", "GET", "/tags", RESOURCE),
];
