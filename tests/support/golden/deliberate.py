"""Where Graftage differs from the recordings on purpose. This file is the whole list.

Each rule names its reason in the HTTP specification, says which recorded cases it speaks of, and what must
be seen instead, as exactly as it can be said. A rule replaces parts of the expectation; several may speak of
one case, and the later one has the last word. That a case is caught by a rule is no pass: what the rule
demands is checked, even where the recorded answer was given.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.golden import json_text, modern_query, simple_json, version_2
from support.golden.bodies import (
    METRIC_REQUEST_ERROR,
    failed_call,
    line,
    message,
    metrics,
    results,
    the_message,
)
from support.golden.cases import Response
from support.golden.compare import Check, Expectation, has_parts, recorded_body, same_json
from support.golden.engine import RIGHT_ENGINE
from support.golden.expected_results import (
    expected_results,
    has_infinity,
    has_nan_in_series,
    unknown_kinds,
)
from support.golden.found_plugins import found_plugins
from support.golden.log_facts import says_the_same
from support.golden.moments import nonsense, reread
from support.golden.our_forwarding import forwarded
from support.golden.our_sources import as_ours, our_sources, refused_update, sources_in, written_source
from support.golden.run_folder import installed_ids
from support.golden.situation import Situation, current_request, known_ids, written_settings

DEADLINE_EXCEEDED = 4
UNIMPLEMENTED = 12
_INVALID_ID = "Invalid data source ID"
_HANDLER_TYPE = "application/json"
_BEFORE_HANDLER_TYPE = "application/json; charset=UTF-8"
_USUAL_HEADERS = (
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Expires", "-1"),
    ("X-Frame-Options", "deny"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Xss-Protection", "1; mode=block"),
)

_RESOURCE = re.compile("/api/(?:datasources/(?:uid/)?|plugins/)[^/]+/resources/(.*)")

# What the recorded server found out only after it had looked at the times, or would have.
_AFTER_TIMES = frozenset({_INVALID_ID, "Unable to load data source metadata", METRIC_REQUEST_ERROR})


@dataclass(frozen=True, slots=True)
class Rule:
    """reason: cites the specification. applies: to which recorded case. instead: what must be seen of it."""

    reason: str
    applies: Callable[[Situation], bool]
    instead: Callable[[Situation, Expectation], Expectation]


def _refused(expected: Expectation, body: Check) -> Expectation:
    """400 from the handler, and no plugin is asked."""
    return dataclasses.replace(
        expected,
        status=400,
        content_type=_HANDLER_TYPE,
        body=body,
        plugin_requests=(),
        upstream_requests=None,
    )


def _answered(situation: Situation, expected: Expectation, response: Any) -> Expectation:
    """What a plugin's response leads to when nothing in it is lost."""
    shown, failure = expected_results(response)
    return dataclasses.replace(
        expected,
        status=400 if failure or bool(unknown_kinds(response)) else 200,
        content_type=_HANDLER_TYPE,
        body=_ended(situation, results(shown, "", open_errors=unknown_kinds(response))),
    )


def _ended(situation: Situation, check: Check) -> Check:
    """As results end on this route."""
    return line(check) if situation.route.rstrip("/") == modern_query.ROUTE else check


# Which data source.


def _asks_for_id_zero(situation: Situation) -> bool:
    return situation.is_query and situation.data_source_ids[:1] == [0] and None not in situation.queries


def _asks_null(situation: Situation) -> bool:
    return situation.is_query and situation.status == 500 and None in situation.queries


def _asks_several_sources(situation: Situation) -> bool:
    return (
        situation.is_query
        and not modern_query.asks_by_uid(situation)
        and situation.case.plugin_request is not None
        and len(set(situation.data_source_ids)) > 1
        and not _asks_null(situation)
    )


