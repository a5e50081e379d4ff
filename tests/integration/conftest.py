"""What several integration tests need."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from graftage.host.launch import LaunchOptions, RunningPlugin, launch
from support.nasty import left_behind, open_descriptors
from support.wait import eventually_async

Start = Callable[..., AbstractAsyncContextManager[RunningPlugin]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Launches a program; after the test no process, descriptor, socket or task of it may be left."""
    channel = grpc.aio.insecure_channel("unix:/nowhere")  # opens what gRPC keeps for the whole process
    channel.get_state(try_to_connect=True)
    await channel.close()
    tasks = asyncio.all_tasks()
    with tempfile.TemporaryDirectory(prefix="graftage-") as folder:  # short: a socket's path has 107 bytes
        look = left_behind(open_descriptors(), Path(folder))

        def start(
            executable: Path, *, behaviour: str = "", **options: Any
        ) -> AbstractAsyncContextManager[RunningPlugin]:
            environment = {"TMPDIR": folder, "BEHAVIOUR": behaviour, "PIDS": f"{folder}/pids"}
            environment |= options.pop("environment", {})
            limits: dict[str, Any] = {"start_timeout": 10.0, "stop_grace": 1.0, "term_grace": 0.3} | options
            return launch(
                executable,
                plugin_id="test-plugin",
                options=LaunchOptions(environment=environment, **limits),
                logger=logging.getLogger("host"),
            )

        yield start
        try:
            await eventually_async(lambda: not look(), timeout=3.0)
        except AssertionError:
            pytest.fail(f"left behind: {look()}")
    own = {*tasks, asyncio.current_task()}
    # A call that was cancelled has a task of gRPC's own, which ends a moment later.
    await eventually_async(lambda: asyncio.all_tasks() <= own, timeout=3.0, what="no task is left")
