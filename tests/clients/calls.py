"""A script of calls, made by an unmodified client: `calls.py boto3|v1|v2 ENDPOINT REGION THING`.

What is made carries the client's name, so that clients don't meet.
"""

import base64
import hashlib
import json
import re
import sys

from client import Boto3, Cli, Failed

KIND, ENDPOINT, REGION, THING = sys.argv[1:]
RECIPE = """---
RecipeFormatVersion: "2020-01-25"
ComponentName: {name}
ComponentVersion: "{version}"
ComponentDescription: Says hello.
ComponentPublisher: Example
Manifests:
  - Name: linux
    Platform:
      os: linux
    Artifacts:
      - URI: {uri}
    Lifecycle:
      Run: echo hello
"""
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
READS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


class Script:
    def __init__(self, client):
        self.client, self.calls = client, 0

    def call(self, service, operation, **given):
        self.calls += 1
        return self.client.call(service, operation, **given)

    def fails(self, code, says, service, operation, **given):
        """The call ends with this error, whose text matches."""
        try:
            answer = self.call(service, operation, **given)
        except Failed as failed:
            assert failed.code == code and re.search(says, failed.message), f"{operation}: {failed}"
            return failed
        raise AssertionError(f"{operation} was answered {answer}, not {code}")

    def all(self, service, operation, member, **given):
        """Every member of a list that comes in pages of one."""
        found, token = [], {}
        while True:
            page = self.call(service, operation, maxResults=1, **token, **given)
            assert len(page[member]) <= 1, page
            found += page[member]
            if not page.get("nextToken"):
                return found
            token = {"nextToken": page["nextToken"]}


def blob(text):
    return text.encode()


def as_json(value):
    return json.dumps(value)


def sts(script):
    who = script.call("sts", "GetCallerIdentity")
    assert re.fullmatch(rf"arn:aws:iam::{who['Account']}:user/\w+", who["Arn"]) and who["UserId"].startswith("AIDA"), who
    return who["Account"]


