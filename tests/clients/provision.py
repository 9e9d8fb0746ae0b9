"""Provisions a device as AWS's documentation has it, lets it in at every door, and takes it back: `provision.py REGION`.

The control plane is called with boto3; the device's side is the Python library's own TLS and HTTP with the certificate
that was made. What each door answered is printed as JSON.
"""

import http.client
import json
import socket
import ssl
import sys
import tempfile

import boto3

REGION = sys.argv[1]
THING, GROUP, POLICY, ALIAS, ROLE = (f"provisioned-{what}" for what in ("thing", "group", "policy", "alias", "role"))


def document(principal=None, **statement):
    who = {"Principal": {"Service": principal}} if principal else {"Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **who, **statement}]})


class Device:
    """What a device does with its certificate; nobody here looks at the server's."""

    def __init__(self, made, hosts):
        self.hosts = hosts
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(made["certificatePem"] + made["keyPair"]["PrivateKey"])
            file.flush()
            self.tls.load_cert_chain(file.name)

    def get(self, host, port, path, **headers):
        connection = http.client.HTTPSConnection(host, port, context=self.tls, timeout=20)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def credentials(self, thing):
        headers = {"x-amzn-iot-thingname": thing}
        return self.get(self.hosts["credentials"], 443, f"/role-aliases/{ALIAS}/credentials", **headers)

    def groups(self):
        host = f"greengrass-ats.iot.{REGION}.amazonaws.com"
        return self.get(host, 8443, f"/greengrass/v2/coreDevices/{THING}/thingGroups")

    def connect(self):
        """The return code of MQTT's CONNACK; nothing if there is none."""
        client = THING.encode()
        packet = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client).to_bytes(2, "big") + client
        try:
            with socket.create_connection((self.hosts["data"], 8883), timeout=20) as plain:
                with self.tls.wrap_socket(plain, server_hostname=self.hosts["data"]) as stream:
                    stream.sendall(bytes([0x10, len(packet)]) + packet)
                    answer = stream.recv(4)
        except (ConnectionError, ssl.SSLError):
            return None
        return answer[3] if len(answer) == 4 else None

    def seen(self):
        status, credentials = self.credentials(THING)
        return [self.connect(), self.groups()[0], status, credentials.get("message")]


iot, iam = boto3.client("iot", region_name=REGION), boto3.client("iam", region_name=REGION)
role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document("credentials.iot.amazonaws.com", Action="sts:AssumeRole"))
iot.create_thing(thingName=THING)
made = iot.create_keys_and_certificate(setAsActive=True)
arn = made["certificateArn"]
iot.create_policy(policyName=POLICY, policyDocument=document(Action=["iot:*", "greengrass:*"]))
iot.attach_policy(policyName=POLICY, target=arn)
iot.attach_thing_principal(thingName=THING, principal=arn)
iot.create_thing_group(thingGroupName=GROUP)
iot.add_thing_to_thing_group(thingName=THING, thingGroupName=GROUP)
iot.create_role_alias(roleAlias=ALIAS, roleArn=role["Role"]["Arn"])
hosts = {
    "data": iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"],
    "credentials": iot.describe_endpoint(endpointType="iot:CredentialProvider")["endpointAddress"],
}
device = Device(made, hosts)
told = {"active": device.seen(), "other thing": device.credentials("nobody")}
told["groups"] = [group["thingGroupName"] for group in device.groups()[1]["thingGroups"]]
keys = device.credentials(THING)[1]["credentials"]
session = boto3.client(
    "sts",
    region_name=REGION,
    aws_access_key_id=keys["accessKeyId"],
    aws_secret_access_key=keys["secretAccessKey"],
    aws_session_token=keys["sessionToken"],
)
who = session.get_caller_identity()["Arn"]
told["session"] = who.split(":")[-1] == f"assumed-role/{ROLE}/{made['certificateId']}" or who
iot.update_certificate(certificateId=made["certificateId"], newStatus="INACTIVE")
told["inactive"] = device.seen()
iot.update_certificate(certificateId=made["certificateId"], newStatus="ACTIVE")
iot.detach_policy(policyName=POLICY, target=arn)
told["detached"] = device.seen()
print(json.dumps(told))
