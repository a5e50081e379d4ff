"""The committed protobuf modules are what the .proto files say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"
PROTOS = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.proto"))


@pytest.mark.parametrize("proto", PROTOS, ids=str)
def test_generated_modules_are_fresh(proto: Path, tmp_path: Path) -> None:
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "-I",
            SOURCE,
            f"--python_out={tmp_path}",
            f"--pyi_out={tmp_path}",
            proto,
        ],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for suffix in ("_pb2.py", "_pb2.pyi"):
        module = proto.with_name(proto.stem + suffix)
        assert (SOURCE / module).read_text() == (tmp_path / module).read_text(), "run `make proto`"


def test_there_are_protos_to_check() -> None:
    assert PROTOS
