"""Mutated and random inputs for every decoder and planner: nothing may escape uncaught, nothing may hang, what comes out must hold.

Seeded and plain, so that a failure comes again. `guided` searches with coverage, the tests of each module with hypothesis.
"""

from __future__ import annotations

import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.cost import Cost
from drivers.modbus.plan import Limits, Span
from drivers.modbus.request import REGISTER_FUNCTIONS, Request
from drivers.modbus.verdict import Evidence
from drivers.modbus.watch import Framing
from tests.campaign.modbus import check_frames, check_values
from tests.campaign.modbus.check_frames import ASKED, mbap
from tests.peers.modbus_evil import framed, registers
from tests.peers.modbus_evil_ascii import in_characters

BATCH = 500
BATCH_CPU_S = 20.0
"""A batch that computes for longer than this hangs."""

Fuzzer = Iterator[None]
"""Each step is one input; an exception is a finding."""


class Result(NamedTuple):
    target: str
    inputs: int
    uncaught: int
    hangs: int
    cpu_s: float
    first: str


def fuzz(target: str, inputs: int, seed: int = 1) -> Result:
    """Feed `inputs` inputs to a target, in batches under a watchdog."""
    began, done, uncaught, hangs, first = time.process_time(), 0, 0, 0, ""
    steps = TARGETS[target](random.Random(seed))
    while done < inputs:
        try:
            with _watchdog():
                for _ in range(min(BATCH, inputs - done)):
                    next(steps)
                    done += 1
        except Exception as error:
            hangs += isinstance(error, _HangError)
            uncaught += not isinstance(error, _HangError)
            first = first or f"{type(error).__name__}: {error}"[:200]
            done += 1
            seed += 1
            steps = TARGETS[target](random.Random(seed))
    return Result(target, done, uncaught, hangs, time.process_time() - began, first)


class _HangError(Exception):
    pass


