"""Holds what a service answers against botocore's model of the service.

`Recorder` is a proxy between a client and the endpoint: it passes everything on as it is and looks at each answer. Which
operation a request is, is found in the models alone: by the scope of its signature, its target, its action, or its method,
path and query.
"""

import base64
import http.client
import json
import re
import threading
import urllib.parse
import xml.etree.ElementTree as xml
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.session

# What signatures call services; the second was IoT's name until 2023.
SERVICES = {"greengrass": "greengrassv2", "execute-api": "iot"}
# What every service may answer besides the errors of its model.
COMMON = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "SignatureDoesNotMatch", "UnrecognizedClientException", "ValidationError",
    "ValidationException", "UnknownOperationException", "SerializationException", "403", "404",
    # S3's model names few of its errors.
    "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchUpload", "NoSuchTagSet", "BucketNotEmpty", "EntityTooSmall",
}


class Models:
    def __init__(self):
        self.session = botocore.session.Session()
        self.known = {}

    def service(self, name):
        if name not in self.known:
            self.known[name] = self.session.get_service_model(name)
        return self.known[name]

    def operation(self, method, path, headers, body):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)
        scope = re.search(r"Credential=([^,]+)", headers.get("Authorization", ""))
        scope = scope.group(1) if scope else query["X-Amz-Credential"][0]
        signed = scope.split("/")[3]
        model = self.service(SERVICES.get(signed, signed))
        if "X-Amz-Target" in headers:
            return model.operation_model(headers["X-Amz-Target"].split(".")[-1])
        if model.protocol == "query":
            return model.operation_model(urllib.parse.parse_qs(body.decode())["Action"][0])
        return self.by_path(model, method, urllib.parse.urlsplit(path).path, query, headers)

    def by_path(self, model, method, path, query, headers):
        best = None
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.http["method"] != method:
                continue
            template, _, constants = operation.http["requestUri"].partition("?")
            pattern = re.sub(r"\\\{(\w+)\\\}", r"[^/]+", re.sub(r"\\\{(\w+)\\\+\\\}", r".+", re.escape(template)))
            if not re.fullmatch(pattern + "/?", path):
                continue
            needs = [pair.split("=")[0] for pair in constants.split("&") if pair]
            shape = operation.input_shape
            for member in shape.required_members if shape else []:
                where = shape.members[member].serialization
                if where.get("location") == "querystring":
                    needs.append(where["name"])
                if where.get("location") == "header" and where["name"].lower() not in headers:
                    needs.append(None)
            labels = template.count("{")
            if all(need in query for need in needs) and (best is None or (len(needs), -labels) > best[0]):
                best = ((len(needs), -labels), operation)
        assert best, f"no operation of {model.service_name} is {method} {path}"
        return best[1]


