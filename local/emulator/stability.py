"""
CloudFormation waits until a service that it created or updated is stable. If that takes too long, it rolls back the whole
stack, which waits for the service again. Without CLOUDFORMATION_STABILIZATION_SECONDS nothing waits here, so that a stack is
up at once. On AWS the limit is hours: for years users reported three; the type's schema now says 36 ("timeoutInMinutes" of the
handlers).

CloudFormation deletes a service by force and continues when the last of its tasks has stopped; what those tasks need stays
until then.

The ECS endpoint in AWS_ENDPOINT_URL_ECS is asked, because that is where the tasks are real.
"""

import json
import os
import time
import urllib.request

import ecs_services
from ministack.services.cloudformation import provisioners, stacks

EVERY_SECONDS = 0.25
BREAKER = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."


def stabilized(handler, seconds):
    def and_wait(*args):
        identity = handler(*args)
        wait_until_stable(identity[0], time.monotonic() + seconds)
        return identity

    return and_wait


def created(create, seconds):
    """Deletes a service that did not become stable; the engine deletes only what was created."""

    def or_deleted(logical_id, props, stack_name):
        identity = create(logical_id, props, stack_name)
        try:
            wait_until_stable(identity[0], time.monotonic() + seconds)
        except Exception:
            provisioners._delete_resource(ecs_services.TYPE, identity[0], props)
            raise
        return identity

    return or_deleted


def deleted(delete):
    def and_gone(arn, props):
        delete(arn, props)
        while "AWS_ENDPOINT_URL_ECS" in os.environ and describe(arn).get("status") == "DRAINING":
            time.sleep(EVERY_SECONDS)

    return and_gone


def wait_until_stable(arn, deadline):
    deployment = primary(describe(arn))["id"]
    while True:
        service = describe(arn)
        if any(f"(deployment {deployment}) deployment failed" in each["message"] for each in service["events"]):
            raise ValueError(f'Resource handler returned message: "{BREAKER}"')
        if is_stable(service):
            return
        if time.monotonic() > deadline:
            raise ValueError(f"Service {arn} did not stabilize. (HandlerErrorCode: NotStabilized)")
        time.sleep(EVERY_SECONDS)


def is_stable(service):
    """Like ECS's waiter `services-stable`: one deployment, with all desired tasks running."""
    is_alone = len(service["deployments"]) == 1 and primary(service)["rolloutState"] == "COMPLETED"
    return is_alone and service["runningCount"] == service["desiredCount"]


def primary(service):
    return next(each for each in service["deployments"] if each["status"] == "PRIMARY")


def describe(arn):
    _, cluster, _ = arn.rsplit("/", 2)
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL_ECS"],
        data=json.dumps({"cluster": cluster, "services": [arn]}).encode(),
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AmazonEC2ContainerServiceV20141113.DescribeServices",
            "authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{arn.split(':')[3]}/ecs/aws4_request, "
            "SignedHeaders=host, Signature=none",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return next(iter(json.load(response)["services"]), {})


def install():
    handlers = provisioners._RESOURCE_HANDLERS[ecs_services.TYPE]
    handlers["delete"] = deleted(handlers["delete"])
    # Waiting must not block other requests, which include those to this endpoint.
    stacks._runs_on_worker_thread = with_services(stacks._runs_on_worker_thread)
    seconds = float(os.environ.get("CLOUDFORMATION_STABILIZATION_SECONDS", 0))
    if seconds == 0:
        return
    handlers["create"] = created(handlers["create"], seconds)
    handlers["update"] = stabilized(handlers["update"], seconds)
    # An update that did not become stable has still been made, so a rollback must undo it.
    stacks._sends_back_failed_update = with_services(stacks._sends_back_failed_update)


def with_services(applies):
    return lambda resource_type: resource_type == ecs_services.TYPE or applies(resource_type)
