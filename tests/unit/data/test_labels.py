"""Labels as text and as fingerprints."""

from __future__ import annotations

import pytest

from graftage.data.labels import fingerprint, labels_text, parse_labels, read_labels


def test_the_text_form_is_sorted() -> None:
    assert labels_text({"host": "a", "dc": "x"}) == "dc=x, host=a"
    assert labels_text({}) == ""


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", None),
        ("host=a", {"host": "a"}),
        ('{service="users-directory"}', {"service": "users-directory"}),
        ("dc=x, host=a", {"dc": "x", "host": "a"}),
        ('{"a": "1", "b": "2"}', {"a": "1", "b": "2"}),
        ('{"a=1"}', {"a": "1"}),
        ('{"a": null}', {"a": ""}),
    ],
)
def test_texts_are_read_in_three_forms(text: str, labels: dict[str, str] | None) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize("text", ["host", "a=b=c", "a=", "{}", "a=1,b=2"])
def test_what_is_no_pair_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is no pair; expected a key, `=` and a value"):
        parse_labels(text)


def test_labels_that_are_no_text_are_refused_by_key() -> None:
    with pytest.raises(ValueError, match=r"labels\.a is list \[\]; expected text"):
        read_labels({"a": []})
    assert (read_labels(None), read_labels({})) == (None, {})


@pytest.mark.parametrize(
    ("labels", "digits"),
    [({}, "cbf29ce484222325"), ({"d": "DDD", "c": "CCC", "b": "BBB", "a": "AAA"}, "fb4532f90d896635")],
)
def test_fingerprints_are_those_of_the_go_sdk(labels: dict[str, str], digits: str) -> None:
    assert fingerprint(labels) == digits


def test_fingerprints_do_not_depend_on_the_order_but_on_the_borders() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"ab": "c"}) != fingerprint({"a": "bc"})
