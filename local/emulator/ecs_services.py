"""AWS::ECS::Service as in CloudFormation: all that a template says of a service is what ECS has of it."""

import json

from ministack.services import ecs
from ministack.services.cloudformation import provisioners

TYPE = "AWS::ECS::Service"
# MiniStack's own handler passes half of them to CreateService.
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
# What MiniStack's UpdateService forgets.
FORGOTTEN = ("availabilityZoneRebalancing", "enableECSManagedTags", "propagateTags", "serviceRegistries")


def in_ecs_spelling(name):
    return name[0].lower() + name[1:]


def request_of(props, names=PROPERTIES):
    return {in_ecs_spelling(name): provisioners._pascal_to_camel(props[name]) for name in names if name in props}


def service_of(response):
    """The service in ECS's answer; its error fails the resource."""
    status, _, body = response
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"Invalid request provided: {answer['message']} (Service: Ecs, {answer['__type']})")
    return answer["service"]


def identity(service):
    return service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}


def create(logical_id, props, stack_name):
    name = f"{stack_name}-{logical_id}"
    return identity(service_of(ecs._create_service({"serviceName": name, **request_of(props)})))


def update(physical_id, old_props, new_props, stack_name):
    """
    Of what changed; a property that is no longer in the template stays as it is, by the type's reference. The count is
    sent whenever the template has one, so that an update of anything else resets it.
    """
    changed = [name for name in PROPERTIES if name != "Tags" and old_props.get(name) != new_props.get(name)]
    request = request_of(new_props, {*changed, "DesiredCount"})
    cluster = new_props.get("Cluster", "default")
    service = service_of(ecs._update_service({**request, "cluster": cluster, "service": physical_id}))
    tags = ecs._tags.setdefault(physical_id, [])
    provisioners._reconcile_tag_list(tags, old_props, new_props, key="key", value="value")
    return identity(service)


def record_of(response):
    """MiniStack's own record of the service in its answer."""
    service = json.loads(response[2])["service"]
    return ecs._services[f"{service['clusterArn'].rsplit('/', 1)[-1]}/{service['serviceName']}"]


def answered(record):
    return ecs.json_response({"service": ecs._sanitize(record)})


def create_service(request, created=ecs._create_service):
    response = created(request)
    if response[0] >= 400:
        return response
    # "For create service requests, when no value is specified [...] Amazon ECS defaults the value to ENABLED."
    rebalancing = request.get("availabilityZoneRebalancing", "ENABLED")
    service = record_of(response)
    service["availabilityZoneRebalancing"] = rebalancing
    return answered(service)


def update_service(request, updated=ecs._update_service):
    response = updated(request)
    if response[0] >= 400:
        return response
    service = record_of(response)
    service.update({name: request[name] for name in FORGOTTEN if name in request})
    return answered(service)


def install():
    ecs._create_service = ecs._ACTION_MAP["CreateService"] = create_service
    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = update_service
    provisioners._RESOURCE_HANDLERS[TYPE] = {
        "create": create,
        "update": update,
        "delete": provisioners._ecs_service_delete,
    }
