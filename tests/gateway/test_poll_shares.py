"""Fair shares: groups with periods of their own, quarantine and probes, overtaking, and the rest of a machine that is late."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock, ManualClock
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine, PointSpec
from gateway.driver import DeviceError, LinkError
from gateway.model import PointTable, Quality, Reason, Scan
from gateway.poll import LONGEST_REST_S, Poller, Quarantine
from gateway.poll.late import rest_after
from gateway.poll.quarantine import LONGEST_PROBE_S, SHORTEST_PROBE_S
from gateway.poll.watched import Group, Watched, groups_of, phase_s
from tests.gateway.fake_driver import Collector, World, machine
from tests.waiting import until

LINK = Link("fake", "bus", None)
SILENT = DeviceError("no answer within 1 s", reason=Reason.TIMEOUT)


class Line:
    """A line with a window; `waits` holds the answers of a machine back."""

    def __init__(self, window: int = 4) -> None:
        self.window = window
        self.dead: set[str] = set()
        self.waits: dict[str, asyncio.Event] = {}
        self.reads: Counter[str] = Counter()
        self.probes: list[tuple[str, float | None]] = []
        self.open_now: set[str] = set()
        self.most = 0
        self.response = 0.02
        self.closed = asyncio.Event()

    def create(self, link: Link, clock: Clock) -> Line:
        self.clock = clock
        return self

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        self.closed.set()
        for event in self.waits.values():
            event.set()

    async def read(self, table: PointTable) -> Scan:
        name = table.machine
        assert name not in self.open_now, "one read of a machine at a time"
        self.open_now.add(name)
        self.most = max(self.most, len(self.open_now))
        try:
            await asyncio.sleep(0.001)
            if event := self.waits.get(name):
                await event.wait()
        finally:
            self.open_now.discard(name)
        if self.closed.is_set():
            raise LinkError("it was closed")
        self.reads[name] += 1
        if name in self.dead:
            raise SILENT
        n = len(table)
        return Scan(table, array("d", [1.0]) * n, bytearray([192]) * n, bytearray(n), self.clock.stamp())

    async def probe(self, table: PointTable, timeout_s: float | None) -> None:
        self.probes.append((table.machine, timeout_s))
        await asyncio.sleep(0.001)
        if table.machine in self.dead:
            raise DeviceError("no answer within 0.1 s", reason=Reason.TIMEOUT)

    def response_s(self, table: PointTable | None) -> float:
        return self.response


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def poller(line: Line) -> AsyncIterator[Poller]:
    poller = Poller(LINK, line.create, Clock(), lambda *_: None)
    poller.start()
    yield poller
    await poller.stop()


# ── groups on their grids ──


def periods(**every: float | None) -> Machine:
    points = {name: PointSpec(every=None if e is None else Duration(e)) for name, e in every.items()}
    return Machine("press", LINK, None, 1.0, points)


def test_points_are_split_by_their_period() -> None:
    groups = groups_of(periods(a=None, b=10.0, c=1.0, d=0.1, e=10.0))
    assert [(group.every_s, group.table.names) for group in groups] == [(0.1, ("d",)), (1.0, ("a", "c")), (10.0, ("b", "e"))]
    assert [group.table.every_s for group in groups] == [0.1, 1.0, 10.0]


def test_a_machine_without_points_has_one_group() -> None:
    (group,) = groups_of(periods())
    assert (group.table.names, group.every_s) == ((), 1.0)


def test_phases_are_spread_over_the_period_and_stay_the_same() -> None:
    phases = sorted(phase_s(f"machine-{n}", 10.0) for n in range(100))
    assert phases == sorted(phase_s(f"machine-{n}", 10.0) for n in range(100))
    assert 0 <= phases[0] < 1
    assert 9 < phases[-1] < 10
    assert max(later - earlier for earlier, later in pairwise(phases)) < 1.0


@given(
    every=st.floats(0.01, 1000),
    share=st.floats(0, 0.999),
    start=st.floats(0, 1e6),
    delays=st.lists(st.floats(0, 5), min_size=1, max_size=20),
)
def test_every_moment_is_on_the_grid_and_used_or_counted(every: float, share: float, start: float, delays: list[float]) -> None:
    group = Group(PointTable("m", ("a",), ("",), (None,)), every, share * every)
    group.begin(start)
    assert (group.due_s, group.advance(start)) == (start, 0), "the first read does not wait for the grid"
    first = group.due_s
    assert 0.49 * every <= first - start <= 1.51 * every
    used = 0
    missed = 0
    for delay in delays:
        used += 1
        before = group.due_s
        missed += group.advance(before + delay * every)
        steps = (group.due_s - group.phase_s) / every
        assert steps == pytest.approx(round(steps), abs=1e-3)
        assert group.due_s >= before + delay * every - 1e-6
    assert round((group.due_s - first) / every) == used + missed


async def test_each_group_is_read_in_its_own_period(poller: Poller, line: Line) -> None:
    sink = Collector()
    poller.add(Machine("m", LINK, None, 0.01, {"quick": PointSpec(), "slow": PointSpec(every=Duration(60))}), sink)
    await until(lambda: sum("quick" in scan.table.names for scan in sink.scans) >= 10)
    assert sum("slow" in scan.table.names for scan in sink.scans) == 1, "at once, and then after its period"


# ── quarantine ──


async def test_a_dead_machine_is_probed_until_it_is_back_and_then_read_at_once(poller: Poller, line: Line) -> None:
    line.dead.add("a")
    a, b = Collector(), Collector()
    poller.add(machine("a", link=LINK, every_s=3600), a)
    poller.add(machine("b", link=LINK), b)
    await until(lambda: len(line.probes) >= 2)
    assert line.reads["a"] == 1
    assert {name for name, _ in line.probes} == {"a"}
    assert poller.watched["a"].quarantine.active
    assert poller.watched["a"].health.error == "no answer within 1 s", "what the read said, not what a probe says"
    assert all(scan.quality[0] == Quality.BAD and scan.reason[0] == Reason.TIMEOUT for scan in a.scans)
    line.dead.clear()
    await until(lambda: a.last is not None and a.last.quality[0] == Quality.GOOD, LONGEST_REST_S)
    assert not poller.watched["a"].quarantine.active
    assert poller.watched["b"].health.state == "good"


def test_rests_double_up_to_the_longest_and_are_spread_by_chance() -> None:
    rests = []
    for _ in range(50):
        quarantine = Quarantine()
        for n in range(12):
            quarantine.failed(100.0, 0.1, probe=n > 0)
            rests.append((n, quarantine.probe_at_s - 100.0))
    assert max(rest for _, rest in rests) <= LONGEST_REST_S
    assert all(0.375 <= rest <= 0.5 for n, rest in rests if n == 0)
    assert all(rest >= 6 for n, rest in rests if n >= 4)
    assert len({rest for n, rest in rests if n == 11}) == 50


@pytest.mark.parametrize(
    ("line_s", "expected"), [(0.0, LONGEST_PROBE_S), (0.005, SHORTEST_PROBE_S), (0.06, 0.18), (2.0, LONGEST_PROBE_S)]
)
def test_a_probe_waits_three_times_the_p99_of_the_line(line_s: float, expected: float) -> None:
    quarantine = Quarantine()
    quarantine.failed(10.0, 1.0, probe=False)
    assert quarantine.patience_s(11.0, line_s, 0.0, free=False) == pytest.approx(expected)


def test_probes_cost_a_line_at_most_a_twentieth_and_now_and_then_one_is_as_patient_as_a_read() -> None:
    quarantine, now_s, spent_s, patient = Quarantine(), 0.0, 0.0, 0
    quarantine.failed(now_s, 1.0, probe=False)
    while now_s < 600:
        now_s = quarantine.probe_at_s
        waited_s = quarantine.patience_s(now_s, 0.01, 0.0, free=False)
        patient += waited_s is None
        took_s = 1.0 if waited_s is None else waited_s
        spent_s += took_s
        now_s += took_s
        quarantine.failed(now_s, took_s, probe=True)
    assert spent_s / now_s < 0.05
    assert patient >= 5


def test_a_machine_that_answers_probes_and_not_its_reads_rests_longer() -> None:
    quarantine = Quarantine()
    for _ in range(6):
        quarantine.failed(0.0, 1.0, probe=False)
    assert quarantine.probe_at_s >= 0.75 * 19


# ── overtaking ──


async def test_a_machine_that_is_waited_for_is_overtaken(poller: Poller, line: Line) -> None:
    line.waits["a"] = asyncio.Event()
    for name in "abcd":
        poller.add(machine(name, link=LINK), Collector())
    await until(lambda: all(line.reads[name] >= 5 for name in "bcd"))
    assert line.reads["a"] == 0
    assert line.most == 2, "the others still go one after another"
    line.waits.pop("a").set()
    await until(lambda: line.reads["a"] >= 5)


async def test_a_window_of_one_is_kept(line: Line) -> None:
    line.window = 1
    line.waits["a"] = asyncio.Event()
    poller = Poller(LINK, line.create, Clock(), lambda *_: None)
    poller.add(machine("a", link=LINK), Collector())
    poller.add(machine("b", link=LINK), Collector())
    poller.start()
    await until(lambda: "a" in line.open_now)
    await asyncio.sleep(0.3)
    assert line.reads["b"] == 0
    await poller.stop()


async def test_where_all_machines_are_slow_the_whole_window_is_theirs(poller: Poller, line: Line) -> None:
    for name in "abcde":
        line.waits[name] = asyncio.Event()
        poller.add(machine(name, link=LINK), Collector())
        poller.watched[name].slow = True
    await until(lambda: line.most == line.window)


async def test_machines_that_are_slow_leave_room_in_the_window(poller: Poller, line: Line) -> None:
    for name in "abcde":
        line.waits[name] = asyncio.Event()
        poller.add(machine(name, link=LINK), Collector())
        poller.watched[name].slow = True
    poller.add(machine("z", link=LINK), Collector())
    await until(lambda: len(line.open_now) >= 3)
    await until(lambda: line.reads["z"] >= 5, what="the one that lives is read while all others are waited for")
    for event in line.waits.values():
        event.set()
    await until(lambda: line.reads["a"] >= 1)
    assert line.most <= line.window


async def test_stopping_closes_the_line_when_a_read_hangs(line: Line) -> None:
    line.waits["a"] = asyncio.Event()
    sink = Collector()
    poller = Poller(LINK, line.create, Clock(), lambda *_: None)
    poller.add(machine("a", link=LINK), sink)
    poller.start()
    await until(lambda: "a" in line.open_now)
    await poller.stop()
    assert line.closed.is_set()
    assert not sink.scans, "a machine is not bad because the gateway stops"


async def test_reconnecting_pollers_do_not_march_in_step() -> None:
    world = World()
    world.reachable = False
    moments: list[float] = []

    def create(link: Link, clock: Clock) -> object:
        moments.append(clock.monotonic())
        return world.create(link, clock)

    pollers = [Poller(LINK, create, Clock(), lambda *_: None) for _ in range(10)]  # type: ignore[arg-type]
    for poller in pollers:
        poller.start()
    await until(lambda: len(moments) >= 30)
    await asyncio.gather(*(poller.stop() for poller in pollers))
    second = moments[10:20]
    assert max(second) - min(second) > 0.02


# ── late machines on a bus ──


def late_line(*responses: float) -> tuple[Line, list[Watched]]:
    line = Line(window=1)
    watched = [Watched(m, groups_of(m), Collector()) for m in (machine(f"m{i}", every_s=0.1) for i in range(len(responses)))]
    by_name = {w.machine.name: response for w, response in zip(watched, responses, strict=True)}
    line.response_s = lambda table: by_name[table.machine] if table else 0.02  # type: ignore[method-assign]
    return line, watched


def read_of(watched: Watched, reason: Reason = Reason.NONE) -> Scan:
    return Scan.bad(watched.table, ManualClock().stamp(), reason)


@pytest.mark.parametrize(
    ("responses", "reason", "others_due_s", "rests"),
    [
        ((0.8, 0.02, 0.02), Reason.NONE, 99.0, True),
        ((0.8, 0.02, 0.02), Reason.NONE, 99.95, False),  # nobody missed anything
        ((0.02, 0.02, 0.02), Reason.NONE, 99.0, False),  # much to read, but not late
        ((0.02, 0.02, 0.02), Reason.TIMEOUT, 99.0, True),
        ((0.8, 0.7, 0.9), Reason.NONE, 99.0, False),  # the whole line is slow
    ],
)
def test_who_is_late_and_makes_others_miss_their_moments_rests(
    responses: tuple[float, ...], reason: Reason, others_due_s: float, rests: bool
) -> None:
    line, everyone = late_line(*responses)
    for other in everyone[1:]:
        other.groups[0].due_s = others_due_s
    rest_after(line, everyone[0], read_of(everyone[0], reason), 0.8, 100.0, everyone)
    assert (everyone[0].rests_until_s > 100.0) is rests
    assert bool(everyone[0].warning) is rests
    if rests:
        assert 0.8 / (everyone[0].rests_until_s - 100.0 + 0.8) <= 0.0501
