"""What `allow` and `deny` mean, compared with sets of single registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import TABLES, Address
from drivers.modbus.allowed import ALL, Allowed
from drivers.modbus.area import Area
from drivers.modbus.request import Request
from drivers.modbus.spec import ModbusUnit
from gateway.driver import DeviceError
from tests.drivers.modbus.tables import link, point

END = 60


def unit(allow=(), deny=(), **options):
    return ModbusUnit(allow=tuple(map(Area.parse, allow)), deny=tuple(map(Area.parse, deny)), **options)


def area(name, first, count):
    return Area(Address(name, first), Address(name, first + count))


areas = st.lists(st.builds(area, st.sampled_from(sorted(TABLES)), st.integers(0, END), st.integers(0, 20)), max_size=6)
rules = st.builds(lambda allow, deny: ModbusUnit(allow=tuple(allow), deny=tuple(deny)), areas, areas)


def addresses(rule, function):
    """The same, register by register."""

    def of(areas):
        return {w for a in areas if a.first.function == function for w in range(a.first.wire, a.last.wire + 1)}

    return (of(rule.allow) if rule.allow else set(range(65536))) - of(rule.deny)


@given(rules, st.sampled_from((1, 2, 3, 4)), st.integers(0, 90), st.integers(1, 20))
def test_a_request_is_permitted_when_each_of_its_registers_is_allowed(rule, function, address, count):
    allowed, right = Allowed.of(rule), addresses(rule, function)
    request = Request(1, function, address, count)
    assert allowed.permits(request) == (set(range(address, address + count)) <= right)
    first = allowed.first(function, address)
    assert first == (address if address in right else min(right, default=None))
    if allowed.permits(request):
        allowed.insist(request)
    else:
        with pytest.raises(DeviceError, match="not asked, since 'allow' and 'deny' do not permit it"):
            allowed.insist(request)


@given(rules, rules, st.sampled_from((1, 2, 3, 4)))
def test_two_rules_together_allow_what_both_allow(one, other, function):
    both = Allowed.of(one).also(Allowed.of(other))
    right = addresses(one, function) & addresses(other, function)
    assert all(both.holds(function, wire, wire + 1) == (wire in right) for wire in range(100))
    assert both.restricted == bool(one.allow or one.deny or other.allow or other.deny)


@given(rules)
def test_its_areas_say_the_same_again(rule):
    allowed = Allowed.of(rule)
    again = Allowed.of(ModbusUnit(allow=allowed.areas))
    assert allowed.restricted == bool(rule.allow or rule.deny)
    if not allowed.empty:
        assert all(allowed.holds(f, w, w + 1) == again.holds(f, w, w + 1) for f in (1, 2, 3, 4) for w in range(100))


def test_without_a_rule_everything_is_allowed():
    assert Allowed.of(ModbusUnit()) is ALL
    assert not ALL.restricted
    assert not ALL.empty
    assert ALL.cuts == frozenset()
    assert ALL.permits(Request(1, 3, 0, 125))


def test_coils_are_counted_as_the_unit_counts_them():
    assert Allowed.of(unit(["coil 1-16"])).areas == (area("coil", 0, 15),)
    assert Allowed.of(unit(["coil 1-16", "holding 40001"], coils_from=0)).areas == (area("coil", 1, 15), area("holding", 0, 0))
    assert Allowed.of(unit(["coil wire 1-16"], coils_from=0)).areas == (area("coil", 1, 15),)


# ── gateway check ──


def told(options, **points):
    from drivers.modbus import PLUGIN

    return [(f.point, f.key, f.message) for f in PLUGIN.check(link("modbus-tcp", "plc:502"), options, points)]


def test_points_that_may_not_be_asked_for_are_told():
    options = unit(["holding 40001-40100", "coil 1-8"], ["holding 40017-40018"])
    assert told(options, ok=point("holding 40100"), also=point("coil 8"), third=point("holding 40019", type="float64")) == []
    (denied,) = told(options, a=point("holding 40018"))
    assert denied[:2] == ("a", "at")
    assert denied[2].startswith(
        "'a' at holding 40018 (wire 17) lies in what 'deny' forbids (holding 40017-40018 (wire 16-17)); narrow"
    )
    assert [key for _, key, _ in told(options, a=point("holding 40016", type="float32"))] == ["at"], "half of it is forbidden"
    ((_, _, beyond),) = told(options, a=point("holding 40100", type="float32"))
    assert "holding 40100 (wire 99), 2 registers, is not within 'allow' (holding 40001-40100 (wire 0-99)); extend 'allow'" in beyond
    ((_, _, table_),) = told(options, a=point("input 30001"))
    assert "is not within 'allow' (which has nothing of the table 'input')" in table_
    found = told(options, a=point("holding 40001", scale_from=Address.parse("holding 40017")))
    assert [(name, key) for name, key, _ in found] == [("a", "scale_from")]
    assert "the scale factor of 'a' at holding 40017" in found[0][2]


def test_a_rule_that_leaves_nothing_is_told_once():
    ((name, key, words),) = told(unit(["holding 40001-40100"], ["holding"]), a=point("holding 40001"))
    assert (name, key) == ("", "deny")
    assert "takes away all that 'allow' gives" in words
