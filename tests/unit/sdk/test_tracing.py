from __future__ import annotations

import pytest

from graftage.sdk.tracing import trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")], TRACE),
        ([("traceparent", f"cc-{TRACE}-b7ad6b7169203331-01-more")], TRACE),
        ([("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01")], ""),
        ([("traceparent", "00-short-b7ad6b7169203331-01")], ""),
        ([("uber-trace-id", f"{TRACE}:b7ad6b7169203331:0:1")], TRACE),
        ([("uber-trace-id", "ABC:1:0:1")], "abc".zfill(32)),
        ([("uber-trace-id", f"{TRACE}%3Ab7ad6b7169203331%3A0%3A1")], TRACE),
        ([("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("uber-trace-id", "1:1:0:1")], TRACE),
        ([("traceparent", b"00")], ""),
        ([("user-agent", "grpc-go")], ""),
    ],
)
def test_the_trace_of_a_call_is_read_from_its_metadata(
    metadata: list[tuple[str, str | bytes]], expected: str
) -> None:
    assert trace_id_of(metadata) == expected
