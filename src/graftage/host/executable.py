"""Which file starts a plugin's process on this machine.

Grafana's rule comes first: `<executable>_<os>_<arch>`, in Go's names, with `.exe` on Windows. On top of it,
and ours: where no file of that name exists, `<executable>.py` serves, or `<executable>` with an exec bit, so
that a Python plugin runs from source. The `.py` file is launched directly when it has an exec bit and a `#!`
line; otherwise the Python that runs the host reads it.

Source: Grafana, pkg/plugins/backendplugin (`ComposePluginStartCommand`); Go's GOOS and GOARCH.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from graftage.errors import PluginFault

GO_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "i386": "386",
    "i586": "386",
    "i686": "386",
    "x86": "386",
    "loongarch64": "loong64",
}


SCRIPT = ".py"


class ExecutableError(PluginFault):
    """Nothing can be launched; the message says what was looked for and what is there instead."""


@dataclass(frozen=True, slots=True)
class Executable:
    """A file to launch. interpreter: the program that reads it; empty when the system launches it itself."""

    path: Path
    interpreter: str = ""


def find_executable(
    folder: Path, stem: str, system: str, machine: str, *, within: Path | None = None
) -> Executable:
    """What to launch for the plugin in `folder` whose `plugin.json` says ``"executable": stem``.

    system, machine: as `platform.system()` and `platform.machine()` name them.
    within: the folder that the file has to be in; the plugin's own unless given (that of its app).
    Raises ExecutableError.
    """
    base = _base(folder, stem, within or folder)
    binary = base.with_name(build_name(base.name, system, machine))
    for path in (binary, base.with_name(f"{base.name}{SCRIPT}"), base):
        if path.is_file() or path.is_symlink():  # a link to nothing shall be told, not passed over
            return executable_file(path)
    raise ExecutableError(_nothing_there(base, binary))


def build_name(stem: str, system: str, machine: str) -> str:
    """The file that Grafana launches on this system for ``"executable": stem``."""
    return f"{stem}_{go_system(system)}_{go_architecture(machine)}{'.exe' if system == 'Windows' else ''}"


def executable_file(path: Path) -> Executable:
    """How to launch this very file. Raises ExecutableError."""
    if not path.is_file():
        what = (
            "is a link that leads to no file; restore what it led to" if path.is_symlink() else "is no file"
        )
        raise ExecutableError(f"{path} {what}")
    may_start = os.access(path, os.X_OK)
    if path.suffix != SCRIPT:
        if not may_start:
            raise ExecutableError(f"{path} may not be executed by the host's user; chmod +x it")
        return Executable(path)
    if not os.access(path, os.R_OK):
        raise ExecutableError(f"{path} may not be read by the host's user; chmod +r it")
    return Executable(path, "" if may_start and _has_interpreter_line(path) else sys.executable)


def go_system(system: str) -> str:
    """Go's name of an operating system: ``linux``, ``darwin``, ``windows``."""
    return system.lower()


def go_architecture(machine: str) -> str:
    """Go's name of a processor: ``amd64``, ``arm64``, ``arm``, ``386``."""
    return GO_ARCHITECTURES.get(machine.lower(), machine.lower())


def _base(folder: Path, stem: str, within: Path) -> Path:
    """The path that the names to look for begin with.

    It is judged as written: where a link in it leads is the operator's choice.
    """
    base = Path(os.path.normpath(folder / stem))
    if not stem:
        raise ExecutableError('plugin.json says "backend": true but names no "executable"; add it')
    if "\0" in stem or stem.endswith("/") or base == folder:
        raise ExecutableError(f'"executable": {stem!r} in plugin.json is not the name of a file; correct it')
    if Path(stem).is_absolute() or not base.is_relative_to(within):
        raise ExecutableError(
            f'"executable": {stem!r} in plugin.json leads out of {within}; '
            "put the file into the plugin's folder and name it relative to that"
        )
    return base


def _has_interpreter_line(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _nothing_there(base: Path, binary: Path) -> str:
    looked_for = f"no {binary.name}, {base.name}.py or executable {base.name} in {base.parent}"
    try:
        names = sorted(name for name in os.listdir(base.parent) if name.startswith(f"{base.name}_"))
    except OSError as error:
        return f"{looked_for}: {error.strerror}; install the plugin's files"
    if names:
        return f"{looked_for}, only {', '.join(names)}; install the build for this system"
    return f'{looked_for}; install the build for this system or correct "executable" in plugin.json'
