"""What a role's policies allow a session to do, and which single statements would be enough."""

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam


def question(key, action, resource, context):
    """Returns the principal and what to ask its policies; None for an unknown key, and for root, which may do anything."""
    principal = iam_evaluator.resolve_principal(key, get_account_id())
    if isinstance(principal, iam_evaluator.AuthError) or principal.policies is None:
        return None
    return principal, iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={name.lower(): value for name, value in context.items()},
        principal_keys=principal.keys,
    )


def is_allowed(principal, asked):
    return iam_evaluator.evaluate(asked, principal.policies, *principal.limits).decision == "Allow"


def allowing(asked):
    """As `policy#number`."""
    return [
        f"{name}#{number}"
        for name, document in policies_of(asked.principal_arn)
        for number, statement in enumerate(iam_evaluator.parse_policy_document(document))
        if iam_evaluator.evaluate(asked, [[statement]]).decision == "Allow"
    ]


def policies_of(arn):
    name = arn.split("/")[1]
    if ":user/" in arn:
        return (iam._user_inline_policies.get(name) or {}).items()
    return ((iam._roles.get(name) or {}).get("InlinePolicies") or {}).items()
