"""What `gateway plan` and the check foretell is what the reader asks for."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import Address
from drivers.modbus.cost import Cost
from drivers.modbus.forecast import SCALE_FACTOR, forecast
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


def test_a_measured_turnaround_is_part_of_every_request():
    points = {"a": point("holding 40001")}
    slow, fast = (next(iter(forecast(LINES[0], ModbusUnit(), points, turnaround))) for turnaround in (0.5, 0.0))
    assert round(slow.seconds - fast.seconds, 9) == 0.5
    assert (slow.place, slow.wire, slow.what) == ("40001", "0", "holding (function 3)")
