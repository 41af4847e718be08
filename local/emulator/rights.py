"""
Enforces IAM: the access key shows who calls, and a call that no policy allows is refused. MiniStack does this under
AUTH=true and lets root's keys ("test") do everything. This module adds what MiniStack does not know about the calls made
here: policy variables, and the resources and condition keys in requested.py. What AWS itself does in a role's name is judged
too (services_in_roles.py). A call that cannot be named is refused.

Each distinct call is written once to the file in ELASTIC_WORKERS_REQUEST_LOG.

An ECS call with the header X-Elastic-Workers-Judge is judged but not made: local Fargate asks this way before it answers a
call itself. The header's JSON may name another caller, by access key or role, and another call: its action, resource and
condition keys.
"""

import contextvars
import json
import re
from dataclasses import dataclass

import request_log
import requested
import services_in_roles
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

JUDGE = "x-elastic-workers-judge"
JUDGED = 200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"


@dataclass
class Request:
    """The request that is being answered."""

    service: str
    headers: dict
    body: bytes
    params: dict
    judge: dict | None
    refused_resource: str = ""


current: contextvars.ContextVar[Request | None] = contextvars.ContextVar("current", default=None)


def extract_iam_action(service, method, path, headers, body, params, extract=iam_actions.extract_iam_action):
    judge = json.loads(headers[JUDGE]) if JUDGE in headers else None
    current.set(Request(service, headers, body, params, judge))
    action = (judge or {}).get("action") or extract(service, method, path, headers, body, params)
    key = app.extract_access_key_id(headers, params)
    return action or (None if iam_evaluator.is_root_access_key(key) else f"{service}:Unknown")


def enforce(key, action, service, region, resource_arn="*", service_context=None, judge=iam_evaluator.enforce):
    """Returns None if the call is allowed on all of its resources, or the first refusal."""
    request = current.get()
    if request is None or request.service != service:
        return judge(key, action, service, region, resource_arn, service_context)
    said = request.judge or {}
    key = said.get("as", key)
    if key.startswith("arn:"):
        services_in_roles.session_of(key)
    calls = requested.calls(action, request.body, request.params, region, get_account_id()) or [(resource_arn, {})]
    if "resource" in said:
        calls = [(said["resource"], said.get("context", {}))]
    for resource, keys in calls:
        context = {**(service_context or {}), **keys}
        refusal = judge(key, action, service, region, resource, context)
        if not isinstance(refusal, iam_evaluator.AuthError):
            request_log.write(key, action, resource, context)
        if refusal:
            request.refused_resource = resource
            return refusal
    return None


def resolve_principal(key, account, credential=None, resolve=iam_evaluator.resolve_principal):
    """The CDK's own roles count as root: their policies deny requests without TLS, and here none has TLS."""
    principal = resolve(key, account, credential)
    if not isinstance(principal, iam_evaluator.AuthError) and ":assumed-role/cdk-" in principal.arn:
        principal.policies = None
    return principal


def access_denied_response(service, action, principal, request_id, respond=iam_actions.access_denied_response, **more):
    """The refusal in AWS's words, which name the resource."""
    request = current.get()
    if request and request.refused_resource and not more.get("message") and not more.get("error_code"):
        explicit = more.get("explicit_deny", False)
        more["message"] = iam_actions.identity_denial_message(action, principal, request.refused_resource, explicit)
        more["resource_arn"] = request.refused_resource
    return respond(service, action, principal, request_id, **more)


def conditions_met(conditions, context, met=iam_evaluator._conditions_met):
    return met(json.loads(with_variables(json.dumps(conditions), context)), context)


def with_variables(policy, context):
    """Replaces `${aws:userid}` and similar variables; one without a value stays as it is and matches nothing."""

    def value(variable):
        found = iam_evaluator._resolve_condition_key(variable[1], context)
        return json.dumps(found)[1:-1] if isinstance(found, str) else variable[0]

    return re.sub(r"\$\{([\w:/-]+)\}", value, policy)


def only_judged(handler):
    async def handle(method, path, headers, body, params):
        return JUDGED if JUDGE in headers else await handler(method, path, headers, body, params)

    return handle


def install():
    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.access_denied_response = access_denied_response
    iam_evaluator.enforce = enforce
    iam_evaluator.resolve_principal = resolve_principal
    iam_evaluator._conditions_met = conditions_met
    app.SERVICE_HANDLERS["ecs"] = only_judged(app.SERVICE_HANDLERS["ecs"])
    services_in_roles.install()
