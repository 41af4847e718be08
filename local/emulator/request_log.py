"""
Writes who called what to the file in ELASTIC_WORKERS_REQUEST_LOG: one line of JSON per distinct call, with whether it is
allowed and which statements of inline policies would be enough. Calls by root, by the deployment and by the tests are left
out.
"""

import json
import os

import judged

written = set()


def write(key, action, resource, context):
    question = judged.question(key, action, resource, context)
    if question is None:
        return
    principal, asked = question
    line = {
        "caller": asked.principal_arn,
        "action": action,
        "resource": resource,
        "context": {name: value for name, value in context.items() if value is not None},
        "allowed": judged.is_allowed(principal, asked),
        "allowedBy": judged.allowing(asked),
    }
    append(json.dumps(line))


def append(line):
    path = os.environ.get("ELASTIC_WORKERS_REQUEST_LOG")
    if path is None or line in written:
        return
    written.add(line)
    with open(path, "a", encoding="utf-8") as log:
        log.write(f"{line}\n")
