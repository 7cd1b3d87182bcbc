"""Opens a recording by its path; everything that can be wrong with it becomes one sentence."""

from __future__ import annotations

import difflib
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from drivers.replay import npy, table, wav
from drivers.replay.pcm import FormatError, Layout, PcmFile
from drivers.replay.spec import KINDS, ReplayLink, kind_of
from gateway.driver import LinkError


class Recording(Protocol):
    """Samples of a file, in order, in the unit declared for it."""

    rate_hz: float
    gap: bool
    """Whether samples are missing before those that `take` has just returned."""

    def take(self, n: int) -> array[float]:
        """Return the next `n` samples, fewer at the end, none after it; raises FormatError."""

    def rewind(self) -> None:
        """Go back to the first sample."""

    def close(self) -> None:
        """Close the file."""


def open_recording(path: Path, options: ReplayLink) -> Recording:
    """Open a recording; blocks on the disk, so call it in a thread.

    Raises:
        LinkError: the file is missing, cannot be read or is not what its name says.
    """
    try:
        return _open(path, options)
    except FileNotFoundError:
        raise missing(path) from None
    except FormatError as error:
        raise not_playable(path, error) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _open(path: Path, options: ReplayLink) -> Recording:
    if not path.is_file() and path.exists():
        raise FormatError("is a folder, not a recording; name the file in it" if path.is_dir() else "is not an ordinary file")
    kind = kind_of(path.name)
    if kind == "csv":
        # An explicit rate is also the way out when the time column is too coarse to derive one.
        shape = table.probe(path, options.column, use_time=options.rate is None)
        return table.TableFile(path, shape, rate_hz=_rate(options, shape.rate_hz), scale=options.scale)
    file = path.open("rb")
    try:
        size = os.fstat(file.fileno()).st_size
        layout = _PARSERS[kind](file, size)
        if layout.frames == 0:
            raise FormatError("holds no samples")
        if options.channel > layout.channels:
            raise FormatError(f"has {layout.channels} channel{'s' * (layout.channels > 1)}, no channel {options.channel}")
        rate = _rate(options, layout.rate_hz)
        return PcmFile(file, layout, rate_hz=rate, channel=options.channel, scale=options.scale)
    except BaseException:
        file.close()
        raise


def _parse_raw(_: BinaryIO, size: int) -> Layout:
    if size % 4:
        raise FormatError(f"holds {size} bytes, which is not a whole number of float32 samples; it is cut off or of another type")
    return Layout(offset=0, frames=size // 4, kind="f")


_PARSERS: dict[str, Callable[[BinaryIO, int], Layout]] = {"wav": wav.parse, "npy": npy.parse, "raw": _parse_raw}


def _rate(options: ReplayLink, stored: float | None) -> float:
    rate = options.rate or stored
    if not rate:
        raise FormatError("does not carry its rate; add e.g. rate=25.6kHz")
    return float(rate)


def missing(path: Path) -> LinkError:
    """Return the error for a file that is not there, with the nearest that is."""
    folder = path.parent
    if not folder.is_dir():
        return LinkError(f"there is no folder {folder}", hint=f"relative paths start at the folder of the YAML file ({path.name})")
    try:
        names = [name for name in os.listdir(folder) if Path(name).suffix.lower() in KINDS]  # noqa: PTH208
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, 1, 0.5)
    if near:
        return LinkError(f"there is no file {path}", hint=f"did you mean '{near[0]}'?")
    listed = ", ".join(sorted(names)[:5])
    none = "no recordings are in this folder; copy it there, or correct the path"
    return LinkError(f"there is no file {path}", hint=f"recordings there: {listed}" if names else none)


_CURES = {
    "wav": "save it as a .wav of PCM or float samples",
    "csv": "a .csv has a row for each sample, a header line if it likes, and numbers only below it",
    "npy": "save it as float32: numpy.save(name, a.astype('<f4'))",
    "raw": "it holds float32 little-endian samples and nothing else",
}


def not_playable(path: Path, error: FormatError) -> LinkError:
    """Return the error for a file that is not what its name says; the cure is the reader's own, else that of the kind."""
    what, _, cure = str(error).partition("; ")
    return LinkError(f"{path} {what}", hint=cure or _CURES.get(kind_of(path.name), ""))


def unreadable(path: Path, error: Exception) -> LinkError:
    """Return the error for a file that is there and cannot be read."""
    if isinstance(error, PermissionError):
        return LinkError(f"{path} may not be read by this user", hint=f"allow it: chmod a+r '{path}'")
    return LinkError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
