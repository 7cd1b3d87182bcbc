"""Mutated and random inputs for every decoder and planner: nothing may escape uncaught, nothing may hang, what comes out must hold.

Seeded and plain, so that a failure comes again; the tests of each module search more cleverly with hypothesis.
"""

from __future__ import annotations

import asyncio
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from drivers.modbus.address import Address
from drivers.modbus.ascii import AsciiSplitter
from drivers.modbus.cost import Cost
from drivers.modbus.decode import BlockDecoder
from drivers.modbus.frames import Splitter
from drivers.modbus.guess import Shown, guess
from drivers.modbus.identify import identify, parse_objects, parse_server_id
from drivers.modbus.listen import frames_in
from drivers.modbus.plan import Limits, Span, block, plan, spans
from drivers.modbus.request import MAX_COUNT, REGISTER_FUNCTIONS, Request
from drivers.modbus.spec import ModbusUnit
from drivers.modbus.tcp import TcpExchange
from drivers.modbus.verdict import Evidence, verdicts
from gateway.model import PointTable, Scan, Stamp, TimeQuality
from tests.campaign.modbus.virtual import VirtualLoop
from tests.drivers.modbus.fake_line import exchange_on
from tests.drivers.modbus.tables import point
from tests.peers.modbus_evil import framed, registers

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


def fuzz(target: str, inputs: int, seed: int = 1, seconds: float = 1e9) -> Result:
    """Feed `inputs` inputs to a target, in batches under a watchdog, for at most `seconds` seconds of computing."""
    began, done, uncaught, hangs, first = time.process_time(), 0, 0, 0, ""
    steps = TARGETS[target](random.Random(seed))
    while done < inputs and time.process_time() - began < seconds:
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


FORMS = [Request(7, f, 100, n) for f in (3, 4) for n in (1, 2, 10, 125)] + [Request(7, 1, 100, n) for n in (1, 9, 2000)]
SHAPES = {(q.unit, q.function, q.size) for q in FORMS} | {(7, f, None) for f in (1, 3, 4)}


def _frame(r: random.Random) -> bytes:
    return framed(7, bytes([r.choice((0x83, 0x84)), 2])) if r.random() < 0.1 else framed(7, registers(r.choice(FORMS).pdu))


def _pieces(r: random.Random, data: bytes) -> list[bytes]:
    cut = r.randrange(len(data) + 1)
    return [data[:cut], data[cut:]]


def _held(frame: Any) -> None:
    size = None if frame.code is not None else len(frame.data)
    assert (frame.unit, frame.function, size) in SHAPES, frame


def rtu_frames(r: random.Random) -> Fuzzer:
    splitter = Splitter(SHAPES)
    while True:
        data = mutated(r, _frame(r))
        before, frames = splitter.garbage, []
        for piece in _pieces(r, data):
            frames += splitter.feed(piece)
        frames += splitter.give_up()
        for frame in frames:
            _held(frame)
            raw = framed(
                7,
                bytes([frame.function | 0x80, frame.code] if frame.code is not None else [frame.function, len(frame.data)])
                + frame.data,
            )
            assert raw in data
        assert splitter.waiting == 0
        assert splitter.garbage - before + sum(5 + len(frame.data) for frame in frames) == len(data)
        yield


def ascii_frames(r: random.Random) -> Fuzzer:
    while True:
        splitter = AsciiSplitter(SHAPES)
        body = _frame(r)[:-2]
        text = b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\r\n"
        for piece in _pieces(r, mutated(r, text)):
            for frame in splitter.feed(piece):
                _held(frame)
        splitter.give_up()
        assert splitter.waiting == 0
        yield


def tcp_frames(r: random.Random) -> Fuzzer:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()

        async def fresh() -> Any:
            return exchange_on(TcpExchange, "modbus-tcp", "h:502")

        while True:
            exchange = runner.run(fresh())
            request = r.choice(FORMS)
            asked = loop.create_task(exchange.ask(request))
            runner.run(asyncio.sleep(0))
            head = exchange.line.sent[0]
            pdu = _frame(r)[1:-2] if r.random() < 0.5 else registers(request.pdu)
            for piece in _pieces(r, mutated(r, head[:4] + struct.pack(">HB", len(pdu) + 1, 7) + pdu)):
                if not exchange.line.closed:
                    exchange._received(piece)
            exchange.close()
            error = runner.run(_ended(asked))
            if error is None:
                assert len(asked.result()) == request.size
            yield


async def _ended(task: asyncio.Task[Any]) -> BaseException | None:
    await asyncio.wait([task])
    error = task.exception()
    if error is not None and not hasattr(error, "hint"):  # a DeviceError or LinkError has words for the user
        raise error
    return error


def sniffed(r: random.Random) -> Fuzzer:
    while True:
        data = mutated(r, _frame(r) + framed(1, bytes([3, 0, 1, 0, 2])))
        for heard in frames_in(data):
            assert heard.unit <= 247
        yield


ADDRESSES = (
    "holding 40017",
    "coil 17",
    "input wire 0x10",
    "discrete 10017",
    "holding 400017.15",
    "HOLDING  wire 65535",
    "holding 16",
)
LETTERS = "holdingcoilinputwrexX0123456789 .-+_\t\n\0é٣²"


def addresses(r: random.Random) -> Fuzzer:
    while True:
        text = _text(r, ADDRESSES)
        value: object = r.choice((text, text, text, text, r.randrange(-9, 10**7), r.random() * 1e300, True, None, [text]))
        try:
            address = Address.parse(value)
        except ValueError:
            pass
        else:
            assert 0 <= address.wire <= 65535
            assert Address.parse(f"{address.table} wire {address.wire}").wire == address.wire
        yield


