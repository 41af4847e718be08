"""
The resources of a call, each with its condition keys, as in the Service Authorization Reference. This covers the services
that the stack's roles and the command line call; for others MiniStack's own parsing applies.
"""

import json
from urllib.parse import parse_qs

from ministack.services import dynamodb


def calls(action, body, params, region, account):
    """Pairs of a resource and its condition keys; none where MiniStack's own parsing is good enough."""
    service, _, operation = action.partition(":")
    read = READERS.get(service)
    return read(operation, members(body, params), f"{region}:{account}") if read else []


def members(body, params):
    """Of the request: JSON, or a form."""
    try:
        found = json.loads(body or b"{}")
    except (ValueError, UnicodeDecodeError):
        found = {name: values[0] for name, values in {**parse_qs(body.decode("latin-1")), **params}.items()}
    return found if isinstance(found, dict) else {}


def of_ecs(operation, request, place):
    cluster = name_of(request.get("cluster") or "default")
    context = {"ecs:cluster": f"arn:aws:ecs:{place}:cluster/{cluster}"}

    def arns(kind, names):
        return [(n if n.startswith("arn:") else f"arn:aws:ecs:{place}:{kind}/{cluster}/{n}", context) for n in names]

    if operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [(request.get("resourceArn", "*"), {})]
    if operation == "DescribeClusters":
        names = request.get("clusters") or ["default"]
        return [(f"arn:aws:ecs:{place}:cluster/{name_of(name)}", {}) for name in names]
    if operation in ("DescribeTasks", "GetTaskProtection", "UpdateTaskProtection"):
        return arns("task", request.get("tasks") or ["*"])
    if operation == "StopTask":
        return arns("task", [request.get("task", "*")])
    if operation == "DescribeServices":
        return arns("service", request.get("services") or ["*"])
    if operation in ("UpdateService", "DeleteService"):
        context |= changes_of(request, place)
        return arns("service", [request.get("service", "*")])
    return [("*", context if request.get("cluster") else {})]


def changes_of(request, place):
    """Condition keys of what UpdateService changes; what the request does not name has none."""
    definition = request.get("taskDefinition")
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    found = {
        "ecs:task-definition": definition and full_arn("task-definition", definition, place),
        "ecs:enable-execute-command": flag(request.get("enableExecuteCommand")),
        "ecs:capacity-provider": [each["capacityProvider"] for each in request.get("capacityProviderStrategy") or []],
        "ecs:subnet": network.get("subnets"),
    }
    return {key: value for key, value in found.items() if value}


def full_arn(kind, name, place):
    return name if name.startswith("arn:") else f"arn:aws:ecs:{place}:{kind}/{name}"


def flag(value):
    return None if value is None else str(value).lower()


def name_of(arn):
    return arn.rsplit("/", 1)[-1]


def of_dynamodb(operation, request, place):
    """With the partition key of every named item; queries and scans name none here."""
    if "TableName" in request:
        items = [each for each in (request.get("Key"), request.get("Item")) if each]
        return [table(request["TableName"], items, place)]
    requests = request.get("RequestItems")
    found = requests if isinstance(requests, dict) else {}
    return [table(name, items_of(asked), place) for name, asked in found.items()]


def items_of(asked):
    """Of a batch: keys to get, items to put, keys to delete."""
    if isinstance(asked, dict):
        return asked.get("Keys", [])
    return [write.get("Item") or write.get("Key") for each in asked for write in each.values()]


def table(name, items, place):
    arn = name if name.startswith("arn:") else f"arn:aws:dynamodb:{place}:table/{name}"
    key = (dynamodb._tables.get(name_of(arn)) or {}).get("pk_name")
    values = [value for item in items for value in (item.get(key) or {}).values()]
    return arn, {"dynamodb:LeadingKeys": values} if values else {}


def of_cloudwatch(operation, request, _place):
    return [("*", {"cloudwatch:namespace": request.get("Namespace", "")})] if operation == "PutMetricData" else []


def of_ssm(operation, request, place):
    if operation == "GetParameters":
        return [(parameter(name, place), {}) for name in request.get("Names", [])]
    return [(parameter(request["Path"], place), {})] if "Path" in request else []


def parameter(name, place):
    return name if name.startswith("arn:") else f"arn:aws:ssm:{place}:parameter/{name.strip('/')}"


def of_logs(_operation, request, place):
    """Each resource is a log stream, even if the call names none."""
    group = request.get("logGroupName") or request.get("logGroupIdentifier")
    if not group:
        return []
    arn = group.removesuffix(":*") if group.startswith("arn:") else f"arn:aws:logs:{place}:log-group:{group}"
    return [(f"{arn}:log-stream:{request.get('logStreamName', '')}", {})]


READERS = {
    "cloudwatch": of_cloudwatch,
    "dynamodb": of_dynamodb,
    "ecs": of_ecs,
    "logs": of_logs,
    "ssm": of_ssm,
}
