"""Arrays of a server as pieces of waveform: what follows on what, what is refused, what is said; no server needed."""

from array import array

import pytest

from drivers.opcua.address import BrowsePath, NodeAddress
from drivers.opcua.waveform import Arrays, WaveArray
from gateway.clock import ManualClock
from gateway.config.check import check
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.model import PointTable, Quality, Reason, Scan
from gateway.waveform import Counters

RATE = 1000
T0 = 1_700_000_000_000_000_000
TABLE = PointTable("m", ("waveform",), ("g",), (None,))


def wave(**keys):
    given = {"path": BrowsePath("Objects/Press/Wave"), "rate": Rate(RATE), "unit": Acceleration("g")}
    return WaveArray(**(given | keys))


@pytest.fixture
def arrays():
    return Arrays("m", wave(), Counters())


def scan(held, at_s=0.0, quality=Quality.GOOD, reason=Reason.NONE, stamped=True):
    """A Scan with one array, that came when it was taken."""
    clock = ManualClock()
    clock.wall_ns = T0 + round(at_s * 1e9)
    clock.advance(at_s)
    objects = {} if isinstance(held, float) else {0: held}
    values = array("d", [held if isinstance(held, float) else float("nan")])
    stamps = array("q", [T0 + round(at_s * 1e9)]) if stamped else None
    return Scan(TABLE, values, bytearray([quality]), bytearray([reason]), clock.stamp(), objects, stamps=stamps)


def put(arrays, held, at_s=0.0, dropped=False, **how):
    return arrays.block(scan(held, at_s, **how), dropped=dropped)


def test_an_array_is_a_block_that_began_its_length_before_it_came(arrays):
    came = scan([1.0, -2, 3.5, 0])
    block = arrays.block(came, dropped=False)
    assert (block.machine, block.point, block.rate_hz, block.unit, block.gap) == ("m", "vibration", 1000.0, "g", True)
    assert block.samples == array("f", [1, -2, 3.5, 0])
    assert came.stamp.mono_ns - block.start.mono_ns == came.stamp.wall_ns - block.start.wall_ns == 4_000_000


def test_arrays_whose_times_are_their_length_apart_are_contiguous_and_others_come_after_a_gap(arrays):
    gaps = []
    for number, (at_s, count) in enumerate([(0, 100), (0.1, 100), (0.205, 100), (0.4, 100), (0.5, 100), (0.55, 50), (0.56, 50)]):
        gaps.append(put(arrays, [float(number)] * count, at_s).gap)
    assert gaps == [True, False, False, True, False, False, True]


def test_without_source_times_every_array_stands_for_itself(arrays):
    assert [put(arrays, [float(i)] * 100, i / 10, stamped=False).gap for i in range(3)] == [True] * 3


def test_an_array_after_one_that_the_server_dropped_comes_after_a_gap_and_is_counted(arrays):
    put(arrays, [0.0] * 100)
    assert put(arrays, [1.0] * 100, 0.1, dropped=True).gap
    assert (arrays._counters.overruns, arrays._counters.samples) == (1, 200)


def test_the_same_array_again_is_no_new_one(arrays):
    assert put(arrays, [0.0] * 100)
    assert put(arrays, [0.0] * 100) is None
    assert not put(arrays, [0.0] * 100, 0.1).gap


def test_the_array_that_stood_there_since_long_is_left_out(arrays):
    old = scan([1.0, 2.0])
    old.stamps[0] -= 13_000_000_000
    assert arrays.block(old, dropped=False) is None
    assert put(arrays, [1.0] * 100, 0.1)
    late = scan([1.0] * 100, 0.2)
    late.stamps[0] -= 30_000_000_000
    assert arrays.block(late, dropped=False), "the clock of the server may be wrong"


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (1.5, "the node holds a single value, not an array of numbers"),
        ("a", "the node holds a single value"),
        ([1.0], "the node holds a list of 1"),
        ([], "the node holds a list of 0"),
        (["a", "b"], "the node holds a list of 2, not an array of numbers; see that it is the waveform"),
        ([[1.0], [2.0]], "the node holds a list of 2"),
    ],
)
def test_what_is_no_array_of_numbers_is_told_and_what_follows_comes_after_a_gap(arrays, held, words):
    put(arrays, [0.0] * 100)
    assert put(arrays, held, 0.05) is None
    assert words in arrays.problem
    assert put(arrays, [0.0] * 100, 0.1).gap
    assert arrays.problem == ""


def test_an_array_of_bad_quality_is_told_with_its_reason(arrays):
    put(arrays, [0.0] * 100)
    assert put(arrays, [0.0] * 100, 0.1, quality=Quality.BAD, reason=Reason.NO_SENSOR) is None
    assert arrays.problem == "the array is bad: no sensor"
    assert put(arrays, [0.0] * 100, 0.2).gap


HEAD = "site: s\ngateway: g\nmachines:\n  - {name: m, vibration: {}, connect: 'opc.tcp://h:4840', insecure: true, "


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", "say where it stands with 'waveform'"),
        ("waveform: {path: Objects/A, unit: g}", "samples per second"),
        ("waveform: {path: Objects/A, rate: 6.4kHz}", "unit of a scaled sample"),
        ("waveform: {path: Objects/A, rate: 6400, unit: g}", "did you mean '6400Hz'?"),
        ("waveform: {path: Objects/A, rate: 0Hz, unit: g}", "must be above 0Hz"),
        ("waveform: {path: Objects/A, rate: 1kHz, unit: mm/s}", "'mm/s' is not a unit of acceleration; write 'm/s²' or 'g'"),
        ("waveform: {rate: 1kHz, unit: g}", "where is the array? write"),
        ("waveform: {path: Objects/A, node: 'i=5', rate: 1kHz, unit: g}", "say the same twice"),
        ("waveform: {path: Objects/A, rate: 1kHz, unit: g, every: 1ms}", "must be from 20ms to 1h"),
        ("waveform: {path: Objects/A, rate: 1kHz, unit: g, scale: 0}", "a scale of 0"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_cure(tmp_path, keys, words):
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + keys + "}\n")
    found = check(path)
    assert any(words in problem.message and problem.line == 4 for problem in found.problems), [str(p) for p in found.problems]
    assert found.config is None


def test_a_waveform_stands_beside_points(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + "points: {speed: {path: Objects/B}}, waveform: {node: 'ns=2;s=A', rate: 1kHz, unit: g}}\n")
    found = check(path)
    machine = found.config.machines["m"]
    assert machine.options.waveform == WaveArray(node=NodeAddress.parse("ns=2;s=A"), rate=Rate(1000), unit=Acceleration("g"))
    assert machine.options.waveform.every == Duration(1)
    assert ["the namespace index 2 can shift" in p.message for p in found.problems if p.level == "warning" and "index" in p.message]
