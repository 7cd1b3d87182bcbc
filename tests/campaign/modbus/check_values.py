"""What must hold for everything that reads values or plans reads, whatever the input; a broken rule is an AssertionError."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from drivers.modbus.address import Address
from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.area import Area
from drivers.modbus.decode import BlockDecoder
from drivers.modbus.derive import Derivation
from drivers.modbus.guess import Shown, guess
from drivers.modbus.identify import identify, parse_objects, parse_server_id
from drivers.modbus.meaning import Counter, Range, Raw
from drivers.modbus.memory import Memory
from drivers.modbus.plan import Block, Limits, Span, block, halves, one_each, plan, spans
from drivers.modbus.request import MAX_COUNT
from drivers.modbus.spec import REGISTERS, ModbusPoint, ModbusUnit
from drivers.modbus.tableplan import with_factors
from drivers.modbus.verdict import Evidence, verdicts
from gateway.model import PointTable, Quality, Reason, Scan, Stamp, TimeQuality
from tests.drivers.modbus.tables import point


def check_written(value: object) -> None:
    """An address or a raw value is understood or refused in words; an address keeps its meaning in wire form."""
    with suppress(ValueError):
        address = Address.parse(value)
        assert 0 <= address.wire <= 65535
        assert Address.parse(f"{address.table} wire {address.wire}").wire == address.wire
    with suppress(ValueError):
        area = Area.parse(value)
        assert 0 <= area.first.wire <= area.last.wire <= 65535
    with suppress(ValueError):
        raw = Raw.parse(value)
        for kind, width in REGISTERS.items():
            assert len(raw.image(kind) or b"") in {0, 2 * width}


def check_plan(wanted: list[Span], limits: Limits, cuts: Collection[tuple[int, int]], allowed: Allowed = ALL) -> None:
    """Any plan reads every point exactly once and no register that the device did not allow; so do its halves."""
    cuts = {*cuts, *allowed.cuts}
    blocks = plan(7, wanted, limits, cuts)
    assert sorted(row for b in blocks for row in b.rows) == [span.row for span in wanted]
    for b in blocks:
        assert allowed.permits(b.request)
        _allowed(b, limits, cuts)
        if (two := halves(b)) is not None:
            assert sorted([*two[0].rows, *two[1].rows]) == sorted(b.rows)
            for half in two:
                assert half.request.count < b.request.count
                assert allowed.permits(half.request)
                _allowed(half, limits, cuts)
    assert sorted(row for b in one_each(7, wanted) for row in b.rows) == [span.row for span in wanted]


def _allowed(b: Block, limits: Limits, cuts: Collection[tuple[int, int]]) -> None:
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


class Decoding(NamedTuple):
    """A table and all that makes a Scan of the bytes of its registers."""

    table: PointTable
    points: list[ModbusPoint]
    size: int
    decoder: BlockDecoder
    derivation: Derivation


FACTOR = Address.parse("holding wire 0")
KEYS: dict[str, tuple[dict[str, Any], ...]] = {
    "int16": ({"invalid": (Raw(-32768), Raw(0x7FFF))}, {"scale_from": FACTOR}),
    "uint16": ({"bits": {0: "on", 3: "fault"}}, {"counter": Counter()}, {"invalid": (Raw(0xFFFF),)}),
    "int32": ({"valid": Range(low=-1e6, high=1e6)}, {"scale_from": FACTOR}),
    "uint32": ({"bits": {31: "last"}}, {"counter": Counter(wrap=10**6)}, {"counter": Counter(), "scale_from": FACTOR}),
    "int64": ({"valid": Range(high=0.0)}, {"invalid": (Raw(-1),)}),
    "uint64": ({"counter": Counter()}, {"bits": {63: "last"}}, {"scale_from": FACTOR}),
    "float32": ({"invalid": (Raw(-9999.0),)}, {"valid": Range(low=-50.0, high=200.0)}),
    "float64": ({"scale_from": FACTOR}, {"valid": Range(low=-1e300)}),
}
"""What a point of each type may have beyond scale and order."""


def decodings(r: random.Random, count: int) -> list[Decoding]:
    """Return tables with points of every type and meaning, in any order of bytes."""
    return [_decoding(r) for _ in range(count)]


def _decoding(r: random.Random) -> Decoding:
    points, wire = [point("holding wire 0", type="int16")], 1
    for _ in range(r.randrange(1, 12)):
        kind, at = r.choice((*KEYS, "bit", "string")), f"holding wire {wire}"
        if kind == "string":
            one = point(at, type="string", length=r.randrange(1, 12), encoding=r.choice((None, "ascii", "latin-1")))
        elif kind == "bit":
            one = point(f"{at}.{r.randrange(16)}")
        else:
            order = r.choice((None, "ABCD", "CDAB", "BADC", "DCBA"))
            one = point(at, type=kind, order=order, **r.choice((*KEYS[kind], {"scale": 0.1}, {"scale": -3.0}, {})))
        points.append(one)
        wire = one.end + r.randrange(3)
    found, factors = with_factors(points, ModbusUnit())
    table = PointTable("m", tuple(f"p{i}" for i in range(len(found))), ("",) * len(found), tuple(found), ModbusUnit())
    whole = block(1, sorted(spans(found), key=lambda span: span.start))
    return Decoding(
        table, found, 2 * whole.request.count, BlockDecoder(whole, found, ModbusUnit()), Derivation(found, factors, Memory())
    )


def check_decoding(one: Decoding, data: bytes) -> None:
    """Every point is good with a value within what is believed, or has a reason."""
    scan = Scan.blank(one.table, Stamp(0, 0, "0" * 32, TimeQuality.SYNCED))
    one.decoder.decode(data, scan)
    one.derivation.apply(scan)
    for row, made in enumerate(one.points):
        if scan.quality[row] != Quality.GOOD:
            assert scan.reason[row] != Reason.NONE
            continue
        assert scan.reason[row] == Reason.NONE
        if made.kind == "string":
            assert isinstance(scan.objects[row], str)
        elif row not in scan.objects:
            assert not math.isnan(scan.values[row])
            assert made.valid is None or made.valid.holds(scan.values[row])


def check_guess(data: bytes, at: int, display: str) -> None:
    """What registers may mean comes best first, whatever the display says; a display that is no number is refused in words."""
    try:
        shown = Shown.parse(display)
    except ValueError:
        shown = Shown.parse("41.9")
    best = guess(data, at, shown)
    assert best == sorted(best, key=lambda one: one.rank)
    assert all(math.isfinite(one.value) for one in best)


class Reply(NamedTuple):
    """An answer as `probe` hands it on."""

    pdu: bytes | None
    data: bytes | None


def check_identity(answers: Iterator[bytes | None], data: bytes) -> None:
    """A unit may answer anything, or nothing, when asked who it is."""

    async def ask(_: bytes) -> Any:
        answer = next(answers, None)
        return Reply(None if answer is None else b"\x2b", answer or None)

    with suppress(StopIteration):  # it never has to wait for its answers, so it ends at once
        identify(ask, [("holding wire 0", 3, 0)]).send(None)
        raise AssertionError("it waits")
    parse_objects(data)
    if data:
        parse_server_id(data)


def check_verdicts(evidence: Evidence) -> None:
    """There is a sentence for everything that happened, and none for nothing."""
    found = verdicts(evidence)
    assert bool(found) == bool(evidence.requests or evidence.foreign or evidence.unasked > 3 or evidence.echoes), evidence
    assert all(str(one) and one.sentence for one in found)
