"""Site files for the tests of `gateway doctor`."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from gateway.cli._doctor_checks import Finding
from gateway.config.check import check


def site(folder: Path, text: str, **machines: str) -> Path:
    """Write a site file with machines given as name=url, each with one point where it is polled."""
    lines = [f"  - {{name: {name}, connect: '{url}', points: {{a: {{at: holding 1}}}}}}" for name, url in machines.items()]
    path = folder / "site.yaml"
    path.write_text("\n".join(["site: s", "gateway: g", *(["machines:", *lines] if lines else []), text]))
    return path


def config(folder: Path, text: str = "", **machines: str):
    checked = check(site(folder, text, **machines))
    assert checked.config, checked.problems
    return checked.config


def only(found) -> Finding:
    (finding,) = list(found)
    return finding


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a TCP port of ours at which connecting is refused: bound, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
