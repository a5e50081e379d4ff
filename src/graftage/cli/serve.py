"""`graftage serve`: run the server until it is told to stop.

Exit status: 0 when it was stopped by SIGTERM or SIGINT, as Grafana does; 2 when it could not start with the
settings it was given; 128 and the signal's number when a second signal ended it at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from graftage.config import CONFIG_VARIABLE, LOG_FORMATS, LOG_LEVELS, Settings, load_settings
from graftage.server.logs import set_up_logging
from graftage.server.running import run_server

# Of the other settings, which are set once for an installation, the file and the environment are the place.
FLAGS = {
    "address": "where to listen, host:port; port 0 chooses a free one (127.0.0.1:3000)",
    "data": "the folder for everything the server keeps (graftage-data)",
    "database": "the SQLite file (graftage.db in the data folder)",
    "secret_key_file": "the key that seals secrets (secret.key in the data folder)",
    "log_level": f"{', '.join(LOG_LEVELS)} (info)",
    "log_format": f"{' or '.join(LOG_FORMATS)} (text)",
    "query_timeout": "seconds a plugin may take to answer (30)",
    "start_timeout": "seconds a plugin may take to start (60)",
    "socket_dir": "the folder for plugins' sockets ($PLUGIN_UNIX_SOCKET_DIR, else that for temporary files)",
    "plugin_output": "a folder for files with all that plugins write (none)",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="run the server",
        description="Launch the plugins that are found, and answer Grafana's HTTP API with their data.",
        epilog="Every setting can also stand in the settings file, under a name such as `log_level`, and in "
        "the environment, such as GRAFTAGE_LOG_LEVEL. A flag wins over both, the environment over the file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"a TOML file of settings (${CONFIG_VARIABLE})"
    )
    parser.add_argument(
        "--plugins",
        action="append",
        metavar="DIR",
        help="a folder to look for plugins in; can be given several times (plugins in the data folder)",
    )
    for key, text in FLAGS.items():
        parser.add_argument(
            f"--{key.replace('_', '-')}", dest=key, metavar=key.rpartition("_")[2].upper(), help=text
        )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    set_up_logging(settings.log_level, settings.log_format)
    run_server(settings, announce=announce)
    return 0


def announce(url: str) -> None:
    # Whoever started the server may not care to read this; that is no reason to stop.
    with contextlib.suppress(BrokenPipeError):
        print(f"Graftage is ready at {url}", flush=True)


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings that this command line, environment and file make. Raises SettingsError."""
    named = args.config or os.environ.get(CONFIG_VARIABLE)
    flags = {key: getattr(args, key) for key in ("plugins", *FLAGS)}
    return load_settings(Path(named) if named else None, os.environ, flags)
