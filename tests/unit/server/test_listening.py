from __future__ import annotations

import socket

import pytest

from graftage.config import Address
from graftage.errors import SettingsError
from graftage.server.listening import listen, url_of


def test_port_0_is_a_free_one_and_the_url_names_it():
    address = Address("127.0.0.1", 0)
    with listen(address) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, address) == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


def test_every_address_of_this_machine_is_reached_by_its_name():
    with listen(Address("0.0.0.0", 0)) as listener:
        assert url_of(listener, Address("0.0.0.0", 0)).startswith("http://localhost:")


def test_localhost_is_the_older_family_first():
    with listen(Address("localhost", 0)) as listener:
        assert listener.family == socket.AF_INET


def test_a_name_that_nobody_knows_is_refused():
    with pytest.raises(SettingsError, match=r"cannot listen on no\.such\.host\.invalid:80: "):
        listen(Address("no.such.host.invalid", 80))


def test_a_port_in_use_is_refused():
    with listen(Address("127.0.0.1", 0)) as first:
        taken = Address("127.0.0.1", first.getsockname()[1])
        with pytest.raises(SettingsError, match="Address already in use; --address names another one"):
            listen(taken)
