"""The frames of a whole answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from graftage.backend.query import Result
from graftage.query.frames_json import frames_results
from support.frames import compressed


def test_what_all_compressed_frames_of_an_answer_unpack_to_is_limited() -> None:
    file = compressed(pa.table({"x": np.zeros(3_000_000)}), "zstd")  # 24 MB, and tiny on the wire
    *read, refused = frames_results([Result(ref_id, arrow=(file,)) for ref_id in "ABC"])
    assert [len(result.frames) for result in read] == [1, 1]
    assert "claims 24000000 bytes where at most" in refused.error
