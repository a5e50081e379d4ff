"""`graftage query`: ask a running server, or a plugin with no server at all, and print what comes back.

Both ways end in the same bytes: the JSON that `/api/ds/query` answers, with frames, whatever version of the
protocol the plugin speaks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
from rich.text import Text

from graftage.backend.context import DataSourceSettings
from graftage.backend.query import QueryRequest, Result
from graftage.backend.secrets import Secrets
from graftage.cli.answer import Answer, errors, read_answer
from graftage.cli.plugin_path import plugin_at
from graftage.cli.plugin_words import words_on_stderr
from graftage.cli.server_url import DEFAULT_URL, server_url
from graftage.cli.show import console_for, printable, render, write_csv
from graftage.config import URL_VARIABLE
from graftage.data.canonical_json import JsonSyntaxError, Number, canonical, read_json, write_json
from graftage.errors import BadRequest, GraftageError, NotFound
from graftage.host.attach import attach
from graftage.host.launch import launch
from graftage.host.launch_options import LaunchOptions, usual_socket_dir
from graftage.host.running_plugin import RunningPlugin
from graftage.protocol.reattach import read_reattach
from graftage.query.execute import execute
from graftage.query.frames_json import encode_frames_answer, frames_results
from graftage.query.plan import Asked, plan_by_uid

DEFAULT_TIMEOUT = 30.0
LONGEST_TIMEOUT = 86400.0  # as the server's; far beyond it gRPC's own clock overflows
REATTACHED = "reattached"  # the id of a plugin of which only the address is known
SPARE_SECONDS = 5.0  # the server keeps to its own limit; its answer that it did must still arrive

EXAMPLES = """examples:
  graftage query --datasource power '{"target": "solar.power"}'
  graftage query --datasource 1 --from now-1d --format csv A='{"target": "a"}' B='{"target": "b"}'
  graftage query --plugin ./my-plugin --set url=http://127.0.0.1:3333 --secret token=MY_TOKEN '{}'
"""

_NAMED = re.compile(r"\s*([^\s={}\[\]\"]+)=(.*)", re.DOTALL)
_INT64_DIGITS = 19
_PLUGIN_ONLY = ("set", "json", "secret", "secret_file")


@dataclass(frozen=True, slots=True)
class TypedQuery:
    """A query as it was typed. ref_id: None where the person left naming it to us."""

    ref_id: str | None
    model: Mapping[str, object]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "query",
        help="ask a data source, or a plugin without a server",
        description="Ask a data source of a running server, or, with --plugin, a plugin without any server.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "queries",
        nargs="*",
        type=_asked,
        metavar="[REF=]JSON",
        help="a query model, as a dashboard keeps it (default: {})",
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--datasource", metavar="NAME|ID", help="a data source of the server")
    whom.add_argument("--plugin", type=Path, metavar="PATH", help="a plugin's folder, or its executable")
    whom.add_argument("--reattach", metavar="JSON", help="a plugin that runs already, by its reattach data")
    parser.add_argument("--url", help=f"the server (${URL_VARIABLE}, else {DEFAULT_URL})")
    parser.add_argument("--from", dest="from_raw", default="now-6h", metavar="TIME", help="default: now-6h")
    parser.add_argument("--to", dest="to_raw", default="now", metavar="TIME", help="default: now")
    parser.add_argument("--query-type", metavar="TYPE", help="for queries that name none themselves")
    parser.add_argument("--max-data-points", type=_positive, metavar="N", help="for queries that name none")
    parser.add_argument("--interval", type=_positive, metavar="MS", help="for queries that name none")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    parser.add_argument("--timeout", type=_seconds, default=DEFAULT_TIMEOUT, metavar="S", help="default: 30")
    plugin = parser.add_argument_group("with --plugin, the data source it gets to see")
    plugin.add_argument(
        "--set", action="append", type=_setting, default=[], metavar="KEY=VALUE", help="url, name or id"
    )
    plugin.add_argument("--json", type=_object, metavar="JSON", help="its jsonData")
    plugin.add_argument(
        "--secret",
        action="append",
        type=_secret,
        default=[],
        metavar="KEY=VARIABLE",
        help="a secret, from an environment variable",
    )
    plugin.add_argument(
        "--secret-file",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=PATH",
        help="a secret, from a file",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 when every query was answered without an error, else 1.

    Raises GraftageError where there is no answer at all, BadRequest for flags that do not go together.
    """
    is_plugin = args.plugin is not None or args.reattach is not None
    if not is_plugin and any(getattr(args, name) for name in _PLUGIN_ONLY):
        raise BadRequest("--set, --json, --secret and --secret-file describe a data source for --plugin")
    if is_plugin and args.url is not None:
        raise BadRequest("--url names a server, and --plugin asks a plugin without one; leave one out")
    models = _models(args)
    body = asyncio.run(_ask_plugin(args, models)) if is_plugin else _ask_server(args, models)
    answer = _read(body)
    _print(answer, body, args.format)
    failed = list(errors(answer))
    for ref_id, error in failed:
        _complain(f"{ref_id}: {error}")
    return 1 if failed else 0


