"""The checks of `gateway doctor` that look at this computer: data folder, disk, clock, board, program. They change nothing."""

from __future__ import annotations

import getpass
import importlib
import os
import platform
import pwd
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from gateway.clock import kernel_time_quality
from gateway.config.spec import Config
from gateway.model import TimeQuality

Verdict = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True):
    """What one check found: its name, the verdict, one sentence, and what to do about it ("" when it is well)."""

    check: str
    verdict: Verdict
    sentence: str
    cure: str = ""


_VOLATILE = {"tmpfs", "ramfs", "overlay", "squashfs"}
_UNSAFE = {"nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "fuse.sshfs", "9p"}
_RESERVE = 200_000_000
"""Bytes that should stay free for the history, the journal and an update."""


def user() -> str:
    """Return the name of the user this process runs as, its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def data_folder(folder: Path) -> Iterator[Finding]:
    """Look whether the data folder can be written and survives a power cut; a file made for that is removed at once."""
    folder = folder.absolute()
    try:
        there = folder.is_dir()
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        if not nearest.is_dir():
            yield Finding("data folder", "fail", f"{nearest} is a file, not a folder", "name a folder with --data DIR")
            return
        target = folder if there else next(parent for parent in folder.parents if parent.is_dir())
        if there:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"doctor")
        elif not os.access(target, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        cure = f"run it as the user of the gateway ({_owner(folder)}) or with sudo, or name another folder with --data DIR"
        yield Finding("data folder", "fail", f"{folder} cannot be written by user {user()}: {error.strerror}", cure)
        return
    kind = filesystem(target)
    where = f"{folder} can be written" if there else f"{folder} will be made at the first start"
    if kind in _VOLATILE:
        cure = "name a folder on the disk or the SD card with --data DIR"
        yield Finding("data folder", "warn", f"{where}, but a power cut empties it: it lies on {kind}", cure)
    elif kind in _UNSAFE:
        cure = "name a folder on a local disk with --data DIR"
        yield Finding("data folder", "warn", f"{where}, but {kind} does not keep what a database was promised", cure)
    else:
        yield Finding("data folder", "ok", f"{where}, on {kind}")


def _owner(folder: Path) -> str:
    for place in (folder, *folder.parents):
        try:
            return pwd.getpwuid(place.stat().st_uid).pw_name
        except (OSError, KeyError):
            continue
    return "root"


def filesystem(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system a path lies on; `mounts` is the text of /proc/self/mountinfo, see proc(5)."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace") if mounts is None else mounts
    best, kind = "", "an unknown file system"
    real = f"{path.resolve()}/"
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        point = head.split(" ")[4].replace("\\040", " ")
        if real.startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, tail.split(" ")[0]
    return kind


def disk_space(folder: Path, config: Config | None) -> Iterator[Finding]:
    """Compare what is free with what the outboxes may grow to."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    usage = shutil.disk_usage(there)
    used = sum(path.stat().st_size for path in folder.glob("**/*") if path.is_file()) if os.access(folder, os.R_OK | os.X_OK) else 0
    wanted = max(0.0, sum(uplink.keep.max for uplink in config.uplinks.values()) - used) if config else 0.0
    free = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB"
    if usage.free < _RESERVE:
        yield Finding(
            "disk space", "fail", f"only {usage.free / 1e6:.0f} MB are free", f"make room: du -xh {there} | sort -h | tail"
        )
    elif usage.free < wanted + _RESERVE:
        sentence = f"{free}, but the outboxes may need {wanted / 1e9:.1f} GB more while a broker is away"
        yield Finding("disk space", "warn", sentence, "make room, or lower uplink: keep: max in site.yaml")
    else:
        yield Finding("disk space", "ok", free)
    inodes = os.statvfs(there)
    if inodes.f_files and inodes.f_favail < 1000:
        yield Finding(
            "disk space", "fail", f"only {inodes.f_favail} more files can be made", "remove small files that nobody needs"
        )


def clock(now_s: float | None = None, quality: TimeQuality | None = None) -> Iterator[Finding]:
    """Look whether the wall time can be right, and whether something keeps it so."""
    now = datetime.fromtimestamp(time.time() if now_s is None else now_s, UTC)
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    cure = "connect a time server: systemctl enable --now systemd-timesyncd; or set it: sudo date -u -s 'YYYY-MM-DD HH:MM'"
    if now.year > 2099 or now.timestamp() < installed.timestamp() - 86400:
        why = "is not plausible" if now.year > 2099 else f"is before this program was installed ({installed:%Y-%m-%d})"
        yield Finding("clock", "fail", f"the clock says {shown}, which {why}", cure)
    elif (quality or kernel_time_quality()) is not TimeQuality.SYNCED:
        sentence = f"the clock says {shown}, but nothing keeps it in step: records are marked uncertain"
        yield Finding("clock", "warn", sentence, "systemctl enable --now systemd-timesyncd, with a time server the shop can reach")
    else:
        yield Finding("clock", "ok", f"the clock says {shown} and is kept in step")


def board(root: Path = Path("/")) -> Iterator[Finding]:
    """Read memory, temperature and supply voltage where the kernel tells them; `root` is there for tests."""
    fields = dict(line.split(":", 1) for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines() if ":" in line)
    total, free = (int(fields[name].split()[0]) / 1024 for name in ("MemTotal", "MemAvailable"))
    if free < 64:
        cure = "see which program takes it: ps aux --sort -rss | head"
        yield Finding("memory", "warn", f"only {free:.0f} of {total:.0f} MB are available", cure)
    else:
        yield Finding("memory", "ok", f"{free:.0f} of {total:.0f} MB are available")
    zones = [_number(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    degrees = max((zone / 1000 for zone in zones if zone is not None), default=None)
    if degrees is not None and degrees >= 80:
        verdict: Verdict = "fail" if degrees >= 85 else "warn"
        yield Finding(
            "temperature", verdict, f"the processor has {degrees:.0f} °C and slows down", "give the case air or a heat sink"
        )
    elif degrees is not None:
        yield Finding("temperature", "ok", f"the processor has {degrees:.0f} °C")
    yield from _supply(root)


def _supply(root: Path) -> Iterator[Finding]:
    """Read what the Raspberry Pi's firmware knows: bit 0 undervoltage now, bit 16 since the start; 2 and 18 slowed down."""
    path = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    try:
        bits = int(path.read_text(encoding="ascii").strip(), 16)
    except (OSError, ValueError):
        return  # no Raspberry Pi, or a kernel that does not tell
    cure = "use the board's own power supply and a short, thick cable"
    if bits & 0x1:
        yield Finding("supply", "fail", "the supply voltage is too low now: SD cards break that way", cure)
    elif bits & 0x10000:
        yield Finding("supply", "warn", "the supply voltage was too low since the start", cure)
    elif bits & 0x60006:
        yield Finding("supply", "warn", "the processor was slowed down since the start", "give the case air or a heat sink")
    else:
        yield Finding("supply", "ok", "the supply voltage is and was good")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # some sensors answer only while their device is awake


def program() -> Iterator[Finding]:
    """Look at Python and at the compiled kernels."""
    version = platform.python_version()
    if not (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.maxsize < 2**32:
        yield Finding("python", "warn", f"Python {version} on {platform.machine()} is not tested", "use 64-bit Python 3.11 to 3.13")
    else:
        yield Finding("python", "ok", f"Python {version} on {platform.machine()}")
    import cython_ext

    folder = Path(cython_ext.__file__ or "").parent
    broken = []
    backend = "plain C"
    sources = sorted(path.stem for path in folder.glob("*.pyx"))
    for name in sources:
        try:
            module = importlib.import_module(f"cython_ext.{name}")
            backend = module.backend() if hasattr(module, "backend") else backend
        except ImportError as error:
            broken.append(f"{name} ({error})")
    if broken or not sources:
        cure = "make setup in a clone; pip install --force-reinstall retrofit-gateway elsewhere"
        yield Finding("kernels", "fail", f"not compiled for this Python: {', '.join(broken) or 'none is there'}", cure)
    else:
        yield Finding("kernels", "ok", f"compiled: {', '.join(sources)} ({backend})")
