"""A folder for sockets that nobody but this user can reach: what is behind them trusts whoever connects."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile

from graftage.errors import SettingsError
from graftage.protocol.handshake import SOCKET_PATH_BYTES


class PrivateFolder:
    """Made, with mode 0700, when the first socket is asked for; to be removed in the end.

    given: a folder that is private already, to be used instead and left to its owner.
    """

    def __init__(self, given: str = "") -> None:
        self._path = given
        self._is_ours = not given

    def socket(self) -> str:
        """A new path for a socket. Raises SettingsError when there can be none."""
        if not self._path:
            try:
                self._path = tempfile.mkdtemp(prefix="graftage-")
            except OSError as error:
                raise SettingsError(
                    f"no private folder for sockets can be made: {error}; "
                    "set TMPDIR to a folder that can be written"
                ) from error
        path = os.path.join(self._path, f"private{secrets.token_hex(4)}")
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            raise SettingsError(
                f"the path {path} is too long for a socket, the system allows {SOCKET_PATH_BYTES} bytes; "
                "set TMPDIR to a shorter folder"
            )
        return path

    def remove(self) -> None:
        """Remove the folder and the sockets in it, if it was made here."""
        if self._is_ours and self._path:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = ""
