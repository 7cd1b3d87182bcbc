"""A disk that can lose its power: an ext4 file system in a file, shut down without writing back what was not synchronised."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, linux/fs/ext4
_NOLOGFLUSH = 2
SIZE_BYTES = 200 << 20


class LoopDisk:
    """An ext4 in a file, mounted through a loop device; needs root.

    Args:
        folder: where the file and the place it is mounted at are made.
        block_bytes: size of its blocks; the default of a file system that small is 1024, of a card 4096.

    Attributes:
        folder: where it is mounted.
    """

    def __init__(self, folder: Path, block_bytes: int = 1024) -> None:
        self._image, self.folder = folder / "disk.img", folder / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(SIZE_BYTES)
        _call("mkfs.ext4", "-qF", "-b", str(block_bytes), str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount it; after a cut this replays the journal."""
        _call("mount", "-o", "loop,noatime,commit=5", str(self._image), str(self.folder))

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches the disk any more, not even the journal."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount it; whoever had files open there must be gone, which the kernel may notice a moment later."""
        deadline = time.monotonic() + 10
        while subprocess.run(["umount", str(self.folder)], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"{self.folder} stays busy"
            time.sleep(0.02)


def possible() -> str:
    """Return why there is no such disk here, or nothing when there is."""
    if os.geteuid() != 0:
        return "mounting a file needs root"
    try:
        _call("losetup", "--find")
        _call("mkfs.ext4", "-V")
    except (OSError, AssertionError) as error:
        return f"no loop devices or no ext4 here: {error}"
    return ""


@contextmanager
def loop_disk(folder: Path, block_bytes: int = 1024) -> Iterator[LoopDisk]:
    """Hand out a fresh disk; unmounted in the end."""
    disk = LoopDisk(folder, block_bytes)
    try:
        yield disk
    finally:
        disk.unmount()


def _call(*command: str) -> None:
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/sbin:/usr/sbin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
