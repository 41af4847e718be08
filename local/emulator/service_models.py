"""
Refuses requests that AWS's public service models do not allow: a member is missing, unknown, of the wrong type, too long,
too short or out of range, does not match its pattern, or is not one of an enum's values. MiniStack ignores most of this.

It checks every service that the scaler, the workers and the command line call; all except Bedrock speak AWS JSON. Requests of
the CDK's command line, and those that CloudFormation makes inside MiniStack, are not checked.
"""

import base64
import binascii
import json
import logging
import os
import re
from functools import cache

from botocore.loaders import Loader
from botocore.model import ServiceModel
from ministack import app
from ministack.core.responses import error_response_json

# Services by the first part of a request's X-Amz-Target.
SERVICES = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AmazonSSM": "ssm",
    "DynamoDB_20120810": "dynamodb",
    "GraniteServiceVersion20100801": "cloudwatch",
    "Logs_20140328": "logs",
    "ServiceQuotasV20190624": "service-quotas",
    "secretsmanager": "secretsmanager",
    # A REST service. Test endpoints answer it and ask for the check, with path members moved into the body.
    "bedrock-runtime": "bedrock-runtime",
}
# Services that only the CDK's command line, people and tests call, by the name in a request's signature.
UNCHECKED = {"cloudformation", "ec2", "ecr", "iam", "lambda", "s3", "scheduler", "sts"}
SIGNED_FOR = re.compile(r"Credential=[^/]*/[^/]*/[^/]*/([^/]*)/aws4_request")
# Checks a request that an endpoint of a test has answered.
CHECK_ONLY = "/_elastic-workers/check"
# Each refusal is appended here as a line, so that a test fails even if the sender treats the refusal as an outage.
REFUSED_FILE = os.environ.get("REFUSED_REQUESTS_FILE")

NUMBER = (int, float)
TYPES = {
    "blob": str,
    "boolean": bool,
    "character": str,
    "double": NUMBER,
    "float": NUMBER,
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
    "timestamp": NUMBER,
}
# Java's character classes as Python writes them; wider where Python has no equivalent.
CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\w", r"\p{Z}": r"\s", r"\p{M}": "", r"\p{P}": r"!-/:-@\[-`{-~", r"\p{Print}": "."}


def refusal(headers, body):
    """Returns the error for a request that the service's model does not allow, or None."""
    prefix, _, operation = headers.get("x-amz-target", "").partition(".")
    service = SERVICES.get(prefix)
    if service is None:
        report_unchecked(headers)
        return None
    problems = problems_of(service, operation, inflated(body, headers))
    if not problems:
        return None
    message = f"{service} {operation}: {'; '.join(problems)}"
    report(message)
    return error_response_json("ValidationException", f"AWS's service model refuses {message}")


def inflated(body, headers):
    # SDKs compress bodies over 10 KB. MiniStack removes the header, and then would not decompress the body.
    return app._decompress_request_body(body, dict(headers))


def report_unchecked(headers):
    """Requests to a service that is not in SERVICES, or in an unknown protocol, are answered, but reported."""
    signed = SIGNED_FOR.search(headers.get("authorization", ""))
    if signed and signed[1] not in UNCHECKED:
        report(f"{signed[1]}: not checked against a service model; see {os.path.basename(__file__)}")


def report(message):
    logging.error("service models: %s", message)
    if REFUSED_FILE:
        with open(REFUSED_FILE, "a", encoding="utf-8") as file:
            file.write(f"{message}\n")


def problems_of(service, operation, body):
    model = model_of(service)
    if operation not in model.operation_names:
        return ["the service has no such operation"]
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        return [f"the body is not JSON: {error}"]
    shape = model.operation_model(operation).input_shape
    return list(check(request, shape, "the request")) if shape else []


@cache
def model_of(service):
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def check(value, shape, where):
    """Yields the problems of a value and of everything inside it."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where} is {shown(value, shape)}, expected a {kind}"
        return
    yield from check_size(value, shape, where)
    if kind in CHECKS:
        yield from CHECKS[kind](value, shape, where)


def check_size(value, shape, where):
    what, size = ("value", value) if isinstance(value, NUMBER) else ("length", length_of(value, shape))
    least, most = shape.metadata.get("min", size), shape.metadata.get("max", size)
    if size < least:
        yield f"{where} is {shown(value, shape)}, expected a {what} of at least {least}"
    if size > most:
        yield f"{where} is {shown(value, shape)}, expected a {what} of at most {most}"


def length_of(value, shape):
    # The length of the bytes, without decoding the base64.
    return len(value.rstrip("=")) * 3 // 4 if shape.type_name == "blob" else len(value)


def check_structure(value, shape, where):
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for name in shape.required_members:
        if name not in value:
            yield f"{where} has no {name}, which is required"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{where} has the members {', '.join(value) or 'none'}, expected exactly one"
    for name, each in value.items():
        if name in members:
            yield from check(each, members[name], within(where, name))
        else:
            yield f"{where} has the member {name}, which is none of {', '.join(members)}"


def check_list(value, shape, where):
    for index, each in enumerate(value):
        yield from check(each, shape.member, f"{where}[{index}]")


def check_map(value, shape, where):
    for key, each in value.items():
        yield from check(key, shape.key, f"key {key} of {where}")
        yield from check(each, shape.value, within(where, key))


def check_string(value, shape, where):
    if shape.enum and value not in shape.enum:
        yield f"{where} is {shown(value, shape)}, expected one of {', '.join(shape.enum)}"
    pattern = shape.metadata.get("pattern", "(?s).*")
    if (regex := compiled(pattern)) and not regex.fullmatch(value):
        yield f"{where} is {shown(value, shape)}, expected to match {pattern}"


@cache
def compiled(pattern):
    """AWS writes patterns for Java and matches the whole value. None if Python cannot compile it."""
    for java, python in CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def check_blob(value, shape, where):
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        yield f"{where} is not base64"


CHECKS = {
    "blob": check_blob,
    "list": check_list,
    "map": check_map,
    "string": check_string,
    "structure": check_structure,
}


def within(where, name):
    return name if where == "the request" else f"{where}.{name}"


def shown(value, shape):
    if shape.metadata.get("sensitive"):
        return "a secret"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def install(dispatch=app._dispatch_service_request):
    async def checked(method, path, headers, body, *others):
        refused = refusal(headers, body)
        if refused:
            return refused
        return (204, {}, b"") if path == CHECK_ONLY else await dispatch(method, path, headers, body, *others)

    app._dispatch_service_request = checked
