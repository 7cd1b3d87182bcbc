"""Devices and attributes under /sys: find, read, write, and what to do when that is refused. Everything here blocks."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from gateway.driver import LinkError
from gateway.model import Reason

SYS = Path("/sys")
DEV = Path("/dev")

RULES = "install systemd/70-retrofit-gateway.rules as systemd/README.md tells, then restart"
READ_ONLY = "the service sees /sys read-only: add the drop-in systemd/iio.conf as systemd/README.md tells"
IN_USE = "another program measures with it; end that one"


def read(path: Path) -> str | None:
    """Return what an attribute holds, None where there is none.

    Raises:
        LinkError: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise refused(path, error, "read") from None


def write(path: Path, value: str) -> None:
    """Write an attribute.

    Raises:
        LinkError: it is missing, or the kernel or its permissions refuse; the hint says what to do.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write(value + "\n")
    except OSError as error:
        raise refused(path, error, f"set to {value or 'nothing'}") from None


def refused(path: Path, error: Exception, what: str) -> LinkError:
    """Return the error for an attribute or device that could not be used."""
    code = getattr(error, "errno", None)
    if code in {errno.EACCES, errno.EPERM}:
        return LinkError(f"{path} may not be {what} by this user", hint=RULES, reason=Reason.REFUSED)
    if code == errno.EROFS:
        return LinkError(f"{path} cannot be {what}: it is read-only", hint=READ_ONLY, reason=Reason.REFUSED)
    if code == errno.EBUSY:
        return LinkError(f"{path} cannot be {what}: it is in use", hint=IN_USE, reason=Reason.DEVICE_BUSY)
    if code in {errno.ENODEV, errno.ENXIO, errno.ENOENT}:
        return LinkError(f"{path} cannot be {what}: it is not there", hint="is the sensor still connected?")
    why = (getattr(error, "strerror", None) or str(error)).lower()
    return LinkError(
        f"{path} cannot be {what}: {why}", hint="the journal of the kernel says more: dmesg", reason=Reason.DEVICE_FAILURE
    )


def devices(root: Path, kind: str = "iio:device") -> dict[str, Path]:
    """Return the folders of all devices (or, with `kind` "trigger", triggers) by their numbered name."""
    folder = root / "bus/iio/devices"
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return {}
    return {name: folder / name for name in sorted(names) if name.startswith(kind) and name[len(kind) :].isdigit()}


def find(root: Path, wanted: str) -> Path:
    """Return the folder of the device with this label, name or number (`iio:device0`).

    Raises:
        LinkError: there is none, or there are several.
    """
    there = devices(root)
    if not there:
        hint = "is it connected, and its driver loaded? (on a Raspberry Pi: dtoverlay=… in config.txt; dmesg | grep iio)"
        raise LinkError("this computer has no sensor of Industrial I/O", hint=hint)
    if wanted in there:
        return there[wanted]
    for attribute in ("label", "name"):
        if found := [number for number, path in there.items() if read(path / attribute) == wanted]:
            if len(found) == 1:
                return there[found[0]]
            words = f"there are {len(found)} devices named '{wanted}': {', '.join(found)}"
            raise LinkError(words, hint=f"write the number instead, e.g. iio://{found[0]}")
    names = {read(path / "name") or number: number for number, path in there.items()}
    listed = ", ".join(f"{name} ({number})" for name, number in names.items())
    raise LinkError(f"there is no sensor '{wanted}' of Industrial I/O", hint=f"{guess(wanted, names)}there are: {listed}")


def guess(wanted: str, known: Iterable[str]) -> str:
    """Return `did you mean '…'? ` for a name that is nearly right, else nothing."""
    near = difflib.get_close_matches(wanted, list(known), 1)
    return f"did you mean '{near[0]}'? " if near else ""
