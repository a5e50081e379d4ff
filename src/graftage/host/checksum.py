"""The check that a plugin's executable is the one that the operator means.

The file is opened once: what is read for the check is what is executed, even if another file takes its name
meanwhile. A file that the system hands to an interpreter (a script) is executed by its name, since programs
look for other files beside their own; whoever can replace it between the check and the start can still do so.
Nothing helps against somebody who can write into the very file: the folder should be writable by its
operator only.

Source: hashicorp/go-plugin, client.go (`SecureConfig.Check`). Its hash object serves for one check only, and
what it executes is whatever has the name by then.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from graftage.errors import PluginFault, SettingsError
from graftage.host.process import NotExecuted

BY_NAME = -1


class ChecksumMismatch(PluginFault):
    """The executable is not the one that was expected; nothing of it was started."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file's bytes must hash to. Raises SettingsError for no digest, no algorithm, or one that does
    not fit the other.
    """

    digest: bytes
    algorithm: str = "sha256"

    def __post_init__(self) -> None:
        if not self.digest:
            raise SettingsError("there is no checksum to compare the executable with")
        if self.algorithm not in hashlib.algorithms_guaranteed:
            raise SettingsError(f"there is no hash algorithm {self.algorithm!r}; sha256 is one")
        if (size := hashlib.new(self.algorithm).digest_size) != len(self.digest):
            raise SettingsError(
                f"a checksum of {self.algorithm} has {size} bytes, and this one {len(self.digest)}"
            )


@asynccontextmanager
async def checked(executable: Path, checksum: Checksum | None) -> AsyncIterator[int]:
    """Check the file; until the block ends, the descriptor to execute, or `BY_NAME`.

    Raises ChecksumMismatch, or NotExecuted when the file cannot be read.
    """
    if checksum is None:
        yield BY_NAME
        return
    try:
        descriptor = os.open(executable, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NotExecuted(error.errno or 0, "exec") from error
    try:
        is_script = await asyncio.to_thread(_check, descriptor, executable, checksum)
        yield BY_NAME if is_script or os.execve not in os.supports_fd else descriptor
    finally:
        os.close(descriptor)


def _check(descriptor: int, executable: Path, checksum: Checksum) -> bool:
    """Is the file a script? Raises ChecksumMismatch."""
    with open(descriptor, "rb", closefd=False) as file:
        found = hashlib.file_digest(file, checksum.algorithm).digest()
        file.seek(0)
        is_script = file.read(2) == b"#!"
    if not hmac.compare_digest(found, checksum.digest):
        raise ChecksumMismatch(
            f"{executable} is not the file that was expected: its {checksum.algorithm} is {found.hex()}, not "
            f"{checksum.digest.hex()}; install the right one, or correct the checksum in the settings"
        )
    return is_script
