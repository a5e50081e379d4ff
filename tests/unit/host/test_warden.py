"""The warden's own decisions; what it does to processes is tested with real ones."""

from __future__ import annotations

import py_compile
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graftage.host.process import is_compiled_from
from graftage.host.warden_main import encode_message, encode_order, remove_socket


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="graftage-") as folder:
        yield Path(folder) / "plugin1"


def test_the_socket_of_a_dead_plugin_is_removed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
    assert remove_socket(str(path))
    assert not path.exists()


def test_a_socket_where_somebody_listens_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert not remove_socket(str(path))
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    assert not remove_socket(str(path))
    assert path.read_text() == "precious"


def test_a_link_to_a_dead_socket_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    link = path.with_name("link")
    link.symlink_to(path)
    assert not remove_socket(str(link))
    assert path.exists()


def test_a_socket_that_is_gone_is_no_fault(path: Path) -> None:
    assert not remove_socket(str(path))


def test_an_order_with_a_nul_character_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold a NUL character"):
        encode_order(b"/bin/true", {b"A": b"b\0c"})


def test_a_message_comes_after_its_length() -> None:
    assert encode_message(b"T") == b"\0\0\0\x01T"


def test_a_compiled_file_counts_only_while_it_is_fresh(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("1")
    compiled = py_compile.compile(str(source), cfile=str(tmp_path / "a.pyc"), doraise=True)
    assert compiled is not None
    assert is_compiled_from(str(source), compiled)
    source.write_text("1 + 1")
    assert not is_compiled_from(str(source), compiled)
    assert not is_compiled_from(str(source), str(tmp_path / "b.pyc"))