def _each_its_own(situation: Situation, expected: Expectation) -> Expectation:
    """One request for each data source, with its own queries; the answers of all side by side."""
    if not set(situation.data_source_ids) <= known_ids(situation.before):
        return _refused(expected, the_message(_INVALID_ID))
    recorded, ids = reread(situation), situation.data_source_ids
    requests = []
    for number in dict.fromkeys(ids):
        own = [query for query, source in zip(recorded["queries"], ids, strict=True) if source == number]
        source = recorded["datasource"] if number == ids[0] else written_settings(situation, number)
        if source["type"] == recorded["datasource"]["type"]:
            requests.append({**recorded, "queries": own, "datasource": source})
    if len(requests) < len(set(ids)):
        # What plugins of other types answer is not in the recording; who was asked what still is.
        return dataclasses.replace(expected, status=None, body=None, plugin_requests=tuple(requests))
    scripts = [_script(request["queries"]) for request in requests]
    answered = _answered(situation, expected, {"results": [result for one in scripts for result in one]})
    return dataclasses.replace(answered, plugin_requests=tuple(requests))


def _script(queries: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """The results that the scripted plugin gives to these queries."""
    models = (json.loads(query["modelJson"]) for query in queries)
    script: Mapping[str, Any] = next((model["probe"] for model in models if "probe" in model), {})
    results: Sequence[Any] = script.get("response", {}).get("results", ())
    return results


# Which time.


def _has_nonsense(situation: Situation) -> bool:
    """Is there a text that is no time, in a request that was not refused for something that comes first?"""
    went_on = situation.case.plugin_request is not None or situation.message in _AFTER_TIMES
    return went_on and nonsense(situation) is not None


def _says_what_is_no_time(situation: Situation, expected: Expectation) -> Expectation:
    text = nonsense(situation) or ""
    return _refused(expected, message(lambda said: text in said, f"quotes {text!r}"))


def _has_misread_time(situation: Situation) -> bool:
    return bool(reread(situation) != situation.case.plugin_request)


def _as_read(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(expected, plugin_requests=(reread(situation),))


# What the plugin said.


def _holds_what_json_cannot(situation: Situation) -> bool:
    response = situation.scripted
    return (
        situation.is_query
        and response is not None
        and situation.case.plugin_request is not None
        and (has_infinity(response) or (situation.status == 500 and has_nan_in_series(response)))
    )


def _holds_unknown_kind(situation: Situation) -> bool:
    response = situation.scripted
    return situation.is_query and response is not None and bool(unknown_kinds(response))


def _fails_in_several_ways(situation: Situation) -> bool:
    if not situation.is_query or situation.scripted is None or situation.case.plugin_request is None:
        return False
    errors = {one.get("error") for one in situation.scripted.get("results", ()) if one.get("error")}
    return len(errors) > 1


def _from_response(situation: Situation, expected: Expectation) -> Expectation:
    return _answered(situation, expected, situation.scripted)


# When the call fails.


def _call_failed(situation: Situation) -> bool:
    return (
        situation.is_query
        and situation.message == METRIC_REQUEST_ERROR
        and not _holds_unknown_kind(situation)
        and not _asked_while_down(situation)
    )


def _says_why(situation: Situation, expected: Expectation) -> Expectation:
    action = situation.action or {}
    code = action.get("rpc_code")
    # What a plugin does not implement is told in our own words.
    error = None if code == UNIMPLEMENTED else action.get("rpc_error") or None
    return dataclasses.replace(
        expected,
        status=504 if code == DEADLINE_EXCEEDED else 500,
        content_type=_HANDLER_TYPE,
        body=_ended(situation, failed_call(situation.ref_ids, error)),
    )


def _asked_while_down(situation: Situation) -> bool:
    """Did the recorded plugin miss a request that it was ready to answer, because it had ended before?"""
    ended = any(
        {"exit", "panic"} & set((case.plugin_response or {}).get("$action", {})) for case in situation.before
    )
    return (
        situation.is_query
        and situation.status == 500
        and situation.message == METRIC_REQUEST_ERROR
        and situation.scripted is not None
        and situation.case.plugin_request is None
        and ended
    )


def _waits_for_the_restart(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(_answered(situation, expected, situation.scripted), plugin_requests=None)


# What plugins of version 2 are asked and say, and who is asked by uid.


def _shows_verbatim(situation: Situation, expected: Expectation) -> Expectation:
    shown = version_2.expected_results(situation.scripted)
    return dataclasses.replace(expected, body=_ended(situation, results(shown, "")))


def _by_uid(situation: Situation, expected: Expectation) -> Expectation:
    ids = modern_query.source_ids(situation)
    if None in ids:
        return _not_found(expected, "Data source not found")
    answers = modern_query.script(situation)
    if len(set(ids)) > 1 or not modern_query.is_series_only(answers):
        # The recording says nothing of what frames these would be.
        return dataclasses.replace(expected, status=None, body=None, plugin_requests=None)
    asked = situation.case.plugin_request or modern_query.request(situation, ids[0] or 0)
    return dataclasses.replace(
        expected,
        status=200,
        content_type=_HANDLER_TYPE,
        body=results(modern_query.answer(answers), ""),
        plugin_requests=(asked,),
    )


def _not_found(expected: Expectation, text: str) -> Expectation:
    """404 from the handler, and no plugin is asked."""
    return dataclasses.replace(_refused(expected, the_message(text)), status=404)


def _checks_health_by_uid(situation: Situation) -> bool:
    return re.fullmatch("/api/datasources/uid/[^/]+/health", situation.route) is not None


def _has_no_health(situation: Situation, expected: Expectation) -> Expectation:
    """The data sources of the recordings that are asked so are of version 1."""
    return _not_found(expected, "Not found")


def _answers_nothing(situation: Situation) -> bool:
    found = _RESOURCE.fullmatch(situation.route)
    return found is not None and found[1] == "empty" and situation.status == 200


def _fails_without_answer(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(
        expected,
        status=500,
        content_type=_BEFORE_HANDLER_TYPE,
        headers=_USUAL_HEADERS,
        body=the_message("Failed to call resource"),
    )


def _called_while_down(situation: Situation) -> bool:
    """Did a call other than a query miss the plugin because a call before it had ended it?"""
    ended = any(
        case.request is not None
        and (found := _RESOURCE.fullmatch(case.request.route)) is not None
        and found[1] == "exit"
        for case in situation.before
    )
    called = _RESOURCE.fullmatch(situation.route) or situation.route.endswith("/health")
    return ended and bool(called) and situation.case.plugin_request is None


def _as_before_the_end(situation: Situation, expected: Expectation) -> Expectation:
    """The answer that the same request got while the plugin was there; where none asked after its health,
    what it says unless it is told otherwise.
    """
    well = Response(200, _HANDLER_TYPE, _USUAL_HEADERS, '{"message":"probe ok","status":"OK"}')
    answers = [case.response for case in situation.before if case.request == situation.case.request]
    answer = next((one for one in reversed(answers) if one is not None), well)
    return dataclasses.replace(
        expected,
        status=answer.status,
        content_type=answer.content_type,
        headers=answer.headers,
        body=recorded_body(answer, ()),
        plugin_requests=None,
    )


# What is configured.


def _asks_something_stale(situation: Situation) -> bool:
    return (
        situation.case.plugin_request is not None
        and current_request(situation) != situation.case.plugin_request
    )


def _as_written(situation: Situation, expected: Expectation) -> Expectation:
    request = dataclasses.replace(situation.case, plugin_request=reread(situation))
    current = current_request(situation.of(request))
    if current is None:
        return _refused(expected, the_message(_INVALID_ID))
    return dataclasses.replace(expected, plugin_requests=(current,))


# What our own plugin says, and what reaches a server behind a data source.
#
# That our plugins are shown in version 1 here is no difference: the recorded ones knew no other, and a plugin
# that knows no other is answered as recorded. Ours know both, and would be asked in version 2, by Grafana 7.5
# as well; so the run folder keeps them to what was recorded.


def _asks_simple_json(situation: Situation) -> bool:
    if not situation.is_query or not situation.case.upstream_requests or not situation.data_source_ids:
        return False
    written = situation.last_write(situation.data_source_ids[0])
    return written is not None and (written_source(written) or {}).get("type") == simple_json.PLUGIN_ID


def _read_with_care(situation: Situation, expected: Expectation) -> Expectation:
    models = [json.loads(json_text.dump(query)) for query in situation.queries]
    answer = simple_json.response(situation.case.upstream_reply or {}, models)
    shown, _ = expected_results(answer)
    failed = [ref_id for ref_id, one in shown.items() if "error" in one]
    return dataclasses.replace(
        expected,
        status=400 if failed else 200,
        body=_ended(situation, results(shown, "", open_errors=failed)),
        upstream_requests=simple_json.asked((situation.case.upstream_requests or ())[0], models),
    )


def _forwards_too_much(situation: Situation) -> bool:
    requests = situation.case.upstream_requests
    return (
        situation.route.startswith("/api/datasources/proxy/")
        and bool(requests)
        and (list(requests or ()) != list(forwarded(situation)))
    )


def _forwards_what_it_should(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(expected, upstream_requests=tuple(forwarded(situation)))


# What is shown of data sources.


def _shows_sources(situation: Situation) -> bool:
    return _with_our_sources(situation) is not None


def _with_our_sources(situation: Situation) -> str | None:
    """The recorded body with data sources as ours shows them; None where that is no difference."""
    text = situation.case.response.body_text if situation.case.response else None
    if not situation.route.startswith("/api/datasources") or text is None or situation.case.response is None:
        return None
    if _our_refusal(situation) is not None:
        return None
    body = situation.case.response.json()
    if not any(sources_in(body)):
        return None
    ours = as_ours(text, our_sources([*situation.before, situation.case]))
    return None if same_json(text)(ours) is None else ours


def _our_sources_shown(situation: Situation, expected: Expectation) -> Expectation:
    text = _with_our_sources(situation) or ""
    return dataclasses.replace(expected, body=same_json(text, situation.case.volatile))


def _our_refusal(situation: Situation) -> tuple[int, str] | None:
    """How ours refuses an update that got past its body's checks, if it does."""
    if situation.method != "PUT" or situation.status not in {200, 409, 500}:
        return None
    return refused_update(our_sources(situation.before), situation.case)


def _refuses_otherwise(situation: Situation) -> bool:
    refusal = _our_refusal(situation)
    return refusal is not None and refusal != (situation.status, situation.message)


def _refuses_rightly(situation: Situation, expected: Expectation) -> Expectation:
    status, text = _our_refusal(situation) or (0, "")
    return dataclasses.replace(expected, status=status, content_type=_HANDLER_TYPE, body=the_message(text))


# A case that ours cannot even be asked: what it is about does not come to be.

CLIENT_MADE_READ_ONLY = "section 16 row 19: a client cannot make a data source read-only (not sent)"


def is_about_client_made_read_only(situation: Situation) -> bool:
    """Did a client of 6.3 ask for a read-only data source, and is this about what became of it?

    To be asked of cases that the recording on 7.5.5 left out, where there is one.
    """
    if situation.case.engine == RIGHT_ENGINE or not situation.route.startswith("/api/datasources"):
        return False
    asked = (case.request.json() for case in situation.before if case.request is not None)
    return any(isinstance(body, dict) and body.get("readOnly") is True for body in asked)


# What the server finds and says.


def _refused_to_start(situation: Situation) -> bool:
    return (
        situation.case.request is None
        and situation.case.exit_code is not None
        and any(path.startswith("plugins/") for path in situation.setup.files)
    )


def _runs_with_the_rest(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(expected, exit_code=None, plugins=frozenset(found_plugins(situation.setup)))


def _listed(situation: Situation) -> Sequence[Any]:
    """What was kept of a recorded list of plugins: ids, or objects with some of the keys."""
    listed = situation.case.response.parts.get("plugins", ()) if situation.case.response else ()
    return () if any(isinstance(one, list) for one in listed) else listed


def _hides_plugins(situation: Situation) -> bool:
    listed = {one if isinstance(one, str) else one["id"] for one in _listed(situation)}
    kept = situation.case.response is not None and "plugins" in situation.case.response.parts
    return kept and bool(situation.setup.symlinks) and not found_plugins(situation.setup).keys() <= listed


def _lists_all(situation: Situation, expected: Expectation) -> Expectation:
    by_name = sorted(found_plugins(situation.setup).values(), key=lambda plugin: str(plugin.get("name")))
    return dataclasses.replace(expected, body=has_parts({"plugins": [plugin["id"] for plugin in by_name]}))


def _lists_core_plugins(situation: Situation) -> bool:
    return (
        situation.route == "/api/plugins"
        and situation.case.response is not None
        and ("ids" in situation.case.response.parts)
    )


# What the recorded server knew without a plugin of ours, and what a call to a type that nobody knows says.
_CORE_TYPES = frozenset({"graphite"})
_NO_PLUGIN = "Unable to find datasource plugin"


def _calls_core_source(situation: Situation) -> bool:
    found = re.fullmatch("/api/datasources/([0-9]+)/(health|resources(/.*)?)", situation.route)
    written = situation.last_write(int(found[1])) if found else None
    return written is not None and (written_source(written) or {}).get("type") in _CORE_TYPES


def _knows_no_such_plugin(situation: Situation, expected: Expectation) -> Expectation:
    return dataclasses.replace(expected, status=500, body=the_message(_NO_PLUGIN), plugin_requests=())


def _lists_installed(situation: Situation, expected: Expectation) -> Expectation:
    assert situation.case.response is not None
    installed = found_plugins(situation.setup).keys() | installed_ids(situation.setup)
    listed = [one for one in situation.case.response.parts["ids"] if one in installed]
    return dataclasses.replace(expected, body=has_parts({"ids": listed}))


def _wavers(situation: Situation) -> bool:
    return any(" or " in one["name"] for one in _listed(situation) if isinstance(one, Mapping))


def _takes_the_first(situation: Situation, expected: Expectation) -> Expectation:
    found = found_plugins(situation.setup)
    listed = [
        {**one, "name": found[one["id"]]["name"]} if " or " in one["name"] else one
        for one in _listed(situation)
    ]
    return dataclasses.replace(expected, body=has_parts({"plugins": listed}))


def _is_log(situation: Situation) -> bool:
    return situation.case.log is not None


def _in_our_words(situation: Situation, expected: Expectation) -> Expectation:
    """Lines about a refusal to start are not looked at where the server starts."""
    lines = [
        told
        for told in situation.case.log or ()
        if not told.startswith("service init failed: failed to scan")
    ]
    waited_for = sum(map(_asked_while_down, map(situation.of, situation.before)))
    for told in [told for told in lines if "Metric request error" in told][:waited_for]:
        lines.remove(told)
    return dataclasses.replace(expected, log=says_the_same(lines))


def _is_metrics(situation: Situation) -> bool:
    return situation.case.response is not None and "lines_about_plugins" in situation.case.response.parts


def _our_metrics(situation: Situation, expected: Expectation) -> Expectation:
    assert situation.case.response is not None
    lines = situation.case.response.parts["lines_about_plugins"]
    return dataclasses.replace(expected, body=metrics(lines, installed_ids(situation.setup)))


# Refusals stand last among the rules about queries, so that what is refused is not asked, whatever a plugin
# would have said.
RULES: Sequence[Rule] = (
    Rule(
        "section 16 rows 12 and 13, section 4.3: all forms of either engine, far dates and weeks are read",
        _has_misread_time,
        _as_read,
    ),
    Rule(
        "section 16 rows 4 and 5: an infinity, and NaN in a table, is null",
        _holds_what_json_cannot,
        _from_response,
    ),
    Rule(
        "section 16 row 6: an unknown value kind is an error under its refId",
        _holds_unknown_kind,
        _from_response,
    ),
    Rule(
        "section 16 row 7: the message is the error of the first refId",
        _fails_in_several_ways,
        _from_response,
    ),
    Rule(
        "section 16 row 8: a failed call says why under each refId, and is 504 when it took too long",
        _call_failed,
        _says_why,
    ),
    Rule(
        "section 16 row 10: a query during a restart waits for it",
        _asked_while_down,
        _waits_for_the_restart,
    ),
    Rule("section 16 row 10: so does any other call", _called_while_down, _as_before_the_end),
    Rule(
        "section 16 row 14: plugins are told the uid of the data source",
        version_2.lacks_uid,
        lambda situation, expected: dataclasses.replace(
            expected, plugin_requests=(version_2.with_uid(situation),)
        ),
    ),
    Rule(
        "section 16 row 14: an error is shown as it was written, and meta as JSON",
        lambda situation: situation.is_query and version_2.is_garbled(situation.scripted),
        _shows_verbatim,
    ),
    Rule(
        "section 16 row 27: a plugin that answers a resource with nothing is 500",
        _answers_nothing,
        _fails_without_answer,
    ),
    Rule(
        "sections 6 and 15: who names a data source by uid is answered with frames as JSON",
        modern_query.asks_by_uid,
        _by_uid,
    ),
    Rule(
        "section 15: the health of a data source can be asked by uid", _checks_health_by_uid, _has_no_health
    ),
    Rule(
        "README of the Simple JSON example: it asks for each query and keeps numbers, nulls, rows and errors",
        _asks_simple_json,
        _read_with_care,
    ),
    Rule(
        "section 16 row 3: every query goes to the data source it names", _asks_several_sources, _each_its_own
    ),
    Rule("section 16 row 11: what was written is what is asked", _asks_something_stale, _as_written),
    Rule(
        "section 16 row 1, section 4.2: data source 0 is as unknown as any other: 400",
        _asks_for_id_zero,
        lambda situation, expected: _refused(expected, the_message(_INVALID_ID)),
    ),
    Rule(
        "section 16 row 12, section 4.3: a text that is no time is 400, with the text",
        _has_nonsense,
        _says_what_is_no_time,
    ),
    Rule(
        "section 16 row 2: null in queries is 400, with where it stands",
        _asks_null,
        lambda situation, expected: _refused(
            expected, message(lambda said: "null" in said, "speaks of null")
        ),
    ),
    Rule(
        "section 16 rows 21 and 25: the caller's credentials stay here, its address is added once",
        _forwards_too_much,
        _forwards_what_it_should,
    ),
    Rule(
        "section 16 rows 15, 18 and 20: versions count up, an empty text replaces, passwords are not shown",
        _shows_sources,
        _our_sources_shown,
    ),
    Rule(
        "section 16 rows 15 to 17: an update is 404, 403 or 409 where it cannot go through",
        _refuses_otherwise,
        _refuses_rightly,
    ),
    Rule(
        "section 16 row 31: one bad plugin.json, or a link, does not stop the server",
        _refused_to_start,
        _runs_with_the_rest,
    ),
    Rule("section 16 rows 31 and 32: a link hides no other plugin", _hides_plugins, _lists_all),
    Rule("section 9: no plugin comes with this server", _lists_core_plugins, _lists_installed),
    Rule(
        "section 9: no data source comes with this server either", _calls_core_source, _knows_no_such_plugin
    ),
    Rule("section 16 row 31: of two plugins with one id the first by path wins", _wavers, _takes_the_first),
    Rule("section 13.2: the log says the same in our own words", _is_log, _in_our_words),
    Rule(
        "section 3: the metrics about plugins and data sources, without quantiles and Go",
        _is_metrics,
        _our_metrics,
    ),
)
