"""What can be written about a replay: where the samples come from, in which unit, how they are played; checked offline."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from msgspec import Meta

from gateway.config.host import check_host
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Link, PointSpec, Spec
from gateway.driver import Finding, LocalFile

FILES = {".wav": "wav", ".csv": "csv", ".npy": "npy", ".f32": "raw", ".raw": "raw"}
PIPES = {".fifo": "pipe", ".pipe": "pipe"}
KINDS = FILES | PIPES


class Column(str):
    """A column of a table: its name in the header, or its number counted from 1."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Column:
        """Read a name or a number.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(value, bool) or not isinstance(value, str | int) or str(value).strip() in {"", "0"}:
            raise ValueError(f"'{value}' is not a column; write its name or its number, counted from 1")
        return cls(str(value).strip())

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}], "examples": ["x", 2]}


class ReplayLink(Spec, frozen=True, kw_only=True):
    """How a recording is read and played."""

    unit: Annotated[Acceleration, Meta(description="unit of the samples after scale, 'm/s²' or 'g'")]
    rate: Annotated[Rate | None, Meta(description="samples per second; replaces what the file itself says")] = None
    scale: Annotated[
        float, Meta(description="value in the unit = stored value * scale; integers in a .wav count as fractions of full scale")
    ] = 1.0
    channel: Annotated[int, Meta(ge=1, le=1024, description="channel of a .wav, counted from 1")] = 1
    column: Annotated[Column | None, Meta(description="column of a .csv: name in the header, or number counted from 1")] = None
    loop: Annotated[bool, Meta(description="start again at the end of the file; false: play it once")] = True
    speed: Annotated[Literal["real", "fast"], Meta(description="at its own rate, or as fast as it is taken")] = "real"
    block: Annotated[Duration, Meta(description="length of a block of samples")] = Duration(0.1)
    timeout: Annotated[Duration, Meta(description="tcp and pipe: longest silence before the source counts as gone")] = Duration(5)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.rate is not None and self.rate <= 0:
            yield "rate", "a rate must be above 0Hz"
        if self.scale == 0:
            yield "scale", "a scale of 0 makes every sample 0; leave it out for 1"
        if not 0 < self.block <= 60:
            yield "block", "a block lasts more than 0s and at most 60s"
        if self.timeout <= 0:
            yield "timeout", "must be longer than 0s"


class ReplayUnit(Spec, frozen=True, kw_only=True):
    """A replay has no options per machine."""


class ReplayPoint(PointSpec, frozen=True, kw_only=True):
    """A replay has no points to poll; only its waveform."""


def split_tcp(address: str) -> tuple[str, int]:
    """Return host and port of `tcp://host:port`, IPv6 in brackets.

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = address.removeprefix("tcp://").rstrip("/").rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    good = colon and bare and not set("/@[] ") & set(bare) and (":" not in bare or host != bare)
    if not good or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"'{address}' is not a TCP address; write 'tcp://host:port', e.g. replay:tcp://127.0.0.1:15025")
    check_host(host)
    return bare, int(port)


def kind_of(address: str) -> str:
    """Return `wav`, `csv`, `npy`, `raw`, `pipe` or `tcp` for a checked address."""
    return "tcp" if address.startswith("tcp://") else KINDS[PurePosixPath(address).suffix.lower()]


def check_address(scheme: str, address: str) -> str:
    """Return the normal form of a file path or `tcp://host:port`.

    Raises:
        ValueError: neither, or a file of a kind that cannot be replayed.
    """
    if address.startswith("tcp://"):
        host, port = split_tcp(address)
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    if "://" in address:
        raise ValueError(f"a replay takes a file or 'tcp://host:port', not '{address.split('://')[0]}://'")
    path = address.removeprefix("//") if address.startswith("///") else address
    if not path or "\0" in path:
        raise ValueError("the file is missing; write e.g. replay:bearing.wav")
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in KINDS:
        near = difflib.get_close_matches(suffix.lower(), KINDS, 1, 0.5)
        guess = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(KINDS)} and tcp://host:port"
        raise ValueError(f"'{path}' has no known file type{f' ({suffix})' if suffix else ''}; {guess}")
    return path


def check(link: Link, unit: Any, points: dict[str, Any]) -> Iterable[Finding]:
    """Find options that do not fit the kind of source, and points, which a replay has not."""
    options: ReplayLink = link.options
    kind = kind_of(link.address)
    if options.rate is None and kind not in {"wav", "csv"}:
        what = "a TCP source" if kind == "tcp" else f"a {PurePosixPath(link.address).suffix} file"
        yield Finding(f"{what} does not carry its rate; add e.g. rate=25.6kHz", key="rate")
    if options.channel != 1 and kind != "wav":
        cure = "; a .csv has 'column'" if kind == "csv" else ""
        yield Finding(f"only a .wav has channels{cure}", key="channel")
    if options.column is not None and kind != "csv":
        cure = "; a .wav has 'channel'" if kind == "wav" else ""
        yield Finding(f"only a .csv has columns{cure}", key="column")
    for name in points:
        yield Finding("a replay has no points to poll; its features appear by themselves as vibration.*", point=name)


def files(link: Link) -> Iterable[LocalFile]:
    """Yield the recording or the pipe that a link plays."""
    kind = kind_of(link.address)
    if kind == "pipe":
        yield LocalFile("named pipe", link.address, cure="make it: mkfifo, then start what writes into it")
    elif kind != "tcp":
        yield LocalFile("recording", link.address, cure="copy it there; a relative path starts at the folder of the YAML file")