def iam(script, account, mine):
    role, call = f"{mine}-role", script.call
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}]}
    made = call("iam", "CreateRole", RoleName=role, AssumeRolePolicyDocument=as_json(trust), Tags=[{"Key": "a", "Value": "b"}])
    assert made["Role"]["Arn"] == f"arn:aws:iam::{account}:role/{role}", made
    script.fails("EntityAlreadyExists", role, "iam", "CreateRole", RoleName=role, AssumeRolePolicyDocument=as_json(trust))
    script.fails("MalformedPolicyDocument", "", "iam", "CreateRole", RoleName=f"{role}2", AssumeRolePolicyDocument="{}")
    assert call("iam", "GetRole", RoleName=role)["Role"]["RoleName"] == role
    script.fails("NoSuchEntity", "nobody", "iam", "GetRole", RoleName="nobody")
    assert role in [one["RoleName"] for one in call("iam", "ListRoles")["Roles"]]
    assert call("iam", "ListRoleTags", RoleName=role)["Tags"] == [{"Key": "a", "Value": "b"}]
    call("iam", "PutRolePolicy", RoleName=role, PolicyName="inline", PolicyDocument=as_json(READS))
    assert call("iam", "GetRolePolicy", RoleName=role, PolicyName="inline")["PolicyDocument"] == READS
    assert call("iam", "ListRolePolicies", RoleName=role)["PolicyNames"] == ["inline"]
    arn = call("iam", "CreatePolicy", PolicyName=f"{mine}-policy", PolicyDocument=as_json(READS))["Policy"]["Arn"]
    assert call("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    assert arn in [one["Arn"] for one in call("iam", "ListPolicies", Scope="Local")["Policies"]]
    call("iam", "AttachRolePolicy", RoleName=role, PolicyArn=arn)
    attached = call("iam", "ListAttachedRolePolicies", RoleName=role)["AttachedPolicies"]
    assert attached == [{"PolicyName": f"{mine}-policy", "PolicyArn": arn}], attached
    call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=as_json(READS), SetAsDefault=True)
    assert len(call("iam", "ListPolicyVersions", PolicyArn=arn)["Versions"]) == 2
    assert call("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == READS
    call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    assume = call("sts", "AssumeRole", RoleArn=made["Role"]["Arn"], RoleSessionName="probe")
    assert assume["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/{role}/probe", assume
    other = Script(script.client.as_session(assume["Credentials"]))
    assert other.call("sts", "GetCallerIdentity")["Arn"] == assume["AssumedRoleUser"]["Arn"]
    who = re.escape(f"User: {assume['AssumedRoleUser']['Arn']} is not authorized to perform: ")
    arn_of = rf"arn:aws:greengrass:{REGION}:{account}"
    other.fails(
        "AccessDeniedException",
        rf"^{who}greengrass:GetCoreDevice on resource: {arn_of}:coreDevices:{THING} because no identity-based policy",
        "greengrassv2", "GetCoreDevice", coreDeviceThingName=THING,
    )
    other.fails("AccessDenied", rf"^{who}iam:GetRole on resource: role {role}", "iam", "GetRole", RoleName=role)
    call("sts", "GetSessionToken")
    call("iam", "UpdateAssumeRolePolicy", RoleName=role, PolicyDocument=as_json(trust))
    call("iam", "TagRole", RoleName=role, Tags=[{"Key": "c", "Value": "d"}])
    call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
    call("iam", "DeletePolicy", PolicyArn=arn)
    call("iam", "DeleteRolePolicy", RoleName=role, PolicyName="inline")
    call("iam", "DeleteRole", RoleName=role)


def s3(script, account, mine):
    bucket, call = f"{mine}-{account}", script.call
    place = {} if REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    script.fails("NoSuchBucket", "does not exist", "s3", "GetBucketLocation", Bucket=bucket)
    call("s3", "CreateBucket", Bucket=bucket, **place)
    assert bucket in [one["Name"] for one in call("s3", "ListBuckets")["Buckets"]]
    call("s3", "HeadBucket", Bucket=bucket)
    where = call("s3", "GetBucketLocation", Bucket=bucket)["LocationConstraint"]
    assert (where or "us-east-1") == REGION, where
    call("s3", "PutObject", Bucket=bucket, Key="a/b c.txt", Body=b"hello", Tagging="k=v")
    assert call("s3", "HeadObject", Bucket=bucket, Key="a/b c.txt")["ContentLength"] == 5
    assert call("s3", "GetObject", Bucket=bucket, Key="a/b c.txt")["Body"] == b"hello"
    script.fails("NoSuchKey", "does not exist", "s3", "GetObject", Bucket=bucket, Key="none")
    assert call("s3", "GetObjectTagging", Bucket=bucket, Key="a/b c.txt")["TagSet"] == [{"Key": "k", "Value": "v"}]
    call("s3", "PutObjectTagging", Bucket=bucket, Key="a/b c.txt", Tagging={"TagSet": [{"Key": "k", "Value": "w"}]})
    call("s3", "CopyObject", Bucket=bucket, Key="copy", CopySource=f"{bucket}/a/b c.txt")
    keys = [one["Key"] for one in call("s3", "ListObjectsV2", Bucket=bucket)["Contents"]]
    assert keys == ["a/b c.txt", "copy"], keys
    upload = call("s3", "CreateMultipartUpload", Bucket=bucket, Key="large")["UploadId"]
    parts = []
    for number, data in enumerate([b"x" * (5 << 20), b"end"], 1):
        tag = call("s3", "UploadPart", Bucket=bucket, Key="large", UploadId=upload, PartNumber=number, Body=data)["ETag"]
        parts.append({"ETag": tag, "PartNumber": number})
    assert len(call("s3", "ListParts", Bucket=bucket, Key="large", UploadId=upload)["Parts"]) == 2
    call("s3", "CompleteMultipartUpload", Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": parts})
    assert call("s3", "HeadObject", Bucket=bucket, Key="large")["ContentLength"] == (5 << 20) + 3
    upload = call("s3", "CreateMultipartUpload", Bucket=bucket, Key="left")["UploadId"]
    call("s3", "AbortMultipartUpload", Bucket=bucket, Key="left", UploadId=upload)
    allow = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    call("s3", "PutBucketPolicy", Bucket=bucket, Policy=as_json(policy))
    assert json.loads(call("s3", "GetBucketPolicy", Bucket=bucket)["Policy"]) == policy
    call("s3", "DeleteBucketPolicy", Bucket=bucket)
    script.fails("BucketNotEmpty", "not empty", "s3", "DeleteBucket", Bucket=bucket)
    call("s3", "DeleteObjects", Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "large"}]})
    return bucket


