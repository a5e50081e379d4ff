"""What a person reads after a replay: a line for each area on screen, and the whole story in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from support.golden.areas import AreaReport, Outcome
from support.golden.judge import Verdict


def summary(report: AreaReport) -> str:
    """`http-api: 1 as recorded, 2 deliberate, 3 different, 4 not built yet`"""
    return f"{report.area}: " + ", ".join(f"{report.counts[verdict]} {verdict}" for verdict in Verdict)


def story(reports: Sequence[AreaReport]) -> str:
    """Every difference with its name and where it begins, then what differs on purpose and why, then what
    is not built.
    """
    return "\n".join(line for report in reports for line in _area(report)) + "\n"


def _area(report: AreaReport) -> Iterator[str]:
    yield summary(report)
    different = [outcome for outcome in report.outcomes if outcome.verdict is Verdict.DIFFERENT]
    if different:
        yield "\nDifferent"
    for outcome in different:
        yield f"  {outcome.name}"
        yield from (f"      {detail}" for detail in outcome.details)
    yield from _by_reason("Deliberate", report, Verdict.DELIBERATE)
    yield from _by_reason("Not built yet", report, Verdict.NOT_BUILT)
    yield ""


def _by_reason(title: str, report: AreaReport, verdict: Verdict) -> Iterator[str]:
    """Cases under what they share, so that one look shows whether a rule catches more than it should."""
    grouped: dict[str, list[Outcome]] = {}
    for outcome in report.outcomes:
        if outcome.verdict is verdict:
            reasons = outcome.details[:1] if verdict is Verdict.NOT_BUILT else outcome.details
            grouped.setdefault("; ".join(reasons), []).append(outcome)
    if grouped:
        yield f"\n{title}"
    for reason, outcomes in sorted(grouped.items()):
        yield f"  {reason} ({len(outcomes)})"
        names = Counter(outcome.name for outcome in outcomes)
        yield from (f"      {name}" for name in names)
