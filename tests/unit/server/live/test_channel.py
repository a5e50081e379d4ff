from __future__ import annotations

import pytest

from graftage.server.live.channel import Channel, parse_channel
from graftage.server.live.refusal import BAD_CHANNEL, PERMISSION_DENIED

LONGEST = "ds/u/" + "p" * 155


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("ds/P8E80F9AEF21F6940/rates", Channel("ds", "P8E80F9AEF21F6940", "rates")),
        ("plugin/acme-app/a/b=c/d.e_f-g", Channel("plugin", "acme-app", "a/b=c/d.e_f-g")),
        ("ds/a.b_c-d/1", Channel("ds", "a.b_c-d", "1")),
        (LONGEST, Channel("ds", "u", "p" * 155)),
        ("1/ds/u/p", Channel("ds", "u", "p")),
        ("1/" + LONGEST, Channel("ds", "u", "p" * 155)),
        ("grafana/dashboard/x", Channel("grafana", "dashboard", "x")),
    ],
)
def test_an_id_has_scope_namespace_and_path_and_maybe_the_organisation_before(
    text: str, channel: Channel
) -> None:
    assert parse_channel(text) == channel


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ds",
        "ds/u",
        "ds/u/",
        "ds//p",
        "/u/p",
        LONGEST + "p",
        "ds/u=v/p",
        "d=s/u/p",
        "ds/u/p q",
        "ds/u/p?",
        "ds/ü/p",
        "ds/u/p\n",
        "1/ds/u/p\n",
    ],
)
def test_other_ids_are_refused(text: str) -> None:
    assert parse_channel(text) == BAD_CHANNEL


def test_channels_of_another_organisation_are_denied() -> None:
    assert parse_channel("2/ds/u/p") == PERMISSION_DENIED


def test_a_channel_is_written_as_it_is_read() -> None:
    assert str(Channel("ds", "u", "a/b")) == "ds/u/a/b"
