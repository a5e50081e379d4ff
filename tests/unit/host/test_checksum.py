"""The executable is the expected one, or nothing is started; what was checked is what is executed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
from pathlib import Path

import pytest

from graftage.errors import SettingsError
from graftage.host.checksum import BY_NAME, Checksum, ChecksumMismatch, checked
from graftage.host.host import is_hopeless
from graftage.host.launch import LaunchOptions, StartFailed, launch
from graftage.host.process import NotExecuted, run_process

SLEEP = Path(shutil.which("sleep") or "")


def checksum_of(path: Path) -> Checksum:
    return Checksum(hashlib.sha256(path.read_bytes()).digest())


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    return Path(shutil.copy(SLEEP, tmp_path / "binary"))


@pytest.mark.parametrize(
    ("digest", "algorithm", "complaint"),
    [
        (b"", "sha256", "there is no checksum"),
        (bytes(32), "", "there is no hash algorithm ''"),
        (bytes(32), "rot13", "there is no hash algorithm 'rot13'"),
        (bytes(31), "sha256", "has 32 bytes, and this one 31"),
    ],
)
def test_a_checksum_that_is_none_is_refused(digest: bytes, algorithm: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Checksum(digest, algorithm)


async def test_the_right_file_passes_each_time(binary: Path) -> None:
    expected = checksum_of(binary)
    for _ in range(2):  # the state of a hash is of one check
        async with checked(binary, expected) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), os.stat(binary))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_a_script_is_executed_by_its_name(script: Path) -> None:
    async with checked(script, checksum_of(script)) as descriptor:
        assert descriptor == BY_NAME


async def test_without_a_checksum_no_file_is_read(tmp_path: Path) -> None:
    async with checked(tmp_path / "missing", None) as descriptor:
        assert descriptor == BY_NAME


async def test_another_file_is_not_started(script: Path) -> None:
    expected = checksum_of(script)
    append(script, "touch started")
    with pytest.raises(ChecksumMismatch, match="is not the file that was expected") as refused:
        await started(script, expected)
    assert expected.digest.hex() in str(refused.value)
    assert is_hopeless(refused.value), "only somebody who repairs the file can help"


async def test_a_file_that_cannot_be_read_fails_like_one_that_cannot_be_executed(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="did not start") as failed:
        await started(tmp_path / "missing", Checksum(bytes(32)))
    assert isinstance(failed.value.__cause__, NotExecuted)
    assert is_hopeless(failed.value)


async def test_what_was_checked_is_executed_although_another_file_takes_its_name(
    tmp_path: Path, binary: Path, script: Path
) -> None:
    async with checked(binary, checksum_of(binary)) as descriptor:
        os.replace(script, binary)
        async with run_process(binary, {}, descriptor=descriptor) as process:
            async with asyncio.timeout(5):
                await process.exited.wait()
            # `sleep` without an argument complains and ends with 1; the script would end with 3.
            assert process.exit.result().code == 1
            assert b"missing operand" in process.stderr.read()


async def test_a_program_executed_by_descriptor_inherits_no_other(binary: Path, tmp_path: Path) -> None:
    shell = Path(shutil.copy(shutil.which("ls") or "", tmp_path / "ls"))
    async with (
        checked(shell, checksum_of(shell)) as descriptor,
        run_process(shell, {}, descriptor=descriptor) as process,
    ):
        async with asyncio.timeout(5):
            await process.exited.wait()
        assert process.exit.result().clean


def append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


async def started(path: Path, expected: Checksum) -> None:
    async with launch(
        path,
        plugin_id="checked",
        options=LaunchOptions(start_timeout=5),
        logger=logging.getLogger("host"),
        checksum=expected,
    ):
        pytest.fail("it started")
