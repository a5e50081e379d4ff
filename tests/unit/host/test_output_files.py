"""Files of output stay within their bounds, and hold what was written last."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from graftage.host.copies import Copies
from graftage.host.output_files import OutputFile, output_files


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("portions", "files"),
    [
        ([], {}),
        ([b"12345", b"67890"], {"p.log": b"1234567890"}),
        ([b"12345", b"67890", b"x"], {"p.log": b"x", "p.log.1": b"1234567890"}),
        ([b"12345", b"67890", b"x", b"1234567890", b"y"], {"p.log": b"y", "p.log.1": b"1234567890"}),
        ([b"a", b"longer than the limit", b"b"], {"p.log": b"b", "p.log.1": b"longer than the limit"}),
    ],
)
def test_a_full_file_becomes_the_old_one(
    tmp_path: Path, portions: list[bytes], files: dict[str, bytes]
) -> None:
    with closing(OutputFile(tmp_path / "p.log", limit=10)) as file:
        for portion in portions:
            file.write(portion)
    assert content(tmp_path) == files


def test_a_plugin_that_starts_again_goes_on_with_its_file(tmp_path: Path) -> None:
    for portion in (b"12345", b"67890", b"x"):
        with closing(OutputFile(tmp_path / "p.log", limit=10)) as file:
            file.write(portion)
    assert content(tmp_path) == {"p.log": b"x", "p.log.1": b"1234567890"}


def test_only_the_owner_reads_what_a_plugin_wrote(tmp_path: Path) -> None:
    with closing(OutputFile(tmp_path / "p.log")) as file:
        file.write(b"password")
    assert (tmp_path / "p.log").stat().st_mode & 0o777 == 0o600


def test_both_ways_of_errors_end_in_one_file_and_an_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    with output_files(tmp_path, "../clock", otherwise=Copies()) as copies:
        copies.stderr(b"a\n")
        copies.printed_errors(b"b\n")
        copies.printed(b"c\n")
    assert content(tmp_path) == {"..%2Fclock.stderr.log": b"a\nb\n", "..%2Fclock.stdout.log": b"c\n"}


def test_without_a_folder_copies_go_where_they_went() -> None:
    own = Copies(stderr=bytearray().extend)
    with output_files(None, "clock", otherwise=own) as copies:
        assert copies is own
