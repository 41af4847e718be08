"""The workflows and activities on a real Temporal server, which is started for the test."""

import asyncio
import subprocess
import sys
from pathlib import Path

from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

sys.path.insert(0, str(Path(__file__).parent.parent / "worker"))

from activities import greet  # noqa: E402
from workflows import Greeting  # noqa: E402


def temporal_server() -> str:
    """The Temporal server that temporal-elastic-workers is tested with, fetched when it is first asked for."""
    program = "import('temporal-elastic-workers/testing').then(async (m) => console.log(await m.temporalServer()))"
    return subprocess.run(["node", "-e", program], check=True, capture_output=True, text=True).stdout.strip()


async def greetings() -> list[str]:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=temporal_server()) as environment:
        async with Worker(environment.client, task_queue="test", workflows=[Greeting], activities=[greet]):
            return await environment.client.execute_workflow(
                Greeting.run, ["Ada", "Grace"], id="greeting", task_queue="test"
            )


def test_everybody_is_greeted_in_order() -> None:
    assert asyncio.run(greetings()) == ["Hello, Ada!", "Hello, Grace!"]
