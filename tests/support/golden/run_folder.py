"""The folder a server of one scenario runs in: plugins, files and links, as its setup says."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graftage.protocol import environment
from support.golden.cases import Setup
from support.golden.placeholders import Placeholders

REPOSITORY = Path(__file__).parents[3]
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_DEPENDENCIES = {"grafanaVersion": "6.x.x", "plugins": []}

# Beside a scripted plugin: one line of JSON for each request that it received.
RECORD = "received.jsonl"
# And what one of version 2 is to answer: frames are sent as they were recorded, and not made anew.
ANSWER = "answer.json"


@dataclass(frozen=True, slots=True)
class ScriptedPlugin:
    """A plugin made for the recordings. module: what of `support.plugins` its executable runs."""

    json: Mapping[str, Any]
    module: str

    @property
    def id(self) -> str:
        return str(self.json["id"])


def _scripted(plugin_id: str, name: str, executable: str, module: str, **flags: bool) -> ScriptedPlugin:
    info = {"version": "1.0.0", "author": {"name": "x"}}
    shown = {"id": plugin_id, "name": name, "type": "datasource", **flags}
    backend = {"backend": True, "executable": executable, "info": info, "dependencies": _DEPENDENCIES}
    return ScriptedPlugin(shown | backend, module)


SCRIPTED = {
    "probe": _scripted("probe-datasource", "Probe", "probe-plugin", "probe", metrics=True, alerting=True),
    "probev2": _scripted(
        "probe-v2-datasource", "Probe v2", "probe-v2-plugin", "probe_v2", metrics=True, alerting=True
    ),
}

# Plugins that are programs in their own right: name in the recordings -> folder in this repository.
# Those that were recorded spoke version 1 and nothing else; ours would be asked in version 2, as Grafana 7.5
# does where a plugin speaks both, and so they are told here that the host knows version 1 only.
PUBLISHED = {
    "bench": REPOSITORY / "bench" / "plugin",
    "simplejson": REPOSITORY / "examples" / "simple-json-datasource",
}


def installed_ids(setup: Setup) -> frozenset[str]:
    """The ids of the plugins that a setup asks for by name."""
    scripted = {SCRIPTED[name].id for name in setup.plugins if name in SCRIPTED}
    published = {_published_id(PUBLISHED[name]) for name in setup.plugins if name in PUBLISHED}
    return frozenset(scripted | published)


def _published_id(folder: Path) -> str:
    return str(json.loads((folder / "plugin.json").read_text())["id"])


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of one run lies. missing: names of plugins that nobody has written yet."""

    path: Path
    missing: frozenset[str] = field(default_factory=frozenset)

    @property
    def records(self) -> tuple[Path, ...]:
        return tuple(self.path / "plugins" / plugin.id / RECORD for plugin in SCRIPTED.values())

    @property
    def answers(self) -> tuple[Path, ...]:
        """Where installed plugins look for the answer that was recorded."""
        files = (self.path / "plugins" / plugin.id / ANSWER for plugin in SCRIPTED.values())
        return tuple(file for file in files if file.parent.is_dir())


def prepare(path: Path, setup: Setup, placeholders: Placeholders) -> RunFolder:
    """Write what the setup says into an existing empty folder."""
    (path / "plugins").mkdir()
    missing = set()
    for name in setup.plugins:
        if name in SCRIPTED:
            install(SCRIPTED[name], path / "plugins" / SCRIPTED[name].id)
        elif name in PUBLISHED:
            target = path / "plugins" / _published_id(PUBLISHED[name])
            shutil.copytree(PUBLISHED[name], target, ignore=shutil.ignore_patterns("__pycache__"))
            _keep_to_version_1(target)
        else:
            missing.add(name)
    for name, content in setup.files.items():
        _write(path / name, placeholders.fill(content))
    for name, place in setup.symlinks.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).symlink_to(path / place)
    return RunFolder(path, frozenset(missing))


def install(plugin: ScriptedPlugin, folder: Path) -> None:
    """A folder with plugin.json and an executable that runs the module with this very interpreter."""
    folder.mkdir(parents=True)
    (folder / "plugin.json").write_text(json.dumps(plugin.json, indent=1))
    _write(
        folder / _executable(str(plugin.json["executable"])),
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.insert(0, {str(REPOSITORY / 'tests')!r})\n"
        f"from support.plugins.{plugin.module} import main\n"
        f"main({str(folder / RECORD)!r})\n",
    )


def _keep_to_version_1(folder: Path) -> None:
    """Put an executable before the plugin's script that hides the other versions which the host offers."""
    stem = str(json.loads((folder / "plugin.json").read_text())["executable"])
    script = next(path for path in (folder / f"{stem}.py", folder / stem) if path.is_file())
    command = shlex.join([sys.executable, str(script)])
    _write(folder / _executable(stem), f"#!/bin/sh\n{environment.VERSIONS}=1 exec {command}\n")


def _executable(stem: str) -> str:
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return f"{stem}_{platform.system().lower()}_{machine}"


def _write(path: Path, content: Any) -> None:
    """A file; what begins with #! can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    if text.startswith("#!"):
        os.chmod(path, 0o755)
