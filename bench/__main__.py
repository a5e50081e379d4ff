"""Measure everything, print a table, write build/bench.json.

    python -m bench [--strict]

--strict: the exit status is 1 when a number does not hold. Without it only a measurement that failed is an
error: machines are shared and noisy, and what to make of a number is for people to say.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bench.arrow import arrow
from bench.calls import calls
from bench.codec import codec
from bench.frame_json import frame_json
from bench.number import Number
from bench.startup import startup
from bench.twins import twins
from graftage.cli.show import console_for

RESULT = Path(__file__).parent.parent / "build" / "bench.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a number does not hold")
    strict = parser.parse_args().strict
    over_the_wire = [*asyncio.run(calls()), *asyncio.run(twins())]
    numbers = [*over_the_wire, *codec(), *arrow(), *frame_json(), startup()]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([number.to_json() for number in numbers], indent=2) + "\n", encoding="utf-8")
    console_for(sys.stdout).print(_table(numbers))
    return 1 if strict and not all(number.holds for number in numbers) else 0


def _table(numbers: list[Number]) -> Table:
    table = Table(header_style="dim")
    table.add_column("measured")
    for name in ("value", "target"):
        table.add_column(name, justify="right")
    table.add_column("holds")
    table.add_column("made of", style="dim")
    for number in numbers:
        target = "" if number.target is None else f"{number.bound} {number.target:.2f}"
        holds = Text("yes", style="green") if number.holds else Text("no", style="bold red")
        if number.target is None:
            holds = Text("")
        table.add_row(number.name, f"{number.value:.2f} {number.unit}", target, holds, number.note)
    return table


if __name__ == "__main__":
    sys.exit(main())
