"""
Capacity providers as in ECS: a cluster has those that were associated with it, and a strategy may name no others.
MiniStack accepts any name and does not have AWS::ECS::ClusterCapacityProviderAssociations.
"""

from ministack.core.responses import error_response_json
from ministack.services import ecs
from ministack.services.cloudformation import provisioners

TYPE = "AWS::ECS::ClusterCapacityProviderAssociations"
# Both messages as ECS words them; the first is for a name that no provider has.
NOT_FOUND = "The specified capacity provider was not found. Specify a valid capacity provider and try again."
NOT_ASSOCIATED = (
    "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the "
    "cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and try again."
)
IN_USE = "The specified capacity provider is in use and cannot be removed."
ASSOCIATED = ("CapacityProviders", "DefaultCapacityProviderStrategy")


def strategy_error(request, cluster):
    """Returns ECS's error for a strategy whose providers the cluster lacks, or None."""
    names = {item["capacityProvider"] for item in request.get("capacityProviderStrategy") or []}
    if names - {*ecs._FARGATE_PROVIDERS, *ecs._capacity_providers}:
        return invalid(NOT_FOUND)
    if names - set((cluster or {}).get("capacityProviders") or []):
        return invalid(NOT_ASSOCIATED)
    return None


def invalid(message):
    return error_response_json("InvalidParameterException", message, 400)


def checked(operation):
    """CreateService or UpdateService: "A capacity provider must be associated with the cluster to be used"."""

    def with_check(request):
        cluster = ecs._clusters.get(ecs._resolve_cluster_name(request.get("cluster", "default")))
        return strategy_error(request, cluster) or operation(request)

    return with_check


def put_cluster_capacity_providers(request, put=ecs._put_cluster_capacity_providers):
    """ "You can only disassociate an existing capacity provider from a cluster if it's not being used"."""
    cluster = ecs._clusters.get(ecs._resolve_cluster_name(request.get("cluster", "default")))
    kept = set(request.get("capacityProviders") or [])
    if cluster and providers_in_use(cluster) & set(cluster["capacityProviders"]) - kept:
        return error_response_json("ResourceInUseException", IN_USE, 400)
    return put(request)


def providers_in_use(cluster):
    return {
        item["capacityProvider"]
        for service in ecs._services.values()
        if service["clusterArn"] == cluster["clusterArn"] and service["status"] == "ACTIVE"
        for item in service.get("capacityProviderStrategy") or []
    }


def create(logical_id, props, stack_name):
    associate(props["Cluster"], props)
    return props["Cluster"], {}


def update(physical_id, old_props, new_props, stack_name):
    associate(physical_id, new_props)
    return physical_id, {}


def delete(physical_id, props):
    # The cluster may be gone already if another stack owned it.
    if ecs._resolve_cluster_name(physical_id) in ecs._clusters:
        associate(physical_id, {})


def associate(cluster, props):
    request = {"cluster": cluster}
    for name in ASSOCIATED:
        request[name[0].lower() + name[1:]] = provisioners._pascal_to_camel(props.get(name) or [])
    status, _, body = ecs._ACTION_MAP["PutClusterCapacityProviders"](request)
    if status >= 400:
        raise ValueError(f"{TYPE}: {body!r}")


def update_cluster(physical_id, old_props, new_props, *args):
    """Whenever the cluster's template changes, MiniStack's own handler drops what another resource has associated."""
    cluster = ecs._clusters.get(physical_id)
    before = dict(cluster) if cluster else None
    updated = provisioners._ecs_cluster_update(physical_id, old_props, new_props, *args)
    if before and all(old_props.get(name) == new_props.get(name) for name in ASSOCIATED):
        for name in ("capacityProviders", "defaultCapacityProviderStrategy"):
            cluster[name] = before[name]
    return updated


def install():
    ecs._create_service = ecs._ACTION_MAP["CreateService"] = checked(ecs._create_service)
    ecs._update_service = ecs._ACTION_MAP["UpdateService"] = checked(ecs._update_service)
    ecs._ACTION_MAP["PutClusterCapacityProviders"] = put_cluster_capacity_providers
    handlers = provisioners._RESOURCE_HANDLERS
    handlers[TYPE] = {"create": create, "update": update, "delete": delete}
    handlers["AWS::ECS::Cluster"]["update"] = update_cluster
    # createOnlyProperties of the type's schema.
    provisioners._REPLACING_PROPERTIES[TYPE] = ("Cluster",)
