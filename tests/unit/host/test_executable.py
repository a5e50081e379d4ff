"""Which file is launched, and what is said when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from graftage.host.executable import ExecutableError, find_executable, go_architecture


def put(path: Path, mode: int = 0o755, content: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def found(folder: Path, stem: str = "tool", *, within: Path | None = None) -> tuple[str, ...]:
    launched = find_executable(folder, stem, "Linux", "x86_64", within=within)
    return (launched.interpreter, str(launched.path)) if launched.interpreter else (str(launched.path),)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "tool_linux_amd64"),
        ("Linux", "aarch64", "tool_linux_arm64"),
        ("Linux", "armv7l", "tool_linux_arm"),
        ("Linux", "i686", "tool_linux_386"),
        ("Linux", "riscv64", "tool_linux_riscv64"),
        ("Darwin", "arm64", "tool_darwin_arm64"),
        ("FreeBSD", "amd64", "tool_freebsd_amd64"),
        ("Windows", "AMD64", "tool_windows_amd64.exe"),
    ],
)
def test_the_binary_is_named_as_go_names_system_and_architecture(tmp_path, system, machine, name):
    binary = put(tmp_path / name)
    assert find_executable(tmp_path, "tool", system, machine).path == binary


def test_go_s_own_name_of_an_architecture_stays():
    assert go_architecture("s390x") == "s390x"


def test_a_stem_may_name_a_folder(tmp_path):
    binary = put(tmp_path / "dist" / "tool_linux_amd64")
    assert found(tmp_path, "dist/tool") == (str(binary),)


def test_the_binary_comes_before_the_script_and_the_script_before_the_bare_name(tmp_path):
    names = ["tool", "tool.py", "tool_linux_amd64"]
    for name in names:
        assert found_after_putting(tmp_path / name) == (str(tmp_path / name),)


def found_after_putting(path: Path) -> tuple[str, ...]:
    put(path)
    return found(path.parent)


@pytest.mark.parametrize(
    ("mode", "content", "interpreter"),
    [
        (0o755, "#!/usr/bin/env python3\n", ()),
        (0o644, "#!/usr/bin/env python3\n", (sys.executable,)),
        (0o755, "import graftage\n", (sys.executable,)),
    ],
)
def test_a_script_starts_by_itself_if_it_can_and_is_read_by_the_host_s_python_otherwise(
    tmp_path, mode, content, interpreter
):
    script = put(tmp_path / "tool.py", mode, content)
    assert found(tmp_path) == (*interpreter, str(script))


def nothing(folder: Path) -> None:
    pass


def other_architectures(folder: Path) -> None:
    put(folder / "tool_linux_arm64")
    put(folder / "tool_darwin_amd64")


def no_exec_bit(folder: Path) -> None:
    put(folder / "tool_linux_amd64", 0o644)


def no_exec_bit_on_the_bare_name(folder: Path) -> None:
    put(folder / "tool", 0o644)


def a_link_to_nothing(folder: Path) -> None:
    (folder / "tool_linux_amd64").symlink_to("gone")


def a_folder(folder: Path) -> None:
    (folder / "tool").mkdir()


@pytest.mark.parametrize(
    ("there", "stem", "complaint"),
    [
        (nothing, "tool", "no tool_linux_amd64, tool.py or executable tool in .*; install the build"),
        (nothing, "dist/tool", "in .*/dist: No such file or directory"),
        (other_architectures, "tool", "only tool_darwin_amd64, tool_linux_arm64; install the build for this"),
        (no_exec_bit, "tool", r"tool_linux_amd64 may not be executed by the host's user; chmod \+x it"),
        (no_exec_bit_on_the_bare_name, "tool", r"/tool may not be executed .* chmod \+x"),
        (a_link_to_nothing, "tool", "link that leads to no file"),
        (a_folder, "tool", "no tool_linux_amd64"),
        (nothing, "", 'names no "executable"; add it'),
        (nothing, ".", "not the name of a file"),
        (nothing, "dist/", "not the name of a file"),
        (nothing, "to\0ol", "not the name of a file"),
        (nothing, "../tool", "leads out of"),
        (nothing, "a/../../tool", "leads out of"),
        (nothing, "/bin/sh", "leads out of"),
    ],
)
def test_without_a_file_to_launch_the_error_says_what_was_looked_for_and_what_is_there(
    tmp_path, there, stem, complaint
):
    there(tmp_path)
    with pytest.raises(ExecutableError, match=complaint):
        found(tmp_path, stem)


def test_a_data_source_inside_an_app_may_use_the_app_s_binary(tmp_path):
    binary = put(tmp_path / "tool_linux_amd64")
    nested = tmp_path / "datasource"
    nested.mkdir()
    assert found(nested, "../tool", within=tmp_path) == (str(binary),)
    with pytest.raises(ExecutableError, match="leads out of"):
        found(nested, "../../tool", within=tmp_path)


def test_a_link_to_a_binary_elsewhere_is_the_operator_s_choice(tmp_path):
    elsewhere = put(tmp_path / "build" / "output")
    folder = tmp_path / "plugin"
    folder.mkdir()
    os.symlink(elsewhere, folder / "tool_linux_amd64")
    assert found(folder) == (str(folder / "tool_linux_amd64"),)
