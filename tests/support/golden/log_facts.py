"""What recorded log lines say, and where our own log says the same.

Words of a log are everyone's own. What happened is not: that a plugin ended with which status and came
back, that a plugin.json was refused and which. Each kind of recorded line is paired with what our log (a
JSON object a line) must hold; a line of no known kind must be there to the letter.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from support.golden.compare import Check

Record = Mapping[str, Any]
Fact = tuple[str, Callable[[Record], bool]]

# What only the recorded engine has to say: the start of its search, signatures, missing front ends, an old
# protocol.
_NO_COUNTERPART = re.compile(
    r"Starting plugin search|Initializing PluginManager|Plugin missing module\.js"
    r"|Running an unsigned backend plugin"
    r"|Plugin is unsigned|Some plugins failed to load|deprecated version of Grafana's backend plugin system"
    r"|Registering plugin\" logger=plugins (name=|id=input$)|Restarting plugin"
)


def says_the_same(lines: Sequence[str]) -> Check:
    """Our log must hold every fact of these lines, as often as they do."""
    kept = [line for line in lines if not _NO_COUNTERPART.search(line)]
    facts = [_fact(line) for line in kept]
    wanted = Counter(fact[0] for fact in facts if fact is not None)
    holds = dict(fact for fact in facts if fact is not None)
    verbatim = [line for line, fact in zip(kept, facts, strict=True) if fact is None]

    def check(log: str) -> str | None:
        records = our_records(log)
        for name, count in wanted.items():
            found = sum(map(holds[name], records))
            if found < count:
                return f"expected {count} records that say: {name}; found {found}"
        return next((f"no line {line!r}" for line in verbatim if line not in log), None)

    return check


def our_records(log: str) -> list[Record]:
    """The records of our own log; what is no JSON is somebody else's."""
    records: list[Record] = []
    for line in log.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "message" in record:
            records.append(record)
    return records


def _fact(line: str) -> Fact | None:
    """What a recorded line says, in a few words and as a question to one of our records."""
    if found := re.search(
        r'"plugin process exited".* (?:pluginId|plugin-id)=(\S+)(?:.*error="exit status (\d+)")?', line
    ):
        plugin, status = found[1], found[2] or "0"
        return (
            f"plugin {plugin} ended with status {status}",
            lambda record: (
                record.get("plugin_id") == plugin and f"ended with status {status}" in record["message"]
            ),
        )
    if found := re.search(
        r'"(?:Plugin restarted|Spawning new sub process)".* (?:pluginId|plugin-id)=(\S+)', line
    ):
        plugin = found[1]
        return f"plugin {plugin} runs", lambda record: _is(record, plugin, "running")
    if 'msg="Metric request error"' in line:
        return "a query failed", lambda record: "Metric request error" in record["message"]
    if found := re.search(r"Failed to load plugin json file: (\S+/plugin\.json)", line):
        path = found[1]
        return f"{path} was refused", lambda record: path in record["message"]
    if found := re.search(r'"Failed to load plugin" .*pluginPath=(\S+)', line):
        path = found[1]
        return f"{path} was refused", lambda record: path in record["message"]
    if found := re.search(r"(?:Could not scan|Couldn't scan).*?(?:lstat |[Pp]ath: )([^:,\s]+)", line):
        path = found[1]
        return f"{path} leads nowhere new", lambda record: _complains(record) and path in record["message"]
    if found := re.search(r'"Plugin is duplicate".*plugin with ID \\"([^\\]+)\\"', line):
        plugin = found[1]
        return (
            f"{plugin} is there twice",
            lambda record: _complains(record) and record.get("plugin_id") == plugin,
        )
    if found := re.search(r'"Registering plugin".* id=(\S+)', line):
        plugin = found[1]
        return f"plugin {plugin} was found", lambda record: plugin in record["message"].split()
    if found := re.search(r'"Failed to (?:start|init) plugin\.?".*?(?:pluginId|plugin)=(\S+)', line):
        plugin = found[1]
        return (
            f"plugin {plugin} did not start",
            lambda record: (
                record.get("plugin_id") == plugin and record.get("state") in {"backing off", "failed"}
            ),
        )
    return None


def names_path(path: str) -> Check:
    """Some complaint of our log names the path."""

    def check(log: str) -> str | None:
        if any(_complains(record) and path in record["message"] for record in our_records(log)):
            return None
        return f"no warning or error names {path}"

    return check


def _is(record: Record, plugin: str, state: str) -> bool:
    return record.get("plugin_id") == plugin and record.get("state") == state


def _complains(record: Record) -> bool:
    return record.get("level") in {"warning", "error"}
