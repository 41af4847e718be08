"""
What AWS services do in a role's name: Lambda writes a function's log, and EventBridge Scheduler invokes it. MiniStack does
both without checking. Here, if the role does not allow it, nothing is written and nothing is invoked.
"""

import logging

import judged
import request_log
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, iam, lambda_svc, sts


def may(key, action, resource):
    request_log.write(key, action, resource, {})
    question = judged.question(key, action, resource, {})
    if question and judged.is_allowed(*question):
        return True
    logging.warning("%s is not authorized to perform: %s on resource: %s", key, action, resource)
    return False


def emit_lambda_logs(function, *output, emit=lambda_svc._emit_lambda_logs, **more):
    config = function.get("config") or function
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    stream = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:{config['FunctionName']}"
    key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
    if all([may(key, f"logs:{action}", stream) for action in ("CreateLogStream", "PutLogEvents")]):
        emit(function, *output, **more)


def invoke_target(target, event, rule, view=None, invoke=eventbridge._invoke_target):
    role, arn = target.get("RoleArn"), target.get("Arn", "")
    if role and ":lambda:" in arn and not (trusts(role) and may(session_of(role), "lambda:InvokeFunction", arn)):
        return
    invoke(target, event, rule, view)


def trusts(role):
    """Whether the role lets a service of this account assume it. MiniStack's services call as root."""
    root = f"arn:aws:iam::{get_account_id()}:root"
    asked = iam_evaluator.EvalContext(
        principal_arn=root,
        principal_type="Root",
        principal_account=get_account_id(),
        action="sts:AssumeRole",
        resource_arn=role,
        region=get_region(),
        service_context={"aws:sourceaccount": get_account_id()},
    )
    document = (iam._roles.get(role.rsplit("/", 1)[-1]) or {}).get("AssumeRolePolicyDocument", "{}")
    return iam_evaluator.evaluate_trust_policy(document, root, asked)


def session_of(role):
    """The access key is the role's own name, so nobody can sign with it."""
    account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/service",
        "UserId": f"{sts._role_id(role)}:service",
        "SecretAccessKey": role,
        "SessionToken": role,
    }
    sts.register_session(role, session)
    return role


def install():
    lambda_svc._emit_lambda_logs = emit_lambda_logs
    eventbridge._invoke_target = invoke_target
