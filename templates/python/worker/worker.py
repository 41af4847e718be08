"""The worker's process. infra/app.ts sets its environment; the sidecar beside it sends SIGTERM when its task is to be removed."""

import asyncio
import os
import signal
import socket
from datetime import timedelta

from activities import greet
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker
from workflows import Greeting


async def main() -> None:
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=5))
    client = await Client.connect(
        os.environ["TEMPORAL_ADDRESS"],
        namespace=os.environ.get("TEMPORAL_NAMESPACE", "default"),
        tls=os.environ.get("TEMPORAL_TLS") == "true",
        # Holds the task's address, by which the scaler knows which task a heartbeat is from.
        identity=f"{os.getpid()}@{os.environ.get('HOSTNAME') or socket.gethostname()}",
        runtime=runtime,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    worker = Worker(
        client,
        task_queue=os.environ["TEMPORAL_TASK_QUEUE"],
        workflows=[Greeting],
        activities=[greet],
        max_concurrent_activities=int(os.environ.get("ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES", "20")),
        # Longer than any activity: work at hand is finished, and the sidecar waits for it without a deadline.
        graceful_shutdown_timeout=timedelta(days=2),
    )
    async with worker:
        await ended.wait()


asyncio.run(main())
