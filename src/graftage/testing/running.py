"""A plugin that runs for a test: in this process, or in one of its own. Either way it is asked over gRPC."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import grpc.aio

from graftage.errors import PluginFault
from graftage.host.client import PluginClient
from graftage.host.exit_status import ExitStatus
from graftage.host.launch import launch
from graftage.host.launch_options import LaunchOptions
from graftage.protocol.channel import CHANNEL_OPTIONS, server_options, target
from graftage.protocol.environment import VERSIONS
from graftage.protocol.private_folder import PrivateFolder
from graftage.sdk.plugin import Plugin

Version: TypeAlias = Literal[1, 2]

CALL_SECONDS = 1.0  # for calls that still run when a test ends

log = logging.getLogger(__name__)


@asynccontextmanager
async def in_this_process(served: object, plugin_id: str, version: Version) -> AsyncIterator[PluginClient]:
    """Serve it on a socket that nobody else can reach, until the block ends."""
    plugin = Plugin(served)
    own = plugin.versions.get(version)
    if own is None:
        raise PluginFault(f"this plugin serves nothing in version {version} of the protocol")
    folder = PrivateFolder()
    async with AsyncExitStack() as stack:
        stack.callback(folder.remove)
        address = target("unix", folder.socket())
        server = grpc.aio.server(options=server_options())
        server.add_generic_rpc_handlers(tuple(own))
        server.add_insecure_port(address)
        stack.push_async_callback(server.stop, None)
        plugin.prepare()
        stack.push_async_callback(plugin.finish, CALL_SECONDS)
        await server.start()
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS))
        never: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        stack.callback(never.cancel)
        yield PluginClient(plugin_id, channel, never, version)


@asynccontextmanager
async def in_own_process(served: object, plugin_id: str, version: Version) -> AsyncIterator[PluginClient]:
    """Start it as a host would. Its log reaches the loggers below this module's.

    served: a class or a function at the top of a module, or the file of a plugin. Raises StartFailed.
    """
    with tempfile.TemporaryDirectory(prefix="graftage-", ignore_cleanup_errors=True) as folder:
        script = Path(folder, "plugin.py")
        script.write_text(_script(served, version), encoding="utf-8")  # noqa: ASYNC240 - some 300 bytes
        async with launch(
            script, plugin_id=plugin_id, options=LaunchOptions(), logger=log, interpreter=sys.executable
        ) as running:
            yield running.client


def _script(served: object, version: Version) -> str:
    """A program that serves it: what this process can import, that one can as well."""
    if isinstance(served, str | os.PathLike):
        file = Path(served).absolute()
        call = f"serve_file({str(file)!r})"
    elif inspect.isclass(served) or inspect.isfunction(served):
        call = f"serve_object{_place(served)!r}"
    else:
        raise PluginFault("only a class, a function or a file can be started in a process of its own")
    return (
        f"import os, sys\nsys.path[:0] = {[os.path.abspath(path) for path in sys.path]!r}\n"
        f"os.environ[{VERSIONS!r}] = '{version}'\n"
        f"from graftage.testing.own_process import serve_file, serve_object\n{call}\n"
    )


def _place(served: type | object) -> tuple[str, str, str]:
    """Module, its file, and the name inside of it."""
    module, name = getattr(served, "__module__", ""), getattr(served, "__qualname__", "")
    if "<" in name:
        raise PluginFault(
            f"{name} is defined inside of a function, where no other process finds it; move it to the top of "
            "its module, or leave out process=True"
        )
    return module, str(Path(inspect.getfile(served)).absolute()), name  # type: ignore[arg-type]  # as asked above
