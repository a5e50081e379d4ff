"""Which plugin a path of the command line means."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from graftage.errors import BadRequest, PluginFault
from graftage.host.executable import Executable, executable_file, find_executable
from graftage.host.plugin_json import FILE_NAME, PluginJsonError, read_plugin_json


def plugin_at(path: Path) -> tuple[str, Executable]:
    """Id and executable of a plugin's folder, of its `plugin.json`, or of a file to execute.

    Raises BadRequest when there is no plugin, and PluginFault when it cannot be started.
    """
    if not os.path.lexists(path):
        raise BadRequest(f"{path} does not exist; name a plugin's folder or its executable")
    if path.name == FILE_NAME:
        return _described(path.parent.resolve() / path.name)
    if not path.is_dir():
        return path.stem, executable_file(path.absolute())
    for folder in (path / "dist", path):
        if os.path.lexists(folder / FILE_NAME):
            return _described(folder.resolve() / FILE_NAME)
    raise BadRequest(f"no {FILE_NAME} in {path.absolute()}; name a plugin's folder or its executable")


def _described(file: Path) -> tuple[str, Executable]:
    try:
        plugin = read_plugin_json(file)
    except PluginJsonError as error:
        raise PluginFault(": ".join(filter(None, (str(file), error.key, str(error))))) from error
    if not plugin.backend:
        raise PluginFault(
            f'{file}: backend: a plugin without a backend cannot be asked; write "backend": true, '
            'and name its program as "executable"'
        )
    return plugin.id, find_executable(file.parent, plugin.executable, platform.system(), platform.machine())
