"""What `gateway plan` and the check foretell is what the reader asks for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import Address
from drivers.modbus.area import Area
from drivers.modbus.check import check
from drivers.modbus.cost import DEVICE_BYTE_S, TURNAROUND_TCP_S, Cost
from drivers.modbus.forecast import SCALE_FACTOR, forecast, remarks
from drivers.modbus.pipeline import Pipeline
from drivers.modbus.reader import Reader
from drivers.modbus.spec import ModbusUnit
from tests.drivers.modbus.tables import link, point, table

LINES = [
    link("modbus-tcp", "10.0.0.1:502"),
    link("modbus-rtu", "/dev/ttyS0", baud=9600, pause=0.02),
    link("modbus-ascii", "/dev/ttyS0"),
]


@st.composite
def points(draw):
    found = {}
    for n in range(draw(st.integers(1, 20))):
        kind = draw(st.sampled_from(("uint16", "float32", "coil", "scaled")))
        wire = draw(st.integers(0, 400))
        if kind == "coil":
            found[f"p{n}"] = point(draw(st.sampled_from((f"coil {wire + 1}", f"coil wire {wire}"))))
        elif kind == "scaled":
            found[f"p{n}"] = point(f"holding wire {wire}", scale_from=Address("holding", draw(st.integers(0, 400))))
        else:
            found[f"p{n}"] = point(f"{draw(st.sampled_from(('holding', 'input')))} wire {wire}", type=kind)
    return found


options = st.fixed_dictionaries(
    {
        "unit": st.integers(1, 247),
        "max_registers": st.integers(4, 125),
        "max_gap": st.none() | st.integers(0, 20),
        "one_per_request": st.booleans(),
        "coils_from": st.sampled_from((0, 1)),
    }
)


@given(points(), options, st.sampled_from(LINES))
def test_the_forecast_is_what_the_reader_asks_for(points, options, line):
    reader = Reader(table(points, **options), cost=Cost.of(line))
    planned = list(forecast(line, ModbusUnit(**options), points))
    requests = [part.request for part in reader.blocks]
    assert [(p.wire.split("-")[0], p.count) for p in planned] == [(str(r.address), r.count) for r in requests]
    assert [p.seconds for p in planned] == [Cost.of(line).seconds(r) for r in requests]
    assert {name for p in planned for name in p.points} - {SCALE_FACTOR} == set(points)


allowed = st.builds(
    lambda first, count: (Area(Address("holding", first), Address("holding", first + count)),),
    st.integers(0, 400),
    st.integers(0, 9),
)


@given(points(), options, st.integers(2, 16), allowed)
def test_requests_that_are_sent_together_share_the_turnaround(points, options, depth, denied):
    line = LINES[0]
    unit = ModbusUnit(**options, pipeline=depth, deny=denied)
    points = {name: p for name, p in points.items() if not list(check(line, ModbusUnit(deny=denied), {name: p}))}
    reader = Reader(table(points, **options, pipeline=depth, deny=denied), cost=Cost.of(line), pipeline=Pipeline(depth))
    planned = list(forecast(line, unit, points))
    requests = [part.request for part in reader.blocks]
    assert [(p.wire.split("-")[0], p.count) for p in planned] == [(str(r.address), r.count) for r in requests]
    round_trips = math.ceil(len(requests) / depth)
    expected = round_trips * TURNAROUND_TCP_S + sum(DEVICE_BYTE_S * r.size for r in requests)
    assert sum(p.seconds for p in planned) == pytest.approx(expected)


def test_what_bounds_the_requests_is_told():
    unit = ModbusUnit(allow=(Area.parse("holding 40001-40100"), Area.parse("coil 1-8")), deny=(Area.parse("holding 40017"),))
    assert list(remarks(LINES[0], unit)) == [
        "nothing is asked for but coil 00001-00008 (wire 0-7), holding 40001-40016 (wire 0-15), holding 40018-40100 (wire 17-99)"
    ]
    many = ModbusUnit(deny=tuple(Area.parse(f"holding wire {wire}") for wire in range(5, 75, 10)), pipeline=4)
    words, pace = remarks(LINES[0], many)
    assert words.startswith("never asked for: holding 40006 (wire 5), holding 40016 (wire 15), ")
    assert words.endswith("and 3 more")
    assert pace == "up to 4 requests at a time"
    assert list(remarks(LINES[0], ModbusUnit())) == []


def test_a_measured_turnaround_is_part_of_every_request():
    points = {"a": point("holding 40001")}
    slow, fast = (next(iter(forecast(LINES[0], ModbusUnit(), points, turnaround))) for turnaround in (0.5, 0.0))
    assert round(slow.seconds - fast.seconds, 9) == 0.5
    assert (slow.place, slow.wire, slow.what) == ("40001", "0", "holding (function 3)")
