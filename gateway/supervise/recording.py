"""A captured waveform as files: float32 WAV and a JSON beside it, whole or not at all, and only so many of them."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gateway.database import sync_folder

_FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT


def wav(samples: array[float], rate_hz: float) -> bytes:
    """Return one channel of float32 samples as a WAV file; a rate that is not whole is rounded, the JSON has it exactly."""
    data = samples
    if sys.byteorder == "big":
        data = array("f", samples)
        data.byteswap()
    rate, size = max(1, round(rate_hz)), 4 * len(samples)
    form = struct.pack("<4sIHHIIHHH", b"fmt ", 18, _FLOAT, 1, rate, 4 * rate, 4, 32, 0)
    fact = struct.pack("<4sII", b"fact", 4, len(samples))
    head = struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(fact) + 8 + size, b"WAVE")
    return b"".join((head, form, fact, struct.pack("<4sI", b"data", size), data.tobytes()))


def store(folder: Path, name: str, sound: bytes, about: dict[str, Any], *, keep: int, most_bytes: int) -> Path:
    """Write `<name>.wav` and `<name>.json` into a folder, after the oldest there have made room; return the path of the WAV.

    Blocks until it is on disk.

    Raises:
        OSError: it could not be written; then nothing of it is there.
    """
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        sync_folder(folder.parent)
    make_room(folder, keep=keep - 1, most_bytes=most_bytes - len(sound))
    path = folder / f"{name}.wav"
    written: list[Path] = []
    try:
        # the WAV is what counts, so it comes last: a JSON alone is swept away with the next capture
        for target, data in ((path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(about))), (path, sound)):
            scratch = folder / f".{target.name}.new"
            written.append(scratch)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
            written.append(target)
        sync_folder(folder)
    except OSError:
        for part in written:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise
    return path


def make_room(folder: Path, *, keep: int, most_bytes: int) -> None:
    """Delete the oldest captures of a folder until at most `keep` with at most so many bytes are left, and what a crash left."""
    for rest in folder.glob(".*.new"):
        rest.unlink(missing_ok=True)
    for alone in folder.glob("*.json"):
        if not alone.with_suffix(".wav").exists():
            alone.unlink(missing_ok=True)
    sounds = sorted(folder.glob("*.wav"))
    sizes = [sound.stat().st_size for sound in sounds]
    while sounds and (len(sounds) > max(0, keep) or sum(sizes) > most_bytes):
        oldest = sounds.pop(0)
        sizes.pop(0)
        oldest.unlink(missing_ok=True)
        oldest.with_suffix(".json").unlink(missing_ok=True)
