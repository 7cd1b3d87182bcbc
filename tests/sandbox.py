"""Runs a command under the system call filter of a systemd unit, as systemd itself would build it.

    python -m tests.sandbox UNIT COMMAND…

systemd as PID 1 is not there on a build machine, but its filter is only seccomp: the sets come from `systemd-analyze
syscall-filter`, the filter from libseccomp (which systemd depends on), MemoryDenyWriteExecute= is three rules more.
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
MASKED_EQUAL = 7
PROT_WRITE, PROT_EXEC = 2, 4


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def settings(unit: Path) -> list[tuple[str, str]]:
    """Return the `Key=value` lines of a unit, in order."""
    return re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE)


def _sets() -> dict[str, set[str]]:
    """Return systemd's sets of system calls, members as they are written: names and other sets."""
    listing = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"SYSTEMD_COLORS": "0"},
    ).stdout
    sets: dict[str, set[str]] = {}
    for line in listing.splitlines():
        if line.startswith("@"):
            sets[line.strip()] = current = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            current.add(line.strip())
    return sets


def allowed_calls(lines: list[tuple[str, str]]) -> set[str]:
    """Return the system calls that these settings allow: an allow list, from which `~` lines take away, in order."""
    sets = _sets()

    def members(word: str) -> set[str]:
        return set().union(*map(members, sets[word])) if word.startswith("@") else {word}

    allowed = members("@default")
    for key, value in lines:
        if key == "SystemCallFilter":
            calls = set().union(*map(members, value.removeprefix("~").split()))
            allowed = allowed - calls | members("@default") if value.startswith("~") else allowed | calls
    return allowed - members("@clock") if dict(lines).get("ProtectClock") == "yes" else allowed


def enter(unit: Path) -> None:
    """Load the filter into this process; there is no way back."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p

    def new(default: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))

    def rule(context: ctypes.c_void_p, action: int, call: str, *comparisons: _Comparison) -> None:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # else it is a call of another architecture
            array = (_Comparison * len(comparisons))(*comparisons)
            code = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)
            if code not in (0, -errno.EEXIST):
                raise OSError(-code, f"seccomp rule for {call}")

    calls = new(REFUSE)
    for call in allowed_calls(settings(unit)):
        rule(calls, ALLOW, call)
    filters = [calls]
    if ("MemoryDenyWriteExecute", "yes") in settings(unit):
        memory = new(ALLOW)
        both = PROT_WRITE | PROT_EXEC
        rule(memory, REFUSE, "mmap", _Comparison(2, MASKED_EQUAL, both, both))
        for call in ("mprotect", "pkey_mprotect"):
            rule(memory, REFUSE, call, _Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
        filters.insert(0, memory)
    for context in filters:
        if code := library.seccomp_load(context):
            raise OSError(-code, "seccomp_load")


if __name__ == "__main__":
    enter(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
