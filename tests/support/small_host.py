"""A host in a process of its own, for tests that kill it: `small_host.py <executable> <folder>`.

It prints the plugin's pid when that runs, and then waits. With SHARED_GROUP in its environment, the plugin is
in its process group.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from graftage.host.launch import LaunchOptions, launch


async def main() -> None:
    options = LaunchOptions(
        environment={
            "TMPDIR": sys.argv[2],
            "PIDS": f"{sys.argv[2]}/pids",
            "BEHAVIOUR": os.environ.get("BEHAVIOUR", ""),
        },
        shared_group="SHARED_GROUP" in os.environ,
    )
    print("begun", flush=True)
    async with launch(
        Path(sys.argv[1]), plugin_id="p", options=options, logger=logging.getLogger()
    ) as plugin:
        print(plugin.pid, flush=True)
        await asyncio.sleep(60)


asyncio.run(main())
