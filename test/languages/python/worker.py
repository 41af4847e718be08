"""A worker as a team would write it with Temporal's SDK for Python. On SIGTERM it takes no more work and finishes what it has."""

import asyncio
import os
import signal
import socket
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker


@activity.defn
async def work(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def main() -> None:
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=1))
    client = await Client.connect(
        os.environ["TEMPORAL_ADDRESS"],
        namespace=os.environ.get("TEMPORAL_NAMESPACE", "default"),
        # Holds the task's address, as the SDK's default does where the host is called so.
        identity=f"{os.getpid()}@{os.environ.get('HOSTNAME') or socket.gethostname()}",
        runtime=runtime,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    worker = Worker(
        client,
        task_queue=os.environ["TEMPORAL_TASK_QUEUE"],
        activities=[work],
        max_concurrent_activities=int(os.environ["ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES"]),
        # Longer than any activity: the sidecar has no deadline. ECS's own stop ends the process after the stop timeout.
        graceful_shutdown_timeout=timedelta(days=2),
    )
    async with worker:
        await ended.wait()


asyncio.run(main())