def _text(r: random.Random, seeds: tuple[str, ...]) -> str:
    text = list(r.choice(seeds))
    for _ in range(r.randrange(5)):
        i = r.randrange(len(text) + 1)
        text[i : i + r.randrange(3)] = [r.choice(LETTERS) for _ in range(r.randrange(3))]
    return "".join(text)


def plans(r: random.Random) -> Fuzzer:
    """Any plan reads every point exactly once and no register that the device did not allow."""
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
        check_plan(wanted, limits, cuts)
        yield


def check_plan(wanted: list[Span], limits: Limits, cuts: set[tuple[int, int]]) -> None:
    blocks = plan(7, wanted, limits, cuts)
    assert sorted(row for b in blocks for row in b.rows) == [span.row for span in wanted]
    for b in blocks:
        q = b.request
        end, reached = q.address + q.count, q.address
        assert 1 <= q.count <= min(limits.count(q.function), MAX_COUNT[q.function])
        assert end <= 65536
        for span in b.spans:
            assert span.function == q.function
            assert q.address <= span.start < span.end <= end
            assert limits.max_gap is None or span.start - reached <= limits.gap(q.function)
            reached = max(reached, span.end)
        assert reached == end
        last = max(span.start for span in b.spans)
        assert not any(function == q.function and q.address < at <= last for function, at in cuts)


def decoders(r: random.Random) -> Fuzzer:
    kinds = ("int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
    stamp = Stamp(0, 0, "0" * 32, TimeQuality.SYNCED)
    pool = []
    for _ in range(60):
        points, wire = [], 0
        for _ in range(r.randrange(1, 12)):
            kind = r.choice((*kinds, "bit", "string"))
            if kind == "string":
                one = point(f"holding wire {wire}", type="string", length=r.randrange(1, 12))
            elif kind == "bit":
                one = point(f"holding wire {wire}.{r.randrange(16)}")
            else:
                one = point(
                    f"holding wire {wire}",
                    type=kind,
                    order=r.choice((None, "ABCD", "CDAB", "BADC", "DCBA")),
                    scale=r.choice((1.0, 0.1, -3)),
                )
            points.append(one)
            wire = one.end + r.randrange(3)
        table = PointTable("m", tuple(f"p{i}" for i in range(len(points))), ("",) * len(points), tuple(points), ModbusUnit())
        whole = block(1, spans(points))
        pool.append((table, whole, BlockDecoder(whole, points, ModbusUnit())))
    while True:
        table, whole, decoder = r.choice(pool)
        size = 2 * whole.request.count
        data = r.randbytes(size) if r.random() < 0.7 else r.choice((b"\x00", b"\xff", b"\x7f\xf8", b"\x80\x00")) * size
        scan = Scan.blank(table, stamp)
        decoder.decode(data[: size + r.choice((0, 0, 2))], scan)
        assert len(scan.values) == len(scan.quality) == len(scan.reason) == len(table)
        yield


SHOWN = ("41.9", "41,9", "-12", "41.9 °C", "0", "1e3", "123456", "−7.25 bar")


def guesses(r: random.Random) -> Fuzzer:
    while True:
        try:
            shown = Shown.parse(_text(r, SHOWN))
        except ValueError:
            shown = Shown.parse(r.choice(SHOWN))
        count = r.randrange(7)
        data = r.randbytes(2 * count) if r.random() < 0.5 else struct.pack(">f", shown.value % 1e30) + bytes(2 * count)
        best = guess(data, r.randrange(len(data) // 2 + 1), shown)
        assert best == sorted(best, key=lambda one: one.rank)
        yield


class Reply(NamedTuple):
    pdu: bytes | None
    data: bytes | None


IDENTITIES = (
    bytes([0x0E, 1, 0x81, 0, 0, 3, 0, 4]) + b"ACME" + bytes([1, 2]) + b"M1" + bytes([2, 3]) + b"1.0",
    bytes([0x0E, 1, 0x81, 0xFF, 1, 1, 0, 4]) + b"ACME",
    bytes([9]) + b"\x01\xffPump 12",
    bytes([4]) + b"SunS",
    bytes([132, 0, 1, 0, 65]) + b"Fronius\0" * 16,
)


def identities(r: random.Random) -> Fuzzer:
    async def ask(_: bytes) -> Any:
        data = mutated(r, r.choice(IDENTITIES)) if r.random() < 0.8 else None
        return Reply(None if data is None and r.random() < 0.5 else b"\x2b", data or None)

    while True:
        with suppress(StopIteration):  # it never has to wait for its answers, so it ends at once
            identify(ask).send(None)
            raise AssertionError("it waits")
        data = mutated(r, r.choice(IDENTITIES))
        parse_objects(data)
        if data:
            parse_server_id(data)
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
        found = verdicts(evidence)
        assert bool(found) == bool(evidence.requests or evidence.foreign or evidence.unasked > 3 or evidence.echoes), evidence
        assert all(str(one) and one.sentence for one in found)
        yield


TARGETS: dict[str, Callable[[random.Random], Fuzzer]] = {
    "RTU frames": rtu_frames,
    "TCP frames, exchange": tcp_frames,
    "ASCII frames": ascii_frames,
    "frames overheard": sniffed,
    "decoder of registers": decoders,
    "address": addresses,
    "read plan": plans,
    "byte-order guess": guesses,
    "identification": identities,
    "verdicts": findings,
}
