"""What is said about a file that does not run."""

from __future__ import annotations

import errno
import platform
from pathlib import Path

import pytest

from graftage.host.diagnosis import architecture, explain_refusal, explain_silence, who_ran

ELF_ARM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (ELF_ARM, "ELF for aarch64"),
        (b"\x7fELF\x01\x02\x01" + bytes(9) + b"\x00\x02\x00\x14", "ELF for machine 20"),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01", "Mach-O for arm64"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "Mach-O for several machines"),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0\x64\x86", "PE (Windows) for x86_64"),
        (b"MZ", "PE (Windows) for machine 0"),
        (b"#!/bin/sh\n", ""),
        (b"", ""),
    ],
)
def test_the_machine_is_read_from_the_first_bytes(start: bytes, told: str) -> None:
    assert architecture(start) == told


def test_this_interpreter_is_built_for_this_machine() -> None:
    start = Path("/proc/self/exe").read_bytes()[:64]
    assert architecture(start) == f"ELF for {platform.machine()}"


def test_silence_is_explained_with_the_files_mode_owner_and_machine(tmp_path: Path) -> None:
    file = tmp_path / "plugin"
    file.write_bytes(ELF_ARM)
    file.chmod(0o640)
    told = explain_silence(file, said_why=False)
    assert "-rw-r-----" in told
    assert f"ELF for aarch64, this machine is {platform.machine()}" in told
    assert "likely causes" in told


def test_a_file_that_is_gone_meanwhile_is_explained_all_the_same(tmp_path: Path) -> None:
    assert "cannot be looked at" in explain_silence(tmp_path / "gone", said_why=False)
    assert "there is no file" in explain_refusal(tmp_path / "gone", errno.ENOENT)


def test_a_binary_whose_loader_is_missing_is_built_for_another_system(tmp_path: Path) -> None:
    file = tmp_path / "plugin"
    file.write_bytes(ELF_ARM)
    assert "the loader that its format asks for does not exist" in explain_refusal(file, errno.ENOENT)


def test_any_other_refusal_is_told_in_the_systems_words(tmp_path: Path) -> None:
    assert "Argument list too long" in explain_refusal(tmp_path, errno.E2BIG)


def test_a_program_that_said_why_it_ended_needs_no_guesses(tmp_path: Path) -> None:
    assert "likely causes" not in explain_silence(tmp_path, said_why=True)


@pytest.mark.parametrize(
    ("content", "interpreter", "told"),
    [
        ("", "/venv/bin/python", "/venv/bin/python ran "),
        ("#!/usr/bin/env python3\n", "", "/usr/bin/env python3 ran "),
        ("\x7fELF", "", "the program is "),
    ],
)
def test_who_ran_a_script_is_told(tmp_path: Path, content: str, interpreter: str, told: str) -> None:
    file = tmp_path / "plugin"
    file.write_text(content)
    assert who_ran(file, interpreter) == f"{told}{file}"
    assert str(tmp_path / "gone") in who_ran(tmp_path / "gone", "")
