"""`graftage`: finds the command that was asked for, runs it, and prints its error if it has one.

Exit status: 0 for success; 1 when a command did not get what was asked for; 2 when the command line, a
setting or what it names has to be changed first.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import takewhile
from typing import NoReturn

from graftage import __version__
from graftage.errors import BadRequest, GraftageError, SettingsError

FAILED = 1
MISUSED = 2
# What a shell reports for a program that SIGINT or SIGPIPE ended.
INTERRUPTED = 130
PIPE_CLOSED = 141

_FLAG = re.compile(r"--?[a-zA-Z][^=\s]*(?==|$)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command. module: has `add_parser(subparsers)`, and is imported only for this command's sake."""

    module: str
    help: str


COMMANDS = {
    "serve": Command("graftage.cli.serve", "run the server"),
    "query": Command("graftage.cli.query", "ask a data source, or a plugin without a server"),
    "relay": Command("graftage.cli.relay", "let Grafana use a plugin that runs elsewhere"),
    "plugins": Command("graftage.cli.plugins", "show which plugins were found, and how they are"),
}


class CommandParser(argparse.ArgumentParser):
    """Tells a mistake in one line: a command's whole usage would push it off the screen.

    A flag that does not exist is told before anything else, as its value would be taken for an argument.
    """

    def parse_known_args(  # type: ignore[override]  # the overloads are for namespaces of other types
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self._subparsers is None:  # else the flags of an action's own parser come, too
            self._check_flags(args or ())
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unexpected {' '.join(rest)}")
        return known, rest

    def _check_flags(self, given: Iterable[str]) -> None:
        known = self._option_string_actions
        for word in takewhile(lambda word: word != "--", given):
            flag = _FLAG.match(word)
            if flag and flag[0] not in known:
                close = difflib.get_close_matches(flag[0], known, n=1)
                hint = f", did you mean {close[0]}?" if close else ""
                self.error(f"there is no flag {flag[0]}{hint}")

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSED, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the process's own; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stdout is None:  # it was closed before we began: whoever did that wants no output
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    try:
        args = _parser(given).parse_args(given)
        status: int = args.run(args)
        # Text that is still buffered may meet a closed pipe, which belongs below and not after the end.
        sys.stdout.flush()
        return status
    except GraftageError as error:
        print(f"graftage: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, SettingsError | BadRequest) else FAILED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "graftage":
            raise
        print(
            f"graftage: this command needs {error.name}, which the base install leaves out; "
            "pip install 'graftage[server]' adds it",
            file=sys.stderr,
        )
        return MISUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. Without this, the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"graftage: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Knows every command by name, and only the one that is asked for in full."""
    parser = argparse.ArgumentParser(
        prog="graftage",
        description="Run Grafana's backend plugins, and ask them for data.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"graftage {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=CommandParser
    )
    asked = next((word for word in given if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        if name == asked:
            import_module(command.module).add_parser(commands)
        else:
            commands.add_parser(name, help=command.help)
    return parser
