"""Run a program under the filters of system calls that a systemd unit asks for, where no systemd runs.

``python -m tests.end_to_end.confined UNIT PROGRAM ARGUMENT...`` becomes the program, filtered as by the unit's
SystemCallFilter= and RestrictAddressFamilies=. The names come from ``systemd-analyze syscall-filter``, the filter is
made by libseccomp, which systemd itself uses.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
NATIVE: Final = 0
EQUAL: Final = 4

HIGHEST_CALL: Final = 600
"""Above every number that has a name so far."""

HIGHEST_FAMILY: Final = 64
"""Above every address family so far."""


class Comparison(ctypes.Structure):
    """A condition on one argument of a system call: libseccomp's ``struct scmp_arg_cmp``."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


def missing() -> str:
    """Return what is not on this machine but needed, or ""."""
    if shutil.which("systemd-analyze") is None:
        return "systemd-analyze"
    return "" if ctypes.util.find_library("seccomp") else "libseccomp"


def directives(unit: Path) -> Mapping[str, list[str]]:
    """Return the values of each directive of the unit's service, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def known_sets() -> Mapping[str, list[str]]:
    """Return systemd's sets of system calls: ``@name`` to calls and other sets."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    ).stdout
    sets: dict[str, list[str]] = {}
    members: list[str] = []
    for line in told.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return sets


def calls(words: str, sets: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the system calls that are meant by ``words``, calls and sets."""
    for word in words.split():
        if word.startswith("@"):
            yield from calls(" ".join(sets[word]), sets)
        else:
            yield word


def allowed_calls(filters: list[str], sets: Mapping[str, list[str]]) -> set[str]:
    """Return the system calls that a list of ``SystemCallFilter=`` leaves, which begins with those that it allows."""
    left = set(calls("@default", sets))
    for one in filters:
        if one.startswith("~"):
            left -= set(calls(one[1:], sets))
        else:
            left |= set(calls(one, sets))
    return left


def _library() -> Any:
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"), use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(Comparison),
    ]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    return library


def _load(library: Any, otherwise: int, fill: Callable[[Any], None]) -> None:
    """Load one filter; several hold together."""
    context = library.seccomp_init(otherwise)
    fill(context)
    if library.seccomp_load(context) != 0:
        raise OSError(errno.EPERM, "the filter could not be loaded")


def confine(unit: Path) -> None:
    """Let this process, and all that it starts, have no more system calls than the unit's service."""
    library, told = _library(), directives(unit)
    allowed = allowed_calls(told["SystemCallFilter"], known_sets())
    families = {getattr(socket, name) for name in " ".join(told["RestrictAddressFamilies"]).split()}
    refusal = ERRNO | getattr(errno, told["SystemCallErrorNumber"][-1])

    def by_name(context: Any) -> None:
        for number in range(HIGHEST_CALL):
            name = library.seccomp_syscall_resolve_num_arch(NATIVE, number)
            if name is not None:
                action = ALLOW if name.decode() in allowed else refusal
                library.seccomp_rule_add_array(context, action, number, 0, None)

    def by_family(context: Any) -> None:
        number = library.seccomp_syscall_resolve_name(b"socket")
        for family in set(range(HIGHEST_FAMILY)) - families:
            condition = Comparison(0, EQUAL, family, 0)
            action = ERRNO | errno.EAFNOSUPPORT
            library.seccomp_rule_add_array(context, action, number, 1, ctypes.byref(condition))

    _load(library, ALLOW, by_family)
    _load(library, ERRNO | errno.ENOSYS, by_name)  # what has no name yet is, to a program, not there


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the very purpose
