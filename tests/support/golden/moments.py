"""The moments of a recorded plugin request, and where their texts really point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.golden.json_text import Number
from support.golden.situation import Situation
from support.golden.times import reading

A_YEAR_MS = 366 * 86_400_000


def moments(situation: Situation) -> Mapping[str, tuple[str, bool]]:
    """Texts of a v1 request by the key of their moment, with whether it is an end."""
    texts = (situation.case.plugin_request or {}).get("timeRange", {})
    if "fromRaw" not in texts:
        return {}
    return {"fromEpochMs": (texts["fromRaw"], False), "toEpochMs": (texts["toRaw"], True)}


def nonsense(situation: Situation) -> str | None:
    """The first text of a query that is no moment."""
    texts = (situation.envelope.get(key) for key in ("from", "to")) if situation.is_query else ()
    return next((text for text in texts if _is_nonsense(text)), None)


def _is_nonsense(text: Any) -> bool:
    return isinstance(text, str) and not isinstance(text, Number) and reading(text, 0, end=False) is None


def reread(situation: Situation) -> Any:
    """The plugin request with every moment that is not where its text points put there."""
    request, stamps = situation.case.plugin_request, situation.case.sent_at
    if not moments(situation) or nonsense(situation) is not None:
        return request
    times = dict(request["timeRange"])
    for key, (text, end) in moments(situation).items():
        earliest, latest = (reading(text, stamp, end=end) for stamp in stamps or (0, A_YEAR_MS))
        if stamps is None and earliest != latest:
            continue  # relative to a clock that was not recorded
        if earliest is not None and latest is not None and not earliest <= int(times[key]) <= latest:
            times[key] = str(earliest)
    return {**request, "timeRange": times}
