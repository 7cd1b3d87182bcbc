"""A network namespace with a link that can be cut as by pulling the cable: nothing is refused or closed, it is silent."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator


class Namespace:
    """`host` is the address inside, reachable while the link is up; `enter` stands before a command to run it inside."""

    def __init__(self) -> None:
        number = os.getpid() % 60000
        self.name = f"gw{number}"
        self.inner = f"gwi{number}"
        self.outer = f"gwo{number}"
        net = f"10.{200 + number // 16384 % 4}.{number // 64 % 256}"
        at = number % 64 * 4
        self.host, self.here = f"{net}.{at + 2}", f"{net}.{at + 1}"
        self.enter = ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        """Make it."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self.outer, "type", "veth", "peer", "name", self.inner, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self.outer)
        _ip("link", "set", self.outer, "up")
        _ip("-n", self.name, "addr", "add", f"{self.host}/30", "dev", self.inner)
        _ip("-n", self.name, "link", "set", self.inner, "up")

    def cut(self) -> None:
        """Pull the cable."""
        _ip("-n", self.name, "link", "set", self.inner, "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("-n", self.name, "link", "set", self.inner, "up")

    def remove(self) -> None:
        """Remove it with its link."""
        subprocess.run(["ip", "link", "del", self.outer], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    assert shutil.which("ip"), "ip is missing: apt-get install iproute2"
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (
        f"ip {' '.join(words)}: {done.stderr.strip()}; this test makes a network namespace, so run it as root"
    )


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace and its link for one test; needs root."""
    made = Namespace()
    try:
        made.make()
        yield made
    finally:
        made.remove()
