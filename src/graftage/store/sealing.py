"""Sealing secrets with AES-256-GCM under a key that lives in a file.

A sealed value is, in this order:

    1 byte    version, now 1; a later one may name a data key that is itself sealed under the key of the file
    4 bytes   key id: the beginning of the key's SHA-256, so that a wrong key is recognised as such
    12 bytes  nonce, random
    n bytes   ciphertext and tag

Version, key id and the purpose of the value are authenticated with it: a sealed value that is copied to
another row or key does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from graftage.errors import SettingsError

VERSION = b"\x01"
KEY_SIZE = 32
KEY_ID_SIZE = 4
NONCE_SIZE = 12

logger = logging.getLogger(__name__)


class SealBroken(Exception):
    """A sealed value cannot be opened. The message says why, and holds nothing of it."""


class Sealer:
    """Seals and opens texts under one key. Its ``repr`` does not show the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"graftage sealing key" + key).digest()[:KEY_ID_SIZE]

    def __repr__(self) -> str:
        return f"Sealer({self._key_id.hex()})"

    def seal(self, text: str, *, purpose: str) -> bytes:
        """`text`, to be opened only with the same key and for the same purpose."""
        header = VERSION + self._key_id
        nonce = secrets.token_bytes(NONCE_SIZE)
        return header + nonce + self._cipher.encrypt(nonce, text.encode(), header + purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> str:
        """The text that was sealed. Raises SealBroken."""
        header, rest = sealed[: 1 + KEY_ID_SIZE], sealed[1 + KEY_ID_SIZE :]
        if header[:1] != VERSION:
            raise SealBroken("it was written by another version of Graftage")
        if header[1:] != self._key_id:
            raise SealBroken(f"it was sealed with key {header[1:].hex()}, this is key {self._key_id.hex()}")
        try:
            text = self._cipher.decrypt(rest[:NONCE_SIZE], rest[NONCE_SIZE:], header + purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("it was damaged, or copied here from another place") from error
        return text.decode()


def read_key(path: Path) -> Sealer | None:
    """The key in this file; None if there is no such file. Raises SettingsError if it holds no key."""
    try:
        text = path.read_bytes()
        open_to_others = path.stat().st_mode & 0o077
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"cannot read the secret key file {path}: {error.strerror}") from error
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_SIZE:
        raise SettingsError(
            f"the secret key file {path} holds no key: expected base64 of {KEY_SIZE} bytes; "
            "restore it from a backup"
        )
    if open_to_others:
        logger.warning("the secret key file %s can be read by others; chmod 600 makes it private", path)
    return Sealer(key)


def make_key(path: Path) -> Sealer:
    """A new key in a new file that only its owner can read. Raises SettingsError if it cannot be written."""
    key = secrets.token_bytes(KEY_SIZE)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        # Written beside and then linked, a key file is never half there, and never replaces another one.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(base64.b64encode(key) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise SettingsError(f"cannot write the secret key file {path}: {error.strerror}") from error
    return Sealer(key)


def _sync_folder(folder: Path) -> None:
    """A new name is as durable as a file's content only once its folder is synced too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
