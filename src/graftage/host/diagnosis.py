"""Why a plugin's file may not run, in words for the person who put it there.

Source for what to tell: hashicorp/go-plugin, client.go and process.go (`additionalNotesAboutCommand`).
"""

from __future__ import annotations

import errno
import os
import platform
import stat
from pathlib import Path

# Numbers from elf.h, mach/machine.h and the PE format; names as `platform.machine()` spells them.
_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64", 21: "ppc64", 22: "s390x"}
_MACH_O_MACHINES = {0x01000007: "x86_64", 0x0100000C: "arm64", 7: "i386", 12: "arm"}
_PE_MACHINES = {0x8664: "x86_64", 0xAA64: "arm64", 0x014C: "i386"}
_MACH_O_MAGIC = {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"}
_MACH_O_FAT = b"\xca\xfe\xba\xbe"

_CAUSES = (
    "likely causes: the file is no plugin, or its plugin library is incompatible; it is built for another "
    "architecture; a dynamic library is missing; it prints to stdout before its handshake"
)


def explain_refusal(path: Path, number: int) -> str:
    """Why the system did not execute the file. number: the errno of exec."""
    match number:
        case errno.ENOENT if not path.exists():
            return f"there is no file {path}; check `executable` in plugin.json, or build it for this system"
        case errno.ENOENT:
            return f"{path} cannot run: {_missing_interpreter(path)}"
        case errno.EACCES if path.is_dir():
            return f"{path} is a folder, expected a program; check `executable` in plugin.json"
        case errno.EACCES | errno.EPERM:
            return (
                f"{path} may not be executed; try `chmod +x`, or look for a mount with noexec ({_file(path)})"
            )
        case errno.ENOEXEC:
            return (
                f"{path} is in no format that this system executes; a script needs a first line such as "
                f"`#!/usr/bin/env python3`, a binary must be built for this system ({_file(path)})"
            )
        case _:
            return f"{path} cannot be executed: {os.strerror(number)} ({_file(path)})"


def explain_silence(path: Path, *, said_why: bool) -> str:
    """What to look at when a program runs but prints no usable handshake. said_why: it wrote to stderr."""
    return _file(path) if said_why else f"{_file(path)}; {_CAUSES}"


def who_ran(path: Path, interpreter: str) -> str:
    """Which program read a script, as a missing module is often one of another Python.

    interpreter: empty when the system launched the file itself, by its first line or as a binary.
    """
    try:
        start = b"" if interpreter else _first_bytes(path)
    except OSError:
        start = b""
    if start.startswith(b"#!"):
        interpreter = start[2:].split(b"\n")[0].decode("utf-8", "replace").strip()
    return f"{interpreter} ran {path}" if interpreter else f"the program is {path}"


def architecture(start: bytes) -> str:
    """Format and machine of a program, from its first bytes; empty when it is no binary."""
    if start.startswith(b"\x7fELF") and len(start) >= 20:
        number = int.from_bytes(start[18:20], "big" if start[5] == 2 else "little")
        return f"ELF for {_ELF_MACHINES.get(number, f'machine {number}')}"
    if start[:4] in _MACH_O_MAGIC:
        number = int.from_bytes(start[4:8], "little")
        return f"Mach-O for {_MACH_O_MACHINES.get(number, f'machine {number}')}"
    if start.startswith(_MACH_O_FAT):
        return "Mach-O for several machines"
    if start.startswith(b"MZ"):
        at = int.from_bytes(start[60:64], "little")
        number = int.from_bytes(start[at + 4 : at + 6], "little") if start[at : at + 4] == b"PE\0\0" else 0
        return f"PE (Windows) for {_PE_MACHINES.get(number, f'machine {number}')}"
    return ""


def _file(path: Path) -> str:
    try:
        found = path.stat()
        start = _first_bytes(path)
    except OSError as error:
        return f"the file cannot be looked at: {error.strerror}"
    who = f"owner {found.st_uid}:{found.st_gid}, this host runs as {os.geteuid()}:{os.getegid()}"
    kind = architecture(start)
    built = f", {kind}, this machine is {platform.machine()}" if kind else ""
    return f"{path} has mode {stat.filemode(found.st_mode)}, {who}{built}"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _missing_interpreter(path: Path) -> str:
    start = _first_bytes(path)
    if start.startswith(b"#!"):
        interpreter = start[2:].split(b"\n")[0].decode("utf-8", "replace")
        hint = "; its first line ends with CR LF, save it with LF" if interpreter.endswith("\r") else ""
        return f"its interpreter {interpreter.strip().split(' ')[0]!r} does not exist{hint}"
    return (
        f"the loader that its format asks for does not exist; it is built for another system ({_file(path)})"
    )
