"""What workflows have done for them. An activity may do anything; Temporal retries it when it fails."""

import asyncio

from temporalio import activity


@activity.defn
async def greet(name: str) -> str:
    # In place of a call to a model, or to another service.
    await asyncio.sleep(2)
    return f"Hello, {name}!"
