"""Everything that can be set, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graftage.backend.secrets import Secrets
from graftage.host.checksum import Checksum
from graftage.host.remote import RemotePlugin
from graftage.protocol.reattach import ReattachData

# Beside the process that was started, so that a first try leaves everything in one visible folder.
DEFAULT_DATA = Path("graftage-data")

LOG_LEVELS = ("trace", "debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens. Port 0 lets the system choose a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What the operator set for one plugin: `[plugin."acme-datasource"]` in the file.

    path: one more folder to look for plugins in. checksum: of its executable. elsewhere: where it runs, if
    the host does not start it. launch: what of its launch differs, by the names of LaunchOptions. values: all
    other keys, which the plugin's process gets to see in its
    environment; they may be secrets, so they do not show in a ``repr``.
    """

    path: Path | None = None
    values: Mapping[str, str] = field(default_factory=Secrets)
    checksum: Checksum | None = None
    elsewhere: RemotePlugin | ReattachData | None = None
    launch: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds.

    plugins: folders to look for plugins in; None means the folder `plugins` in `data`, made when missing.
    data: the folder of what the server keeps. database and secret_key_file: None means a file in `data`.

    Of each plugin's process: start_timeout, until it has said where it listens; stop_grace, to end when asked
    to; term_grace, after SIGTERM, before SIGKILL. socket_dir: where its socket goes; None for the folder that
    the environment names. inherit_environment: does it see the server's own environment?
    Of what it writes: log_line_limit, in bytes, a longer line is logged in pieces; log_rate, log_burst, lines
    a second that are logged in the long run, and at once; plugin_output, a folder for files with all of it.
    """

    address: Address = Address("127.0.0.1", 3000)
    plugins: tuple[Path, ...] | None = None
    data: Path = DEFAULT_DATA
    database: Path | None = None
    secret_key_file: Path | None = None
    log_level: str = "info"
    log_format: str = "text"
    query_timeout: float = 30.0
    start_timeout: float = 60.0
    stop_grace: float = 2.0
    term_grace: float = 1.0
    socket_dir: Path | None = None
    inherit_environment: bool = True
    log_line_limit: int = 1024 * 1024
    log_rate: float = 1000.0
    log_burst: float = 5000.0
    plugin_output: Path | None = None
    plugin: Mapping[str, PluginSettings] = field(default_factory=dict)

    @property
    def database_file(self) -> Path:
        return self.database or self.data / "graftage.db"

    @property
    def key_file(self) -> Path:
        return self.secret_key_file or self.data / "secret.key"

    @property
    def plugin_roots(self) -> tuple[Path, ...]:
        """The folders of all plugins; they have to exist."""
        return (self.data / "plugins",) if self.plugins is None else self.plugins

    @property
    def plugin_folders(self) -> tuple[Path, ...]:
        """Every folder to look for plugins in, in order: the roots, then those of single plugins."""
        return self.plugin_roots + tuple(one.path for one in self.plugin.values() if one.path is not None)