def _models(args: argparse.Namespace) -> list[dict[str, object]]:
    """The query models complete: a name for each, and the flags where it says nothing itself."""
    flags = {
        "queryType": args.query_type,
        "maxDataPoints": _number(args.max_data_points),
        "intervalMs": _number(args.interval),
    }
    given = {key: value for key, value in flags.items() if value is not None}
    queries = args.queries or [TypedQuery(None, {})]
    named = [asked.ref_id for asked in queries if asked.ref_id is not None]
    taken = set(named)
    if len(taken) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise BadRequest(f"two queries are called {twice!r}, and only one could be answered under that name")
    free = (name for name in _names() if name not in taken)
    return [given | dict(asked.model) | {"refId": asked.ref_id or next(free)} for asked in queries]


def _ask_server(args: argparse.Namespace, models: Iterable[Mapping[str, object]]) -> bytes:
    url = server_url(os.environ.get(URL_VARIABLE, DEFAULT_URL) if args.url is None else args.url)
    try:
        # A proxy of the environment is for the world outside, not for a server on this machine.
        with httpx.Client(base_url=url, timeout=args.timeout + SPARE_SECONDS, trust_env=False) as http:
            source = _data_source(http, args.datasource)
            queries = [{**model, "datasource": source} for model in models]
            content = write_json({"from": args.from_raw, "to": args.to_raw, "queries": queries})
            headers = {"Content-Type": "application/json"}
            return http.post("/api/ds/query", content=content.encode(), headers=headers).content
    except httpx.TimeoutException as error:
        raise GraftageError(
            f"{url} did not answer within {args.timeout:g} s; --timeout gives it longer"
        ) from error
    except httpx.ConnectError as error:
        raise GraftageError(f"no server answers at {url} ({error}); `graftage serve` starts one") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise GraftageError(f"{url}: {error or type(error).__name__}") from error


def _data_source(http: httpx.Client, wanted: str) -> dict[str, object]:
    """How a query names the data source of this name, else of this id. Raises NotFound, naming those that
    there are.
    """
    response = http.get("/api/datasources")
    try:
        known = [
            (str(one["name"]), int(one["id"]), {"uid": str(one["uid"]), "type": str(one["type"])})
            for one in response.raise_for_status().json()
        ]
    except (httpx.HTTPStatusError, ValueError, TypeError, KeyError) as error:
        raise GraftageError(
            f"{response.url} answered {response.status_code} {_excerpt(response)}; is this a Graftage server?"
        ) from error
    by_name = {name: reference for name, _, reference in known}
    by_id = {str(number): reference for _, number, reference in known}
    if found := by_name.get(wanted) or by_id.get(wanted):
        return dict(found)
    names = ", ".join(f"{name!r} ({one})" for name, one, _ in known) or "none; POST /api/datasources adds one"
    raise NotFound(f"no data source is called {wanted!r}; there are: {names}")


async def _ask_plugin(args: argparse.Namespace, models: Iterable[Mapping[str, object]]) -> bytes:
    """What a server would answer. The plugin runs as long as the question takes."""
    logger = logging.getLogger("graftage.query")
    plugin_id, running = _plugin(args, logger)
    settings = _settings(args, plugin_id)
    source = {"uid": settings.uid, "type": settings.type}
    queries = [{**model, "datasource": source} for model in models]
    requests = plan_by_uid(
        Asked(args.from_raw, args.to_raw, queries), sources=_OneSource(settings), now=datetime.now(UTC)
    )
    with words_on_stderr(logger):
        async with running as plugin:

            async def ask(plugin_id: str, request: QueryRequest, *, timeout: float) -> tuple[Result, ...]:
                return await plugin.client.query(request, timeout=timeout)

            answer = await execute(requests, ask=ask, timeout=args.timeout)
    results = frames_results(answer.results.values())
    return b"".join(encode_frames_answer(results, message=answer.message))


def _plugin(
    args: argparse.Namespace, logger: logging.Logger
) -> tuple[str, AbstractAsyncContextManager[RunningPlugin]]:
    """The plugin's id, and the plugin: one to launch, or one that runs already."""
    options = LaunchOptions(start_timeout=args.timeout, socket_dir=usual_socket_dir())
    if args.reattach is not None:
        data = replace(read_reattach(args.reattach), test=True)  # a question does not end what it asks
        return REATTACHED, attach(data, plugin_id=REATTACHED, options=options, logger=logger)
    plugin_id, executable = plugin_at(args.plugin)
    return plugin_id, launch(
        executable.path,
        plugin_id=plugin_id,
        options=options,
        logger=logger,
        interpreter=executable.interpreter,
    )