class Checker:
    """What is wrong with one answer."""

    def __init__(self, operation):
        self.operation = operation
        self.protocol = operation.service_model.protocol
        self.problems = []

    def answer(self, status, headers, body):
        if status >= 300:
            self.error(status, headers, body)
        elif self.operation.output_shape is not None:
            self.success(self.operation.output_shape, headers, body)
        return self.problems

    def wrong(self, path, what):
        self.problems.append(f"{self.operation.name}: {path}: {what}")

    def success(self, shape, headers, body):
        inside, payload = {}, shape.serialization.get("payload")
        for name, member in shape.members.items():
            where = member.serialization.get("location")
            if where == "header" and name in shape.required_members and member.serialization["name"] not in headers:
                self.wrong(name, "the header is missing")
            if where is None and name != payload:
                inside[name] = member
        if payload and shape.members[payload].type_name in ("blob", "string"):
            return
        if payload:
            shape, inside = shape.members[payload], None
        if not body.strip():
            if any(name in shape.required_members for name in inside or {}):
                self.wrong("", "the body is empty")
            return
        if self.protocol in ("json", "rest-json"):
            self.walk(shape, json.loads(body), "", inside)
            return
        root = without_namespace(xml.fromstring(body))
        if self.protocol == "query":
            wrapper = shape.serialization.get("resultWrapper")
            root = root.find(wrapper) if wrapper else root
            if root is None:
                return self.wrong(wrapper, "the result is missing")
        self.walk_xml(shape, root, "", inside)

    def error(self, status, headers, body):
        code = headers.get("x-amzn-ErrorType", "").split(":")[0]
        if not code and self.protocol in ("json", "rest-json"):
            code = json.loads(body).get("__type", "").split("#")[-1]
        if not code and body.strip():
            code = without_namespace(xml.fromstring(body)).findtext(".//Code") or ""
        code = code or str(status)
        modelled = {shape.error_code: shape for shape in self.operation.error_shapes}
        if code in modelled and self.protocol in ("json", "rest-json"):
            members = {key: value for key, value in json.loads(body).items() if key != "__type"}
            # The member of every error's text is called in two ways.
            members = {("message" if key.lower() == "message" else key): value for key, value in members.items()}
            shape = modelled[code]
            names = {name: ("message" if name.lower() == "message" else name) for name in shape.members}
            self.walk(shape, members, code, {names[name]: member for name, member in shape.members.items()}, names)
        elif code not in modelled and code not in COMMON:
            self.wrong(code, f"{status} is no error of the model ({', '.join(sorted(modelled))})")

    def walk(self, shape, value, path, members=None, names=None):
        kind = shape.type_name
        if kind == "structure":
            if not isinstance(value, dict):
                return self.wrong(path, f"{value!r} is no structure")
            members = shape.members if members is None else members
            wire = {member.serialization.get("name", name): (name, member) for name, member in members.items()}
            for key in value.keys() - wire.keys():
                self.wrong(f"{path}.{key}", "the model has no such member")
            required = [(names or {}).get(name, name) for name in shape.required_members]
            for key, (name, member) in wire.items():
                if value.get(key) is not None:
                    self.walk(member, value[key], f"{path}.{key}")
                elif name in required:
                    self.wrong(f"{path}.{key}", "it is required")
        elif kind == "list":
            if not isinstance(value, list):
                return self.wrong(path, f"{value!r} is no list")
            for index, one in enumerate(value):
                self.walk(shape.member, one, f"{path}[{index}]")
        elif kind == "map":
            if not isinstance(value, dict):
                return self.wrong(path, f"{value!r} is no map")
            for key, one in value.items():
                self.walk(shape.value, one, f"{path}[{key}]")
        else:
            self.scalar(shape, value, path)

    def scalar(self, shape, value, path):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and number,
            "long": isinstance(value, int) and number,
            "float": number,
            "double": number,
            "timestamp": number or isinstance(value, str),
            "blob": isinstance(value, str) and is_base64(value),
        }[shape.type_name]
        if not fits:
            self.wrong(path, f"{value!r} is no {shape.type_name}")
        elif shape.type_name == "string":
            self.text(shape, value, path)

    def text(self, shape, value, path):
        if getattr(shape, "enum", None) and value not in shape.enum:
            self.wrong(path, f"{value!r} is none of {shape.enum}")
        if len(value) < shape.metadata.get("min", 0):
            self.wrong(path, f"{value!r} is too short")

    def walk_xml(self, shape, element, path, members=None):
        kind = shape.type_name
        if kind == "structure":
            members = shape.members if members is None else members
            wire = {}
            for name, member in members.items():
                if member.serialization.get("xmlAttribute"):
                    continue
                own = member.serialization.get("name", name)
                if member.type_name == "list" and member.serialization.get("flattened"):
                    own = member.serialization.get("name") or member.member.serialization.get("name", name)
                wire[own] = (name, member)
            for child in element:
                if child.tag not in wire:
                    self.wrong(f"{path}.{child.tag}", "the model has no such member")
            for tag, (name, member) in wire.items():
                found = element.findall(tag)
                if not found:
                    # An empty list has no element.
                    if name in shape.required_members and member.type_name not in ("list", "map"):
                        self.wrong(f"{path}.{tag}", "it is required")
                elif member.type_name == "list" and member.serialization.get("flattened"):
                    for one in found:
                        self.walk_xml(member.member, one, f"{path}.{tag}")
                else:
                    self.walk_xml(member, found[0], f"{path}.{tag}")
        elif kind == "list":
            tag = shape.member.serialization.get("name", "member")
            for child in element:
                if child.tag != tag:
                    self.wrong(f"{path}.{child.tag}", f"members are called {tag}")
                self.walk_xml(shape.member, child, f"{path}[]")
        elif kind in ("integer", "long"):
            if not re.fullmatch(r"-?\d+", element.text or ""):
                self.wrong(path, f"{element.text!r} is no {kind}")
        elif kind == "boolean":
            if element.text not in ("true", "false"):
                self.wrong(path, f"{element.text!r} is no boolean")
        elif kind == "timestamp":
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", element.text or ""):
                self.wrong(path, f"{element.text!r} is no time")
        elif kind == "string" and element.text:
            self.text(shape, element.text, path)


def without_namespace(root):
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
    return root


def is_base64(text):
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


class Recorder:
    """A proxy to the endpoint that holds each answer against the models."""

    def __init__(self, endpoint):
        self.target = urllib.parse.urlsplit(endpoint)
        self.models = Models()
        self.operations = set()
        self.problems = []
        self.lock = threading.Lock()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                recorder.pass_on(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def pass_on(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=60)
        connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        self.check(handler, body, answer, content)
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        connection.close()

    def check(self, handler, body, answer, content):
        try:
            operation = self.models.operation(handler.command, handler.path, handler.headers, body)
            problems = Checker(operation).answer(answer.status, answer.headers, content)
        except Exception as error:  # A proxy that dies would look like a fault of the endpoint.
            problems = [f"{handler.command} {handler.path}: {error!r}: {content[:300]!r}"]
            operation = None
        with self.lock:
            self.problems.extend(problems)
            if operation is not None:
                self.operations.add(f"{operation.service_model.service_name}.{operation.name}")
