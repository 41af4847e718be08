"""Starts a workflow, and prints its result. `npm run dev` runs it when everything is up."""

import asyncio
import os
import time

from temporalio.client import Client
from workflows import Greeting


async def main() -> None:
    client = await Client.connect(
        os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"),
        namespace=os.environ.get("TEMPORAL_NAMESPACE", "default"),
    )
    handle = await client.start_workflow(
        Greeting.run,
        ["Ada", "Grace", "Edsger"],
        id=f"greeting-{int(time.time())}",
        task_queue="__NAME__",
    )
    print(f"Started {handle.id}", flush=True)
    print(await handle.result())


asyncio.run(main())
