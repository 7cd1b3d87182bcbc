"""A sensor of Industrial I/O as the kernel shows it: a tree of attributes, and a fifo in place of the character device."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_F_SETPIPE_SZ = 1031
ATTRIBUTES = {
    "name": "adxl355",
    "sampling_frequency": "4000.000000",
    "sampling_frequency_available": "4000.000000 2000.000000 1000.000000 500.000000 3.906250",
    "in_accel_scale": "0.000038245",
    "in_accel_offset": "0",
    "current_timestamp_clock": "realtime",
    "trigger/current_trigger": "adxl355-dev0",
    "buffer/length": "2",
    "buffer/watermark": "1",
    "buffer/enable": "0",
}
XYZ_AND_TIME = {"accel_x": "be:s20/32>>12", "accel_y": "be:s20/32>>12", "accel_z": "be:s20/32>>12", "timestamp": "le:s64/64>>0"}


class IioPeer:
    """Makes devices under `folder`/sys and `folder`/dev; `feed` is what the kernel would put into a buffer."""

    def __init__(self, folder: Path) -> None:
        self.sys, self.dev = folder / "sys", folder / "dev"
        self._fifos: dict[str, int] = {}

    def add(
        self,
        number: int = 0,
        elements: dict[str, str] | None = None,
        scans: str = "scan_elements",
        **attributes: str | None,
    ) -> Path:
        """Add a device; an attribute that is None is not there, `__` in a name stands for `/`."""
        device = self.sys / f"bus/iio/devices/iio:device{number}"
        given = ATTRIBUTES | {name.replace("__", "/"): value for name, value in attributes.items()}
        if scans == "buffer0":
            given = {name.replace("buffer/", "buffer0/"): value for name, value in given.items()}
        for index, (name, form) in enumerate((elements or XYZ_AND_TIME).items()):
            for what, value in (("en", "0"), ("index", str(index)), ("type", form)):
                given.setdefault(f"{scans}/in_{name}_{what}", value)
        for name, value in given.items():
            if value is not None:
                path = device / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(value + "\n")
        self.dev.mkdir(exist_ok=True)
        os.mkfifo(self.dev / device.name)
        fifo = self._fifos[device.name] = os.open(self.dev / device.name, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(fifo, _F_SETPIPE_SZ, 1 << 20)
        return device

    def trigger(self, number: int, name: str, **attributes: str) -> None:
        folder = self.sys / f"bus/iio/devices/trigger{number}"
        folder.mkdir(parents=True)
        for key, value in {"name": name, **attributes}.items():
            (folder / key).write_text(value + "\n")

    def feed(self, data: bytes, device: str = "iio:device0") -> None:
        assert os.write(self._fifos[device], data) == len(data), "the fifo is full"

    def hang_up(self, device: str = "iio:device0") -> None:
        """Let the device go: readers see the end."""
        os.close(self._fifos.pop(device))

    def close(self) -> None:
        for fifo in self._fifos.values():
            os.close(fifo)


def scan_xyz(x: int, y: int, z: int, stamp: int) -> bytes:
    """One scan with all three axes of XYZ_AND_TIME: 12 bytes, 4 of padding, 8 of time."""
    return struct.pack(">3i", x << 12, y << 12, z << 12) + bytes(4) + struct.pack("<q", stamp)


def scan_x(x: int, stamp: int) -> bytes:
    """One scan with only x: 4 bytes, 4 of padding, 8 of time."""
    return struct.pack(">i4x", x << 12) + struct.pack("<q", stamp)
