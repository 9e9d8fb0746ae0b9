"""Clients that are not ours, as a script of calls uses them."""

import base64
import contextlib
import io
import json
import os
import re
import tempfile


class Failed(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Boto3:
    def __init__(self, url, region, **keys):
        import boto3

        self.session, self.url, self.region, self.clients = boto3.Session(region_name=region, **keys), url, region, {}

    def call(self, service, operation, **given):
        import botocore
        from botocore.exceptions import ClientError

        if service not in self.clients:
            self.clients[service] = self.session.client(service, endpoint_url=self.url)
        try:
            answer = getattr(self.clients[service], botocore.xform_name(operation))(**given)
        except ClientError as error:
            raise Failed(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
        return answer

    def as_session(self, credentials):
        names = {
            "aws_access_key_id": "AccessKeyId",
            "aws_secret_access_key": "SecretAccessKey",
            "aws_session_token": "SessionToken",
        }
        return Boto3(self.url, self.region, **{name: credentials[field] for name, field in names.items()})


class Cli:
    """The AWS CLI that this Python has, version 1 or 2, with its own files of parameters and its own words for errors.

    Each call is one run of its command line, in this process: starting it a hundred times would take a minute.
    """

    COMMANDS = {"s3": "s3api"}

    def __init__(self, kind, url, region, environment=()):
        self.kind, self.url, self.region, self.driver = kind, url, region, None
        self.environment = dict(environment)

    def run(self, *words):
        from awscli.clidriver import create_clidriver

        before = dict(os.environ)
        os.environ.update(self.environment, AWS_PAGER="", AWS_DEFAULT_OUTPUT="json")
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    # One driver for all: it keeps the models that it has read.
                    self.driver = self.driver or create_clidriver()
                    code = self.driver.main(["--endpoint-url", self.url, "--region", self.region, *words])
                except SystemExit as end:
                    code = end.code
        finally:
            os.environ.clear()
            os.environ.update(before)
        if code:
            said = re.search(r"An error occurred \((\S+)\) when calling the \w+ operation[^:]*: (.*)", err.getvalue())
            raise Failed(*said.groups()) if said else RuntimeError(f"aws {words} ended with {code}: {err.getvalue()}")
        return out.buffer.getvalue().decode()

    def call(self, service, operation, **given):
        words = [self.COMMANDS.get(service, service), re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", operation).lower()]
        body, folder = given.pop("Body", None), tempfile.mkdtemp()
        if body is not None:
            path = os.path.join(folder, "body")
            with open(path, "wb") as file:
                file.write(body)
            words += ["--body", path]
        out = os.path.join(folder, "out")
        if operation == "GetObject":
            # Its file has no place among the parameters, and so nothing else has.
            self.run(*words, "--bucket", given["Bucket"], "--key", given["Key"], out)
            with open(out, "rb") as file:
                return {"Body": file.read()}
        # A blob in a file of parameters is base64 for version 2, and the text itself for version 1.
        blob = (lambda data: base64.b64encode(data).decode()) if self.kind == "v2" else bytes.decode
        words += ["--cli-input-json", json.dumps(given, default=blob)]
        # The CLI would make pages of its own.
        one_page = ["--no-paginate"] if operation.startswith("List") else []
        printed = self.run(*words, *one_page)
        return json.loads(printed) if printed.strip() else {}

    def as_session(self, credentials):
        names = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey"}
        given = {name: credentials[field] for name, field in names.items()}
        return Cli(self.kind, self.url, self.region, {**given, "AWS_SESSION_TOKEN": credentials["SessionToken"]})
