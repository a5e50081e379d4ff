"""Fuzz one target with libFuzzer: `python -m fuzz <target> [options and folders of libFuzzer]`.

Without a folder, new inputs are not kept. The process ends with another status than 0 at the first failure.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["graftage"]):
    from fuzz.targets import CORPUS, TARGETS

SECONDS_FOR_ONE_INPUT = 10
MEGABYTES = 1024


def main(name: str, *arguments: str) -> None:
    options = [f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS_FOR_ONE_INPUT}", "-print_final_stats=1"]
    folders = [argument for argument in arguments if Path(argument).is_dir()] or [str(CORPUS / name)]
    others = [argument for argument in arguments if not Path(argument).is_dir()]
    atheris.Setup([sys.argv[0], *options, *others, *folders], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
