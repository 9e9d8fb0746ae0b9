"""The calls that GDK makes to publish a component, in its order and with its arguments, and what follows them.

    gdk.py PROJECT THING

PROJECT is a folder with `gdk-config.json` and a recipe template, as `gdk component publish` takes them. Then the role of
the core gets the right to read the bucket, and a deployment brings the component to the core. Clients are made with a
region and nothing else, so that `AWS_ENDPOINT_URL` counts.
"""

import io
import json
import os
import sys
import time
import zipfile

import boto3
from botocore.exceptions import ClientError

PROJECT, THING = sys.argv[1:]
PATIENCE = 120


def configuration():
    with open(os.path.join(PROJECT, "gdk-config.json")) as file:
        return next(iter(json.load(file)["component"].items()))


def zipped(name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(os.listdir(PROJECT)):
            if file not in ("gdk-config.json", "recipe.yaml"):
                archive.write(os.path.join(PROJECT, file), file)
    content.seek(0)
    return content


def next_version(greengrass, arn):
    """NEXT_PATCH: the highest version and one patch more."""
    known = greengrass.list_component_versions(arn=arn)["componentVersions"]
    if not known:
        return "1.0.0"
    major, minor, patch = known[0]["componentVersion"].split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def bucket_for(s3, name, region):
    try:
        place = s3.get_bucket_location(Bucket=name)["LocationConstraint"]
        assert place == (None if region == "us-east-1" else region), place
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucket", error
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **place)


def publish():
    name, given = configuration()
    region = given["publish"]["region"]
    account = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
    greengrass = boto3.client("greengrassv2", region_name=region)
    arn = f"arn:aws:greengrass:{region}:{account}:components:{name}"
    greengrass.list_component_versions(arn=arn)
    assert given["version"] == "NEXT_PATCH", given
    version = next_version(greengrass, arn)
    bucket = f"{given['publish']['bucket']}-{region}-{account}"
    s3 = boto3.client("s3", region_name=region)
    bucket_for(s3, bucket, region)
    archive = os.path.basename(os.path.abspath(PROJECT)) + ".zip"
    s3.upload_fileobj(zipped(archive), bucket, f"{name}/{version}/{archive}")
    with open(os.path.join(PROJECT, "recipe.yaml")) as file:
        recipe = file.read()
    for placeholder, value in {
        "{COMPONENT_NAME}": name, "{COMPONENT_VERSION}": version, "{COMPONENT_AUTHOR}": given["author"],
        "BUCKET_NAME": bucket, "COMPONENT_NAME": name, "COMPONENT_VERSION": version,
    }.items():
        recipe = recipe.replace(placeholder, value)
    made = greengrass.create_component_version(inlineRecipe=recipe)
    assert (made["arn"], made["status"]["componentState"]) == (f"{arn}:versions:{version}", "REQUESTED"), made
    return region, account, bucket, name, version


def until(what, seen):
    """Asks again until something is seen."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = seen()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE} s for {what}")


def deploy(region, account, bucket, name, version, role):
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam = boto3.client("iam", region_name=region)
    iam.put_role_policy(RoleName=role, PolicyName="artifacts", PolicyDocument=document)
    greengrass = boto3.client("greengrassv2", region_name=region)
    components = {name: {"componentVersion": version}, "aws.greengrass.TokenExchangeService": {"componentVersion": "2.0.3"}}
    target = f"arn:aws:iot:{region}:{account}:thinggroup/{THING}-group"
    made = greengrass.create_deployment(targetArn=target, components=components)

    def ended():
        listed = greengrass.list_effective_deployments(coreDeviceThingName=THING)["effectiveDeployments"]
        ours = [one for one in listed if one["deploymentId"] == made["deploymentId"]]
        return ours[0] if ours and ours[0]["coreDeviceExecutionStatus"] not in ("QUEUED", "IN_PROGRESS") else None

    def settled():
        listed = greengrass.list_installed_components(coreDeviceThingName=THING)["installedComponents"]
        ours = [one for one in listed if one["componentName"] == name]
        return ours[0] if ours and ours[0]["lifecycleState"] in ("FINISHED", "BROKEN") else None

    until("the core to report", lambda: greengrass.list_core_devices()["coreDevices"])
    return until("the deployment to end", ended), until("the component to settle", settled)


def main():
    first = publish()
    effective, installed = deploy(*first, role="GreengrassV2TokenExchangeRole")
    second = publish()
    print(json.dumps({
        "versions": [first[-1], second[-1]],
        "status": effective["coreDeviceExecutionStatus"],
        "reason": effective.get("reason"),
        "state": installed["lifecycleState"],
        "version": installed["componentVersion"],
    }))


main()
