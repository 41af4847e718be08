"""Workflows run in a sandbox, and again from their history: they call activities for everything that is not deterministic."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import greet


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        greetings = [
            workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(minutes=1)) for name in names
        ]
        return list(await asyncio.gather(*greetings))
