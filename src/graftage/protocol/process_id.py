"""What a process id that somebody else wrote down still says."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Is there a process with this id, whoever it belongs to? A zombie counts."""
    if pid <= 0:
        return False  # to the system these mean groups of processes
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
