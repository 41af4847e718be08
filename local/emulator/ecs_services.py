"""
AWS::ECS::Service as in CloudFormation: ECS gets every property of the template, and an update changes the service,
starts a deployment of it, or replaces it, as AWS does.
"""

import json

from ministack.core.responses import error_response_json
from ministack.services import ecs
from ministack.services.cloudformation import provisioners

TYPE = "AWS::ECS::Service"
# Properties that are members of the ECS requests; MiniStack's own handlers pass only half of them.
PROPERTIES = (
    "AvailabilityZoneRebalancing",
    "CapacityProviderStrategy",
    "Cluster",
    "DeploymentConfiguration",
    "DeploymentController",
    "DesiredCount",
    "EnableECSManagedTags",
    "EnableExecuteCommand",
    "HealthCheckGracePeriodSeconds",
    "LaunchType",
    "LoadBalancers",
    "NetworkConfiguration",
    "PlatformVersion",
    "PropagateTags",
    "Role",
    "SchedulingStrategy",
    "ServiceName",
    "ServiceRegistries",
    "Tags",
    "TaskDefinition",
)
# createOnlyProperties in the type's schema. LaunchType is in conditionalCreateOnlyProperties, but the condition is not
# documented. We assume that it always holds: that is the worse case, and what users saw when they added a strategy.
CREATE_ONLY = ("Cluster", "LaunchType", "Role", "SchedulingStrategy", "ServiceName")
# "This parameter triggers a new service deployment", says UpdateService's reference of these, besides the task definition,
# and of no other.
START_DEPLOYMENT = ("loadBalancers", "networkConfiguration", "platformVersion", "serviceRegistries")
# What MiniStack's UpdateService ignores.
FORGOTTEN = ("availabilityZoneRebalancing", "enableECSManagedTags", "propagateTags", "serviceRegistries")
# ECS's answers to a changed strategy.
MUST_FORCE = (
    "When switching from launch type to capacity provider strategy on an existing service, or making a change to a "
    "capacity provider strategy on a service that is already using one, you must force a new deployment."
)
NO_FALLBACK = (
    "No launch type to fall back to for empty capacity provider strategy. Your service was not created with a launch type."
)


def create(logical_id, props, stack_name):
    # A replacement exists next to the old service for a while, so it needs a name of its own.
    seed = provisioners._NAME_SEED.get()
    name = provisioners._physical_name(stack_name, logical_id) if seed else f"{stack_name}-{logical_id}"
    return identity(service_of(ecs._create_service({"serviceName": name, **request_of(props)})))


def update(physical_id, old_props, new_props, stack_name):
    """
    Sends what changed. A property that is no longer in the template stays as it is; the count is sent whenever the template
    has one, so that an update of anything else resets it: "if a desired count is not specified, it is omitted".
    """
    changed = {name for name in new_props if old_props.get(name) != new_props[name]}
    request = request_of(new_props, changed & {*PROPERTIES} - {"Tags"} | {"DesiredCount"})
    request.update(cluster=new_props.get("Cluster", "default"), service=physical_id)
    if changed & {"CapacityProviderStrategy", "ForceNewDeployment"}:
        # "CFN automatically initiates a new deployment when it detects a parameter change", of the strategy, in the
        # type's description.
        forced = new_props.get("ForceNewDeployment", {}).get("EnableForceNewDeployment")
        request["forceNewDeployment"] = "CapacityProviderStrategy" in changed or str(forced).lower() == "true"
    service = service_of(ecs._update_service(request))
    tags = ecs._tags.setdefault(physical_id, [])
    provisioners._reconcile_tag_list(tags, old_props, new_props, key="key", value="value")
    return identity(service)


def request_of(props, names=PROPERTIES):
    return {name[0].lower() + name[1:]: provisioners._pascal_to_camel(props[name]) for name in names if name in props}


def service_of(response):
    """Returns the service from ECS's answer; an error fails the resource."""
    status, _, body = response
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"Invalid request provided: {answer['message']} (Service: Ecs, {answer['__type']})")
    return answer["service"]


def identity(service):
    return service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}


def create_service(request, created=ecs._create_service):
    response = created(request)
    if response[0] >= 400:
        return response
    service = record_of(response)
    # "When no value is specified for AvailabilityZoneRebalancing, Amazon ECS defaults the value to ENABLED."
    service["availabilityZoneRebalancing"] = request.get("availabilityZoneRebalancing", "ENABLED")
    return answered(service)


def update_service(request, updated=ecs._update_service):
    before = find(request) or {}
    refused = strategy_refused(request, before)
    if refused:
        return error_response_json("InvalidParameterException", refused, 400)
    if any(name in request and request[name] != before.get(name) for name in START_DEPLOYMENT):
        request = {**request, "forceNewDeployment": True}
    if request.get("capacityProviderStrategy") == [] and not before.get("launchType"):
        request = {**request, "capacityProviderStrategy": default_strategy(before)}
    response = updated(request)
    if response[0] >= 400:
        return response
    service = record_of(response)
    service.update({name: request[name] for name in FORGOTTEN if name in request})
    # MiniStack gives the new deployment the service's old settings.
    capacity = {name: service.get(name) for name in ("capacityProviderStrategy", "launchType")}
    service["deployments"][0].update(capacity)
    return answered(service)


def strategy_refused(request, service):
    """Returns why ECS would reject the request's strategy, or None."""
    strategy = request.get("capacityProviderStrategy")
    if not service or strategy is None or shares(strategy) == shares(service.get("capacityProviderStrategy")):
        return None
    if not request.get("forceNewDeployment"):
        return MUST_FORCE
    return None if strategy or service.get("launchType") or default_strategy(service) else NO_FALLBACK


def shares(strategy):
    return [(each["capacityProvider"], each.get("base", 0), each.get("weight", 0)) for each in strategy or []]


def default_strategy(service):
    cluster = ecs._clusters.get(service.get("clusterArn", "").rsplit("/", 1)[-1], {})
    return cluster.get("defaultCapacityProviderStrategy") or []


def find(request):
    """Returns MiniStack's record of the service that a request names."""
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    name = request.get("service", "").rsplit("/", 1)[-1]
    return ecs._services.get(f"{cluster}/{name}")


def record_of(response):
    service = json.loads(response[2])["service"]
    return find({"cluster": service["clusterArn"], "service": service["serviceArn"]})


def answered(service):
    return ecs.json_response({"service": ecs._sanitize(service)})


def install():
    ecs._create_service = ecs._ACTION_MAP["CreateService"] = create_service
    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = update_service
    provisioners._RESOURCE_HANDLERS[TYPE] = {
        "create": create,
        "update": update,
        "delete": provisioners._ecs_service_delete,
    }
    provisioners._REPLACING_PROPERTIES[TYPE] = CREATE_ONLY
    # "The stack update fails if you change any properties that require replacement and the ServiceName is configured."
    provisioners._CUSTOM_NAME_REPLACEMENT[TYPE] = {"name": "ServiceName"}
