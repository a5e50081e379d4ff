"""Bodies that ours must have where a recorded one is not followed: checks for the rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from support.golden import json_text
from support.golden.compare import Check, exactly

METRIC_REQUEST_ERROR = "Metric request error"


def message(accept: Callable[[str], bool], what: str) -> Check:
    """An object with nothing but a `message`, which must be accepted."""

    def check(got: str) -> str | None:
        body = _parsed(got)
        if not isinstance(body, dict) or list(body) != ["message"] or not isinstance(body["message"], str):
            return f"expected an object with a message and no more, got {got[:400]}"
        return None if accept(body["message"]) else f"expected a message that {what}, got {body['message']!r}"

    return check


def the_message(text: str) -> Check:
    """An object with this `message` and no more, to the letter."""
    return exactly(json_text.dump({"message": text}))


def line(check: Check) -> Check:
    """The same with a line feed behind it."""

    def checked(got: str) -> str | None:
        if not got.endswith("\n"):
            return f"expected a line feed at the end, got {got[-40:]!r}"
        return check(got.removesuffix("\n"))

    return checked


def results(expected: Mapping[str, Any], failure: str, *, open_errors: Collection[str] = ()) -> Check:
    """The whole answer to a query, to the letter.

    failure: the `message` after the results; empty for none. open_errors: refIds whose error is in our own
    words: any text that says something; a failure that is one of them is "".
    """

    def check(got: str) -> str | None:
        body = _parsed(got)
        wanted: dict[str, Any] = {"results": dict(expected)}
        for ref_id in open_errors:
            error = _error(body, ref_id)
            if not error:
                return f"expected an error that says something under {ref_id!r}, got {got[:400]}"
            wanted["results"][ref_id] = {**expected[ref_id], "error": error}
        errors = [one["error"] for _, one in sorted(wanted["results"].items()) if one.get("error")]
        if failure or errors:
            wanted["message"] = failure or errors[0]
        return exactly(json_text.dump(wanted))(got)

    return check


def failed_call(ref_ids: Sequence[str], error: str | None) -> Check:
    """A call that failed as a whole: the same error under each refId. error: None for our own words."""
    failed: dict[str, Any] = {
        ref_id: {"error": error or "", "refId": ref_id, "series": [], "tables": None, "dataframes": None}
        for ref_id in ref_ids
    }
    return results(failed, METRIC_REQUEST_ERROR, open_errors=() if error else ref_ids)


# Names of section 3 that speak of plugins and data sources.
_SHARED_METRIC = re.compile(
    r"grafana_(api_dataproxy_request_all_milliseconds|api_response_status_total|datasource_\w+"
    r"|plugin_request_\w+|plugin_build_info|proxy_response_status_total)\b"
)
# Labels and numbers of these are everybody's own: the build, the handlers, and how often a data source is
# looked up, which the recorded server remembers for five seconds.
_BY_NAME_ONLY = (
    "grafana_build_info",
    "grafana_db_datasource_query_by_id_total",
    "http_request_total",
    "http_request_duration_milliseconds",
)


def metrics(recorded: Sequence[str], installed: Collection[str]) -> Check:
    """Prometheus text with the recorded lines about plugins and data sources.

    Not looked at: quantiles, which ours leaves out, and plugins that came with the recorded server.
    """
    wanted = [
        line
        for line in recorded
        if _SHARED_METRIC.search(line) and "quantile=" not in line and not _is_about_another(line, installed)
    ]

    def check(got: str) -> str | None:
        have = {form for line in got.splitlines() for form in (_number(line), re.sub(r" \S+$", " #", line))}
        missing = [line for line in wanted if line not in have]
        missing += [
            name for name in _BY_NAME_ONLY if not re.search(rf"^{name}(_count)?[{{ ]", got, re.MULTILINE)
        ]
        return f"missing {missing}" if missing else None

    return check


def _number(line: str) -> str:
    """A line with its number in the fewest letters: what is 1.0 to one program is 1 to another."""
    name, _, number = line.rpartition(" ")
    try:
        return line if line.startswith("#") else f"{name} {float(number):g}"
    except ValueError:
        return line


def _is_about_another(line: str, installed: Collection[str]) -> bool:
    plugin = re.search(r'plugin_id="([^"]*)"', line)
    return plugin is not None and plugin[1] not in installed


def _error(body: Any, ref_id: str) -> str:
    found = body.get("results", {}).get(ref_id, {}) if isinstance(body, dict) else {}
    error = found.get("error", "") if isinstance(found, dict) else ""
    return error if isinstance(error, str) and error.strip() else ""


def _parsed(text: str) -> Any:
    try:
        return json_text.parse(text)
    except ValueError:
        return None