class _OneSource:
    """The data source that exists for one question only."""

    def __init__(self, settings: DataSourceSettings) -> None:
        self._settings = settings

    def by_id(self, data_source_id: int) -> DataSourceSettings | None:
        return self._settings

    def by_uid(self, uid: str) -> DataSourceSettings | None:
        return self._settings


def _settings(args: argparse.Namespace, plugin_id: str) -> DataSourceSettings:
    settings = dict(args.set)
    secrets = {key: _variable(key, name) for key, name in args.secret}
    secrets |= {key: _secret_file(name) for key, name in args.secret_file}
    return DataSourceSettings(
        id=int(settings.get("id", "1")),
        org_id=1,
        name=settings.get("name", plugin_id),
        type=plugin_id,
        uid=plugin_id,
        url=settings.get("url", ""),
        json=args.json or "{}",
        secrets=Secrets(secrets),
    )


def _variable(key: str, name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        # What was given is not shown: it may be the secret itself, typed in the place of a name.
        raise BadRequest(
            f"--secret {key}=...: no environment variable of the given name is set; "
            "expected KEY=VARIABLE, the name of the variable that holds the secret"
        ) from None


def _secret_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"the file {name}, meant to hold a secret, cannot be read: {error}") from error


def _read(body: bytes) -> Answer:
    """Raises GraftageError for anything but results: then the server says why in `message`."""
    try:
        answer = read_answer(body)
    except ValueError as error:
        raise GraftageError(f"expected an answer of /api/ds/query, got {body[:200]!r}") from error
    if answer.message and not answer.results:
        raise GraftageError(answer.message)
    return answer


def _print(answer: Answer, body: bytes, format_: str) -> None:
    match format_:
        case "json":
            sys.stdout.write(body.decode() + "\n")
        case "csv":
            try:
                write_csv(sys.stdout, answer)
            except ValueError as error:
                raise GraftageError(str(error)) from error
        case _:
            console_for(sys.stdout).print(render(answer, charts=sys.stdout.isatty()))
    sys.stdout.flush()


def _complain(message: str) -> None:
    console_for(sys.stderr).print(Text.assemble(("error: ", "bold red"), printable(message)))


def _excerpt(response: httpx.Response) -> str:
    return printable(response.text[:200])


def _names() -> Iterable[str]:
    """A to Z, then Q27, Q28 and so on."""
    yield from "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    yield from (f"Q{number}" for number in count(27))


def _number(value: int | None) -> Number | None:
    return None if value is None else Number(value)


def _asked(text: str) -> TypedQuery:
    named = _NAMED.fullmatch(text)
    ref_id, source = (named[1], named[2]) if named else (None, text)
    model = _json_object(source)
    own = model.get("refId")
    if ref_id is None and isinstance(own, str) and not isinstance(own, Number) and own:
        ref_id = own
    return TypedQuery(ref_id, model)


def _object(text: str) -> str:
    _json_object(text)
    return canonical(text)


def _json_object(text: str) -> Mapping[str, object]:
    try:
        value = read_json(text)
    except JsonSyntaxError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {_where(text) or error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'expected a JSON object such as {{"target": "cpu"}}, got {text!r}')
    return value


def _where(text: str) -> str:
    """Line and column of a mistake, for a person; the reader of the wire only says what it met."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return str(error)
    except RecursionError:
        return "it nests too deep"
    return ""


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals or not value:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return key, value


def _secret(text: str) -> tuple[str, str]:
    key, equals, name = text.partition("=")
    if not key or not equals or not name:
        raise argparse.ArgumentTypeError(
            "expected KEY=VARIABLE, the name of the environment variable that holds the secret"
        )
    return key, name


def _setting(text: str) -> tuple[str, str]:
    key, value = _pair(text)
    if key not in ("url", "name", "id"):
        raise argparse.ArgumentTypeError(f"expected url, name or id, got {key!r}; jsonData goes to --json")
    if key == "id" and not _is_whole(value):
        raise argparse.ArgumentTypeError(f"expected a number as id, got {value!r}")
    return key, value


def _positive(text: str) -> int:
    if not _is_whole(text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _is_whole(text: str) -> bool:
    """Are these the digits of a number that 64 bits hold?"""
    return text.isdecimal() and len(text) <= _INT64_DIGITS and int(text) < 2**63


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise argparse.ArgumentTypeError(
            f"expected seconds, more than 0 and at most {LONGEST_TIMEOUT:g}, got {text!r}"
        )
    return seconds
