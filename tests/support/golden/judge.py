"""One verdict for each replayed case: as recorded, deliberate, different, or not built yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from support.golden.cases import Case
from support.golden.compare import complaints, recorded
from support.golden.deliberate import RULES, Rule
from support.golden.not_built import FEATURES, Feature
from support.golden.observation import Observation
from support.golden.situation import Situation


class Verdict(StrEnum):
    AS_RECORDED = "as recorded"
    DELIBERATE = "deliberate"
    DIFFERENT = "different"
    NOT_BUILT = "not built yet"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one case. details: complaints of a different one, else the reasons."""

    case: Case
    verdict: Verdict
    details: tuple[str, ...] = ()


def judge(
    situation: Situation,
    seen: Observation,
    *,
    authority: str = "",
    rules: Sequence[Rule] = RULES,
    features: Sequence[Feature] = FEATURES,
) -> Judgement:
    """Compare what was seen with the recording and with our rules.

    Where a rule speaks of the case, what the rule says must hold: that the recording was matched is no
    excuse then. A case is not built yet only if it differs, and a feature that does not exist covers it.
    """
    expected = recorded(situation.case)
    reasons = (authority,) if authority else ()
    for rule in rules:
        if rule.applies(situation):
            expected = rule.instead(situation, expected)
            reasons = (*reasons, rule.reason)
    found = complaints(expected, seen)
    if not found:
        return Judgement(situation.case, Verdict.DELIBERATE if reasons else Verdict.AS_RECORDED, reasons)
    for feature in features:
        if feature.covers(situation, seen):
            return Judgement(situation.case, Verdict.NOT_BUILT, (feature.name, found[0]))
    return Judgement(
        situation.case, Verdict.DIFFERENT, (*found, *(f"although {reason}" for reason in reasons))
    )