def secrets(script, account, mine):
    name, call = f"{mine}/secret", script.call
    made = call("secretsmanager", "CreateSecret", Name=name, SecretString="one", Tags=[{"Key": "a", "Value": "b"}])
    assert re.fullmatch(rf"arn:aws:secretsmanager:{REGION}:{account}:secret:{name}-\w{{6}}", made["ARN"]), made
    script.fails("ResourceExistsException", name, "secretsmanager", "CreateSecret", Name=name, SecretString="x")
    call("secretsmanager", "PutSecretValue", SecretId=name, SecretString="two")
    call("secretsmanager", "UpdateSecret", SecretId=name, Description="d")
    described = call("secretsmanager", "DescribeSecret", SecretId=name)
    assert (described["Description"], len(described["VersionIdsToStages"])) == ("d", 2), described
    assert call("secretsmanager", "GetSecretValue", SecretId=name)["SecretString"] == "two"
    assert len(call("secretsmanager", "ListSecretVersionIds", SecretId=name)["Versions"]) == 2
    assert name in [one["Name"] for one in call("secretsmanager", "ListSecrets")["SecretList"]]
    call("secretsmanager", "TagResource", SecretId=name, Tags=[{"Key": "c", "Value": "d"}])
    call("secretsmanager", "UntagResource", SecretId=name, TagKeys=["a"])
    assert len(call("secretsmanager", "GetRandomPassword", PasswordLength=20)["RandomPassword"]) == 20
    call("secretsmanager", "DeleteSecret", SecretId=name)
    call("secretsmanager", "RestoreSecret", SecretId=name)
    call("secretsmanager", "DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)
    missing = "Secrets Manager can't find the specified secret."
    script.fails("ResourceNotFoundException", missing, "secretsmanager", "DescribeSecret", SecretId=name)


def kms(script, account, mine):
    call, alias = script.call, f"alias/{mine}"
    key = call("kms", "CreateKey", Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    assert re.fullmatch(rf"arn:aws:kms:{REGION}:{account}:key/[0-9a-f-]{{36}}", key["Arn"]), key
    key = key["KeyId"]
    call("kms", "CreateAlias", AliasName=alias, TargetKeyId=key)
    assert call("kms", "DescribeKey", KeyId=alias)["KeyMetadata"]["KeyId"] == key
    assert key in [one["KeyId"] for one in call("kms", "ListKeys")["Keys"]]
    assert alias in [one["AliasName"] for one in call("kms", "ListAliases")["Aliases"]]
    cipher = call("kms", "Encrypt", KeyId=alias, Plaintext=b"hello")["CiphertextBlob"]
    if isinstance(cipher, str):
        cipher = base64.b64decode(cipher)
    if KIND != "v1":
        # Version 1 takes no bytes in a file of parameters.
        plain = call("kms", "Decrypt", CiphertextBlob=cipher)["Plaintext"]
        assert plain in (b"hello", base64.b64encode(b"hello").decode()), plain
    call("kms", "GenerateDataKey", KeyId=key, KeySpec="AES_256")
    policy = json.loads(call("kms", "GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"].endswith(":root"), policy
    call("kms", "TagResource", KeyId=key, Tags=[{"TagKey": "c", "TagValue": "d"}])
    assert len(call("kms", "ListResourceTags", KeyId=key)["Tags"]) == 2
    call("kms", "DisableKey", KeyId=key)
    script.fails("DisabledException", "is disabled", "kms", "Encrypt", KeyId=key, Plaintext=b"hello")
    call("kms", "EnableKey", KeyId=key)
    call("kms", "DeleteAlias", AliasName=alias)
    call("kms", "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    script.fails("NotFoundException", "is not found", "kms", "DescribeKey", KeyId=alias)


def components(script, account, mine, bucket):
    call, name, home = script.call, f"com.example.{mine}", f"arn:aws:greengrass:{REGION}:{account}:components"
    content = b"print('hello')"
    call("s3", "PutObject", Bucket=bucket, Key="hello.py", Body=content)
    uri = f"s3://{bucket}/hello.py"
    recipe = lambda version: blob(RECIPE.format(name=name, version=version, uri=uri))
    assert call("greengrassv2", "ListComponentVersions", arn=f"{home}:{name}").get("componentVersions") == []
    made = call("greengrassv2", "CreateComponentVersion", inlineRecipe=recipe("1.0.0"), tags={"team": "a"})
    arn = f"{home}:{name}:versions:1.0.0"
    assert (made["arn"], made["status"]["componentState"]) == (arn, "REQUESTED"), made
    script.fails(
        "ConflictException", re.escape(f"Component [{name} : 1.0.0] for account [{account}] already exists"),
        "greengrassv2", "CreateComponentVersion", inlineRecipe=recipe("1.0.0"),
    )
    token = {"clientToken": f"{mine}-token"}
    first = call("greengrassv2", "CreateComponentVersion", inlineRecipe=recipe("1.10.0"), **token)
    again = call("greengrassv2", "CreateComponentVersion", inlineRecipe=recipe("1.10.0"), **token)
    assert first == again or first["arn"] == again["arn"], (first, again)
    call("greengrassv2", "CreateComponentVersion", inlineRecipe=recipe("1.9.0"))
    nowhere = RECIPE.format(name=name, version="2.0.0", uri=f"s3://{bucket}/none.py")
    script.fails(
        "ValidationException",
        re.escape(f"Artifacts: {{s3://{bucket}/none.py = Specified artifact resource cannot be accessed}}"),
        "greengrassv2", "CreateComponentVersion", inlineRecipe=blob(nowhere),
    )
    script.fails("ValidationException", "", "greengrassv2", "CreateComponentVersion", inlineRecipe=blob("a: ["))
    described = call("greengrassv2", "DescribeComponent", arn=arn)
    assert described["status"]["componentState"] == "DEPLOYABLE", described
    assert described["platforms"] == [{"name": "linux", "attributes": {"os": "linux"}}], described
    assert described["tags"] == {"team": "a"} and described["publisher"] == "Example", described
    got = call("greengrassv2", "GetComponent", arn=arn, recipeOutputFormat="JSON")
    text = got["recipe"] if isinstance(got["recipe"], bytes) else base64.b64decode(got["recipe"])
    artifact = json.loads(text)["Manifests"][0]["Artifacts"][0]
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert (artifact["Digest"], artifact["Algorithm"]) == (digest, "SHA-256"), artifact
    call("greengrassv2", "GetComponent", arn=arn, recipeOutputFormat="YAML")
    versions = script.all("greengrassv2", "ListComponentVersions", "componentVersions", arn=f"{home}:{name}")
    assert [one["componentVersion"] for one in versions] == ["1.10.0", "1.9.0", "1.0.0"], versions
    listed = script.all("greengrassv2", "ListComponents", "components", scope="PRIVATE")
    assert [one for one in listed if one["arn"] == f"{home}:{name}"][0]["latestVersion"]["componentVersion"] == "1.10.0"
    public = call("greengrassv2", "ListComponents", scope="PUBLIC")["components"]
    assert all(":aws:components:" in one["arn"] for one in public), public
    call("greengrassv2", "TagResource", resourceArn=arn, tags={"k": "v"})
    call("greengrassv2", "UntagResource", resourceArn=arn, tagKeys=["team"])
    assert call("greengrassv2", "ListTagsForResource", resourceArn=arn)["tags"] == {"k": "v"}
    missing = f"{home}:{name}:versions:9.9.9"
    script.fails("ResourceNotFoundException", "9.9.9", "greengrassv2", "DescribeComponent", arn=missing)
    script.fails("ValidationException", "regular expression", "greengrassv2", "GetComponent", arn="nonsense")
    candidates = [{"componentName": name, "versionRequirements": {"thing": ">=1.0.0 <1.10.0"}}]
    platform = {"attributes": {"os": "linux", "architecture": "amd64"}}
    resolved = call("greengrassv2", "ResolveComponentCandidates", platform=platform, componentCandidates=candidates)
    assert resolved["resolvedComponentVersions"][0]["componentVersion"] == "1.9.0", resolved
    call("greengrassv2", "DeleteComponent", arn=f"{home}:{name}:versions:1.9.0")
    assert len(call("greengrassv2", "ListComponentVersions", arn=f"{home}:{name}")["componentVersions"]) == 2
    return name


def iot(script, account, mine):
    call, thing, group, policy = script.call, f"{mine}-thing", f"{mine}-group", f"{mine}-policy"
    home = f"arn:aws:iot:{REGION}:{account}"
    assert call("iot", "DescribeEndpoint", endpointType="iot:Data-ATS")["endpointAddress"].endswith(".amazonaws.com")
    made = call("iot", "CreateThing", thingName=thing, attributePayload={"attributes": {"a": "b"}})
    assert made["thingArn"] == f"{home}:thing/{thing}", made
    assert call("iot", "DescribeThing", thingName=thing)["attributes"] == {"a": "b"}
    script.fails("ResourceNotFoundException", "nobody", "iot", "DescribeThing", thingName="nobody")
    things = script.all("iot", "ListThings", "things")
    assert {thing, THING} <= {one["thingName"] for one in things}, things
    call("iot", "CreateThingGroup", thingGroupName=group)
    call("iot", "AddThingToThingGroup", thingGroupName=group, thingName=thing)
    assert call("iot", "ListThingsInThingGroup", thingGroupName=group)["things"] == [thing]
    assert [one["groupName"] for one in call("iot", "ListThingGroupsForThing", thingName=thing)["thingGroups"]] == [group]
    call("iot", "DescribeThingGroup", thingGroupName=group)
    key = call("iot", "CreateKeysAndCertificate", setAsActive=True)
    assert key["certificatePem"].startswith("-----BEGIN CERTIFICATE-----"), key
    call("iot", "DescribeCertificate", certificateId=key["certificateId"])
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    call("iot", "CreatePolicy", policyName=policy, policyDocument=as_json(document))
    script.fails("ResourceAlreadyExistsException", "", "iot", "CreatePolicy", policyName=policy, policyDocument=as_json(document))
    assert json.loads(call("iot", "GetPolicy", policyName=policy)["policyDocument"]) == document
    call("iot", "AttachPolicy", policyName=policy, target=key["certificateArn"])
    attached = call("iot", "ListAttachedPolicies", target=key["certificateArn"])["policies"]
    assert [one["policyName"] for one in attached] == [policy], attached
    call("iot", "AttachThingPrincipal", thingName=thing, principal=key["certificateArn"])
    assert call("iot", "ListThingPrincipals", thingName=thing)["principals"] == [key["certificateArn"]]
    role = f"arn:aws:iam::{account}:role/{mine}-tokens"
    call("iot", "CreateRoleAlias", roleAlias=f"{mine}-alias", roleArn=role, credentialDurationSeconds=900)
    assert call("iot", "DescribeRoleAlias", roleAlias=f"{mine}-alias")["roleAliasDescription"]["roleArn"] == role
    call("iot", "ListRoleAliases")
    call("iot", "DeleteRoleAlias", roleAlias=f"{mine}-alias")
    return f"{home}:thing/{thing}", f"{home}:thinggroup/{group}", key


def deployments(script, account, component, thing, group):
    call = script.call
    asked = {
        "targetArn": group,
        "deploymentName": "by hand",
        "components": {component: {"componentVersion": "1.0.0", "configurationUpdate": {"merge": "{\"k\": 1}"}}},
        "deploymentPolicies": {"componentUpdatePolicy": {"timeoutInSeconds": 7, "action": "SKIP_NOTIFY_COMPONENTS"}},
        "iotJobConfiguration": {"timeoutConfig": {"inProgressTimeoutInMinutes": 5}},
    }
    script.fails("ResourceNotFoundException", "none", "greengrassv2", "CreateDeployment", targetArn=f"{thing}-none")
    script.fails("ValidationException", "targetArn", "greengrassv2", "CreateDeployment", targetArn="nonsense")
    made = call("greengrassv2", "CreateDeployment", **asked, tags={"a": "b"})
    got = call("greengrassv2", "GetDeployment", deploymentId=made["deploymentId"])
    for member in ("targetArn", "deploymentName", "components", "iotJobConfiguration"):
        assert got[member] == asked[member], got
    assert got["deploymentPolicies"]["failureHandlingPolicy"] == "ROLLBACK" and got["isLatestForTarget"], got
    assert call("iot", "DescribeJob", jobId=made["iotJobId"])["job"]["targets"] == [group]
    again = call("greengrassv2", "CreateDeployment", **asked)["deploymentId"]
    history = script.all("greengrassv2", "ListDeployments", "deployments", targetArn=group, historyFilter="ALL")
    assert [one["deploymentId"] for one in history] == [again, made["deploymentId"]], history
    latest = call("greengrassv2", "ListDeployments", targetArn=group)["deployments"]
    assert [(one["deploymentId"], one["deploymentStatus"]) for one in latest] == [(again, "ACTIVE")], latest
    script.fails("ConflictException", "active", "greengrassv2", "DeleteDeployment", deploymentId=again)
    call("greengrassv2", "CancelDeployment", deploymentId=again)
    call("greengrassv2", "DeleteDeployment", deploymentId=again)
    script.fails("ResourceNotFoundException", again, "greengrassv2", "GetDeployment", deploymentId=again)
    own = call("greengrassv2", "CreateDeployment", targetArn=thing, components=asked["components"])
    assert set(own) - {"ResponseMetadata"} == {"deploymentId"}, own
    core = {"coreDeviceThingName": THING}
    cores = call("greengrassv2", "ListCoreDevices")["coreDevices"]
    assert THING in [one["coreDeviceThingName"] for one in cores], cores
    assert call("greengrassv2", "GetCoreDevice", **core)["coreVersion"]
    script.fails("ResourceNotFoundException", "nobody", "greengrassv2", "GetCoreDevice", coreDeviceThingName="nobody")
    script.all("greengrassv2", "ListInstalledComponents", "installedComponents", topologyFilter="ALL", **core)
    call("greengrassv2", "ListEffectiveDeployments", **core)


def undo(script, thing, group, key):
    call, thing, group = script.call, thing.split("/")[1], group.split("/")[1]
    call("iot", "DetachThingPrincipal", thingName=thing, principal=key["certificateArn"])
    call("iot", "DetachPolicy", policyName=thing.replace("-thing", "-policy"), target=key["certificateArn"])
    call("iot", "UpdateCertificate", certificateId=key["certificateId"], newStatus="INACTIVE")
    call("iot", "DeleteCertificate", certificateId=key["certificateId"])
    call("iot", "DeletePolicy", policyName=thing.replace("-thing", "-policy"))
    call("iot", "RemoveThingFromThingGroup", thingGroupName=group, thingName=thing)
    call("iot", "DeleteThingGroup", thingGroupName=group)
    call("iot", "DeleteThing", thingName=thing)


def main():
    script = Script(Boto3(ENDPOINT, REGION) if KIND == "boto3" else Cli(KIND, ENDPOINT, REGION))
    mine = f"{KIND}probe"
    account = sts(script)
    iam(script, account, mine)
    bucket = s3(script, account, mine)
    secrets(script, account, mine)
    kms(script, account, mine)
    component = components(script, account, mine, bucket)
    thing, group, key = iot(script, account, mine)
    deployments(script, account, component, thing, group)
    undo(script, thing, group, key)
    for object_key in ("a/b c.txt", "hello.py"):
        script.call("s3", "DeleteObject", Bucket=bucket, Key=object_key)
    script.call("s3", "DeleteBucket", Bucket=bucket)
    print(script.calls)


main()
