"""Patterns of paths: what they match, and which one counts."""

from __future__ import annotations

import pytest

from graftage.sdk.paths import PathPattern, Paths


@pytest.mark.parametrize(
    ("pattern", "path", "parameters"),
    [
        ("/stations/{name}", "stations/EDDB", {"name": "EDDB"}),
        ("stations/{name}", "/stations/EDDB/", {"name": "EDDB"}),
        ("stations/{name}", "stations", None),
        ("stations/{name}", "stations/", None),
        ("stations/{name}", "stations/EDDB/now", None),
        ("stations/{name}/{year}", "stations/Köln Hbf/2026", {"name": "Köln Hbf", "year": "2026"}),
        ("files/{rest:path}", "files/a/b/c.txt", {"rest": "a/b/c.txt"}),
        ("files/{rest:path}", "files", None),
        ("{rest:path}", "anything/at=all", {"rest": "anything/at=all"}),
        ("a.b", "axb", None),
        ("a.b", "A.B", None),
        ("/", "/", {}),
        ("", "", {}),
        ("/", "a", None),
    ],
)
def test_a_pattern_takes_the_parts_of_a_path_apart(
    pattern: str, path: str, parameters: dict[str, str] | None
) -> None:
    assert PathPattern(pattern).match(path) == parameters


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("a/{b", "a parameter is a whole part"),
        ("a/x{b}", "a parameter is a whole part"),
        ("a/{}", "a parameter is a whole part"),
        ("a/{b:int}", "a parameter is a whole part"),
        ("{a}/{a}", "names a parameter twice"),
        ("{a:path}/b", "goes on after a rest"),
    ],
)
def test_a_bad_pattern_is_told_to_its_author(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        PathPattern(pattern)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("stations/new", ["stations/new", "stations/{name}", "{rest:path}"]),
        ("stations/EDDB", ["stations/{name}", "{rest:path}"]),
        ("stations/EDDB/now", ["{rest:path}"]),
    ],
)
def test_the_most_particular_pattern_comes_first_in_whatever_order_they_were_given(
    path: str, found: list[str]
) -> None:
    patterns = ("{rest:path}", "stations/{name}", "stations/new")

    paths = Paths([(PathPattern(pattern), pattern) for pattern in patterns])

    assert [pattern for pattern, _ in paths.matching(path)] == found
