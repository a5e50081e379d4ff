"""A group that may use a plugin's socket can also reach it."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from pathlib import Path

import pytest

from graftage.host.launch import LaunchOptions, StartFailed, launch
from support.nasty import plain_plugin


async def test_the_folder_of_a_plugin_s_sockets_is_shared_with_the_group(tmp_path: Path) -> None:
    group = str(os.getgid())
    with tempfile.TemporaryDirectory(prefix="graftage-") as short:
        options = LaunchOptions(socket_dir=Path(short), environment={"PLUGIN_UNIX_SOCKET_GROUP": group})
        async with launch(
            plain_plugin(tmp_path), plugin_id="a", options=options, logger=logging.getLogger("host")
        ):
            (folder,) = os.scandir(short)
            found = folder.stat()

    assert stat.S_IMODE(found.st_mode) == 0o770
    assert found.st_gid == os.getgid()


async def test_a_group_that_does_not_exist_ends_the_start(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="graftage-") as short:
        options = LaunchOptions(
            socket_dir=Path(short), environment={"PLUGIN_UNIX_SOCKET_GROUP": "no-such-group"}
        )
        with pytest.raises(StartFailed, match="cannot be made: Invalid argument"):
            async with launch(
                plain_plugin(tmp_path), plugin_id="a", options=options, logger=logging.getLogger("host")
            ):
                pass
        assert os.listdir(short) == []