@contextmanager
def _watchdog() -> Iterator[None]:
    def bark(*_: object) -> None:
        raise _HangError(f"computing for more than {BATCH_CPU_S:g} s")

    before = signal.signal(signal.SIGVTALRM, bark)
    signal.setitimer(signal.ITIMER_VIRTUAL, BATCH_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def mutated(r: random.Random, data: bytes) -> bytes:
    """Change a few bytes: flip, put, take out, repeat, cut, or make all of it anew."""
    if r.random() < 0.1:
        return r.randbytes(r.randrange(300))
    raw = bytearray(data)
    for _ in range(r.randrange(4)):
        i = r.randrange(len(raw) + 1)
        kind = r.randrange(5)
        if kind == 0 and i < len(raw):
            raw[i] ^= 1 << r.randrange(8)
        elif kind == 1:
            raw[i:i] = r.choice((b"\x00", b"\xff", r.randbytes(r.randrange(9))))
        elif kind == 2:
            del raw[i : i + r.randrange(1, 9)]
        elif kind == 3:
            raw[i:i] = raw[i : i + r.randrange(20)]
        elif kind == 4 and i < len(raw):
            raw[i] = r.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
    return bytes(raw)


def _frame(r: random.Random) -> bytes:
    return framed(7, bytes([r.choice((0x83, 0x84)), 2])) if r.random() < 0.1 else framed(7, registers(r.choice(ASKED).pdu))


def _pieces(r: random.Random, data: bytes) -> list[bytes]:
    cut = r.randrange(len(data) + 1)
    return [data[:cut], data[cut:]]


def rtu_frames(r: random.Random) -> Fuzzer:
    while True:
        check_frames.check_rtu(_pieces(r, mutated(r, _frame(r))))
        yield


def ascii_frames(r: random.Random) -> Fuzzer:
    while True:
        check_frames.check_ascii(_pieces(r, mutated(r, in_characters(_frame(r)))))
        yield


def tcp_frames(r: random.Random) -> Fuzzer:
    """Answers to several units at once; each is an input."""

    def answers(asked: list[Request]) -> Callable[[list[bytes]], Iterator[bytes]]:
        def made(sent: list[bytes]) -> Iterator[bytes]:
            for frame, request in r.sample([*zip(sent, asked, strict=True)], len(sent)):
                pdu = _frame(r)[1:-2] if r.random() < 0.5 else registers(request.pdu)
                tid = frame[0] << 8 | frame[1]
                if r.random() < 0.6:  # a bad header ends the connection, so only some are
                    yield mbap(tid, request.unit, mutated(r, pdu)[:253] or pdu)
                else:
                    yield mutated(r, mbap(tid, request.unit, pdu))

        return made

    with closing(check_frames.TcpAnswers()) as tcp:
        while True:
            asked = [replace(r.choice(ASKED), unit=unit) for unit in range(1, 6)]
            for _ in range(tcp.check(asked, answers(asked))):
                yield


def overheard(r: random.Random) -> Fuzzer:
    while True:
        frames = (_frame(r), framed(1, bytes([3, 0, 1, 0, 2])))
        check_frames.check_overheard(mutated(r, b"".join(map(in_characters, frames) if r.random() < 0.3 else frames)))
        yield


def answers_found(r: random.Random) -> Fuzzer:
    """What a scan finds among the bytes that follow its question."""
    while True:
        asked = r.choice(ASKED)
        identity = b"\x2b" + r.choice(IDENTITIES)
        pdu, answer = (
            (b"\x2b\x0e\x01\x00", framed(7, identity)) if r.random() < 0.2 else (asked.pdu, framed(7, registers(asked.pdu)))
        )
        check_frames.check_found(mutated(r, in_characters(answer) if r.random() < 0.5 else answer), pdu)
        yield


def shown(r: random.Random) -> Fuzzer:
    """What `--frames` and `gateway try` tell of a line; each piece is an input."""
    framings: dict[Framing, Callable[[bytes], bytes]] = {
        "rtu": lambda frame: frame,
        "ascii": in_characters,
        "mbap": lambda frame: mbap(7, frame[0], frame[1:-2]),
    }
    while True:
        framing = r.choice([*framings])
        form, pieces = framings[framing], []
        for _ in range(r.randrange(1, 6)):
            request = r.choice(ASKED)
            frame = framed(7, request.pdu) if r.random() < 0.4 else framed(7, registers(request.pdu))
            pieces.append((r.choice(("tx", "rx")), mutated(r, form(frame))))
        check_frames.check_watch(framing, pieces)
        for _ in pieces:
            yield


WRITTEN = (
    "holding 40017",
    "coil 17",
    "input wire 0x10",
    "discrete 10017",
    "holding 400017.15",
    "HOLDING  wire 65535",
    "holding 16",
    "holding 40001-40100",
    "coil wire 1-16",
    "discrete",
    "0x8000",
    "-9999",
    ".NaN",
)
LETTERS = "holdingcoilinputwrexX0123456789 .-+_\t\n\0é٣²"


def written(r: random.Random) -> Fuzzer:
    while True:
        text = _text(r, WRITTEN)
        number = r.choice(
            (r.randrange(-9, 10**7), r.random() * 1e300, 10 ** r.randrange(400), -(2**63), float("inf"), float("nan"))
        )
        check_values.check_written(r.choice((text, text, text, text, number, True, None, [text])))
        yield


def _text(r: random.Random, seeds: tuple[str, ...]) -> str:
    text = list(r.choice(seeds))
    for _ in range(r.randrange(5)):
        i = r.randrange(len(text) + 1)
        text[i : i + r.randrange(3)] = [r.choice(LETTERS) for _ in range(r.randrange(3))]
    return "".join(text)


def plans(r: random.Random) -> Fuzzer:
    while True:
        wanted = []
        for row in range(r.randrange(r.choice((4, 12, 40)))):
            function = r.choice((1, 2, 3, 3, 3, 4))
            width = r.choice((1, 1, 2, 4, 8)) if function in REGISTER_FUNCTIONS else 1
            start = r.randrange(300) if r.random() < 0.8 else r.randrange(65536 - width)
            wanted.append(Span(row, function, start, start + width))
        cost = Cost(request_ns=r.choice((0, 1000, 60_000_000)), byte_ns=r.choice((1, 80, 1_000_000)), framing=13)
        limits = Limits(r.randrange(8, 126), r.choice((None, 0, 5, 125)), cost)
        cuts = {(r.randrange(1, 5), r.randrange(300)) for _ in range(r.randrange(6))}
        allowed = ALL
        if r.random() < 0.5:
            edges = {function: sorted(r.sample(range(400), 2 * r.randrange(1, 5))) for function in (1, 2, 3, 4)}
            allowed = Allowed({function: list(zip(found[::2], found[1::2], strict=True)) for function, found in edges.items()})
        wanted = [span for span in wanted if allowed.holds(span.function, span.start, span.end)]
        check_values.check_plan(wanted, limits, cuts, allowed)
        yield


EDGES = (b"\x00", b"\xff", b"\x7f\xf8", b"\x80\x00", b"\x7f\xf0\x00\x00", b"\x00\x0a\x7f\xff")


def decoders(r: random.Random) -> Fuzzer:
    pool = check_values.decodings(r, 60)
    while True:
        one = r.choice(pool)
        data = r.randbytes(one.size) if r.random() < 0.7 else (r.choice(EDGES) * one.size)[: one.size]
        if r.random() < 0.5:  # a scale factor that may be one
            data = struct.pack(">h", r.randrange(-12, 12)) + data[2:]
        check_values.check_decoding(one, data + bytes(r.choice((0, 0, 2))))
        yield


SHOWN = ("41.9", "41,9", "-12", "41.9 °C", "0", "1e3", "123456", "−7.25 bar")


def guesses(r: random.Random) -> Fuzzer:
    while True:
        display, count = _text(r, SHOWN), r.randrange(7)
        data = (
            r.randbytes(2 * count) if r.random() < 0.5 else struct.pack(">f", r.choice((41.9, -12.0, 0.0, 1e3))) + bytes(2 * count)
        )
        check_values.check_guess(data, r.randrange(len(data) // 2 + 1), display)
        yield


IDENTITIES = (
    bytes([0x0E, 1, 0x81, 0, 0, 3, 0, 4]) + b"ACME" + bytes([1, 2]) + b"M1" + bytes([2, 3]) + b"1.0",
    bytes([0x0E, 1, 0x81, 0xFF, 1, 1, 0, 4]) + b"ACME",
    bytes([9]) + b"\x01\xffPump 12",
    bytes([4]) + b"SunS",
    bytes([132, 0, 1, 0, 65]) + b"Fronius\0" * 16,
)


def identities(r: random.Random) -> Fuzzer:
    def answers() -> Iterator[bytes | None]:
        while True:
            yield mutated(r, r.choice(IDENTITIES)) if r.random() < 0.8 else r.choice((None, b""))

    while True:
        check_values.check_identity(answers(), mutated(r, r.choice(IDENTITIES)))
        yield


def findings(r: random.Random) -> Fuzzer:
    def number() -> int:
        return r.choice((0, 0, 1, 2, 3, 4, 10, r.randrange(10**6)))

    while True:
        answers, silent, damaged = number(), number(), number()
        evidence = Evidence(
            requests=answers + silent + damaged, answers=answers, no_target=r.choice((0, answers)), silent=silent, damaged=damaged,
            echoes=number(), foreign=number(), unasked=number(), serial=r.random() < 0.5,
        )  # fmt: skip
        check_values.check_verdicts(evidence)
        yield


TARGETS: dict[str, Callable[[random.Random], Fuzzer]] = {
    "byte-order guess": guesses,
    "read plan": plans,
    "TCP answers, exchange": tcp_frames,
    "frames overheard": overheard,
    "answers a scan finds": answers_found,
    "frames shown": shown,
    "RTU frames": rtu_frames,
    "ASCII frames": ascii_frames,
    "identification": identities,
    "decoder of registers": decoders,
    "written address, raw value": written,
    "verdicts": findings,
}
"""The slowest first, so that none of them is what all others have to wait for."""
