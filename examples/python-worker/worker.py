"""A Temporal worker in Python, as an elastic pool needs it: it takes `slots` activities at a time, says so to Temporal
every few seconds, and when it is told to leave finishes what it holds."""

import asyncio
import os
import signal
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker


@activity.defn
async def render_report(name: str) -> str:
    await asyncio.sleep(5)
    return f"{name}.pdf"


async def main() -> None:
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    # The default is a minute, in which the scaler would not know whether the task is busy.
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=5))
    client = await Client.connect(
        os.environ["TEMPORAL_ADDRESS"],
        namespace=os.environ["TEMPORAL_NAMESPACE"],
        tls=os.environ["TEMPORAL_TLS"] == "true",
        api_key=os.environ.get("TEMPORAL_API_KEY"),
        runtime=runtime,
    )
    worker = Worker(
        client,
        task_queue=os.environ["TEMPORAL_TASK_QUEUE"],
        activities=[render_report],
        max_concurrent_activities=int(os.environ["ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES"]),
        graceful_shutdown_timeout=timedelta(seconds=int(os.environ["ELASTIC_WORKERS_DRAIN_SECONDS"])),
        # An activity started eagerly is not in the queue's figures.
        disable_eager_activity_execution=True,
    )
    async with worker:
        await leave.wait()


if __name__ == "__main__":
    asyncio.run(main())
