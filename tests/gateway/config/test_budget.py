import pytest

from gateway.config.budget import enough_s, loads

HEAD = "site: muster\ngateway: hall-1\n"


def bus(machines, every="1s", baud=9600, points=41):
    registers = "".join(f"      p{n}: {{at: holding wire {n * 130}}}\n" for n in range(points))
    return f'{HEAD}connections:\n  bus-a: {{url: "modbus-rtu:///dev/ttyS0?baud={baud}"}}\nmachines:\n' + "".join(
        f"  - name: m{n}\n    connect: bus-a\n    unit: {n}\n    every: {every}\n    points:\n{registers}" for n in machines
    )


def test_requests_that_do_not_fit_the_period_are_told_at_the_connection(heads):
    (head,) = heads(bus([1]))
    assert head == (
        "site.yaml:4:3: warning: 41 requests x 35.2 ms = 1.44 s do not fit every: 1s; use 2s, or give points that change slowly an "
        "'every' of their own"
    )


def test_it_is_the_sum_over_the_bus_that_counts(heads):
    assert heads(bus([1, 2], every="2s", points=20)) == []
    (head,) = heads(bus([1, 2, 3], every="2s", points=20))
    assert "60 requests of 3 machines on modbus-rtu:///dev/ttyS0 x 35.2 ms = 2.11 s do not fit every: 2s; use 5s" in head


def test_the_same_machines_on_lines_of_their_own_fit(heads):
    text = bus([1, 2, 3], every="2s", points=20)
    for n in (1, 2, 3):
        text = text.replace("connect: bus-a", f'connect: "modbus-rtu:///dev/ttyS{n}?baud=9600"', 1)
    assert [head for head in heads(text) if "do not fit" in head] == []


def test_periods_that_differ_are_weighed_by_their_share(heads):
    text = (
        bus([1], points=20).replace("points:", "points:\n      slow: {at: input wire 0, every: 1h}")
        + bus([2], every="500ms", points=15).split("machines:\n")[1]
    )
    (head,) = heads(text)
    assert "36 requests of 2 machines" in head
    assert "busy 176% of the time, 106% of it for 'm2' every 500ms; make the periods 1.8 times as long" in head


def test_a_point_with_a_period_of_its_own_is_read_apart(site):
    text = bus([1], points=3).replace("{at: holding wire 130}", "{at: holding wire 130, every: 10s}")
    (load,) = loads(site(text).config.machines.values())
    assert [(group.every_s, group.points, len(group.requests)) for group in load.groups] == [(1.0, 2, 2), (10.0, 1, 1)]
    assert load.requests_per_s == pytest.approx(2.1)
    assert load.share == pytest.approx(load.groups[0].seconds + load.groups[1].seconds / 10)


def test_a_connection_that_cannot_be_weighed_is_left_alone(site):
    text = HEAD + "machines: [{name: s, connect: 'replay:a.wav?unit=g', vibration: {}}]"
    assert loads(site(text).config.machines.values()) == []


def test_a_measured_turnaround_counts(site):
    machines = site(bus([1])).config.machines.values()
    slow, fast = (loads(machines, turnaround)[0] for turnaround in (0.1, 0.0))
    assert slow.groups[0].seconds - fast.groups[0].seconds == pytest.approx(4.1)
    assert slow.overrun
    assert "4.1" not in fast.overrun


@pytest.mark.parametrize(("needed", "period"), [(0.07, 0.1), (1.0, 1), (1.01, 2), (61, 120), (4000, 7200)])
def test_the_period_that_is_enough_is_a_round_one(needed, period):
    assert enough_s(needed) == period
