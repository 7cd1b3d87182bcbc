import re
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.spec import ModbusLink, swaps
from gateway.config.check import check as check_file
from gateway.config.quantity import Duration
from gateway.driver import find
from tests.drivers.modbus.tables import link, point, table

EXAMPLE = Path(__file__).parents[3] / "drivers/modbus/example.yaml"


def test_both_schemes_lead_here():
    assert find("modbus-tcp") is PLUGIN
    assert find("modbus-rtu") is PLUGIN


def test_checking_loads_no_protocol_library():
    code = "import sys, drivers.modbus; sys.exit(any(m.split('.')[0] in {'pymodbus', 'serial'} for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=EXAMPLE.parents[2]).returncode == 0


def test_the_example_is_good():
    assert check_file(EXAMPLE).problems == ()


@pytest.mark.parametrize(
    ("scheme", "written", "normal"),
    [
        ("modbus-tcp", "10.0.0.21", "10.0.0.21:502"),
        ("modbus-tcp", "10.0.0.21:1502", "10.0.0.21:1502"),
        ("modbus-tcp", "PLC-1.Shop/", "plc-1.shop:502"),
        ("modbus-tcp", "[fe80::1]", "[fe80::1]:502"),
        ("modbus-tcp", "[::1]:1502", "[::1]:1502"),
        ("modbus-rtu", "10.0.0.40:4001", "10.0.0.40:4001"),
        ("modbus-rtu", "/dev/rs485-a", "/dev/rs485-a"),
        ("modbus-rtu", "//dev//ttyUSB0", "/dev/ttyUSB0"),
    ],
)
def test_addresses_have_a_normal_form(scheme, written, normal):
    assert PLUGIN.check_address(scheme, written) == normal
    assert PLUGIN.check_address(scheme, normal) == normal


@pytest.mark.parametrize(
    ("scheme", "written", "cure"),
    [
        ("modbus-tcp", "", "write it like 'modbus-tcp://10.0.0.21:502'"),
        ("modbus-tcp", "/dev/ttyUSB0", "did you mean 'modbus-rtu:///dev/ttyUSB0'?"),
        ("modbus-tcp", "plc:0", "1 to 65535"),
        ("modbus-tcp", "plc:65536", "1 to 65535"),
        ("modbus-tcp", "plc:mbap", "1 to 65535"),
        ("modbus-tcp", "plc:502/1", "write it like"),
        ("modbus-tcp", "fe80::1", "write it like"),
        ("modbus-tcp", "admin@plc", "write 'modbus-tcp://plc'"),
        ("modbus-rtu", "10.0.0.40", "write it like 'modbus-rtu://10.0.0.40:4001'"),
        ("modbus-rtu", "dev/ttyUSB0", "did you mean 'modbus-rtu:///dev/ttyUSB0'?"),
        ("modbus-rtu", "ttyUSB0", "did you mean 'modbus-rtu:///dev/ttyUSB0'?"),
        ("modbus-rtu", "/", "the serial port is missing"),
        ("modbus-rtu", "/dev/", "the serial port is missing"),
    ],
)
def test_bad_addresses_get_a_cure(scheme, written, cure):
    with pytest.raises(ValueError, match=re.escape(cure)):
        PLUGIN.check_address(scheme, written)


@pytest.mark.parametrize(
    ("at", "keys", "key", "words"),
    [
        ("holding 40017", {"type": "string"}, "length", "needs 'length'"),
        ("holding 40017", {"length": 4}, "length", "only a string has a length"),
        ("holding 40017", {"encoding": "ascii"}, "encoding", "only a string"),
        ("holding 40017", {"type": "bool"}, "type", "holding 40017.0"),
        ("holding 40017", {"bit": 3, "type": "int16"}, "type", "leave 'type' out"),
        ("holding 40017.3", {"bit": 3}, "bit", "stands twice"),
        ("coil 17", {"bit": 3}, "bit", "leave 'bit' out"),
        ("coil 17", {"type": "int16"}, "type", "its type is bool, not int16"),
        ("coil 17", {"order": "CDAB"}, "order", "no byte order"),
        ("coil 17", {"scale": 2.0}, "scale", "no scale or offset"),
        ("holding 40017", {"type": "string", "length": 4, "offset": 2.0}, "offset", "no scale or offset"),
        ("holding 40017", {"type": "string", "length": 4, "states": {0: "off"}}, "states", "no states"),
        ("holding wire 65535", {"type": "int32"}, "at", "beyond the last register"),
        ("holding wire 65533", {"type": "string", "length": 4}, "at", "beyond the last register"),
        ("holding 40017", {"scale": 0.0}, "scale", "leave it out"),
    ],
)
def test_what_does_not_fit_together(at, keys, key, words):
    problems = list(point(at, **keys).problems())
    assert [name for name, _ in problems] == [key]
    assert words in problems[0][1]


@pytest.mark.parametrize(
    ("at", "keys", "kind", "width"),
    [
        ("holding 40017", {}, "uint16", 1),
        ("coil 17", {}, "bool", 1),
        ("discrete 10017", {"type": "bool"}, "bool", 1),
        ("holding 40017.3", {}, "bool", 1),
        ("holding 40017", {"bit": 0, "type": "bool"}, "bool", 1),
        ("input 30017", {"type": "float32"}, "float32", 2),
        ("holding wire 65532", {"type": "float64"}, "float64", 4),
        ("holding wire 65533", {"type": "string", "length": 3}, "string", 3),
    ],
)
def test_defaults_fit(at, keys, kind, width):
    checked = point(at, **keys)
    assert list(checked.problems()) == []
    assert (checked.kind, checked.width) == (kind, width)


@pytest.mark.parametrize(("name", "alias"), [("ABCD", "big"), ("CDAB", "word-swap"), ("BADC", "byte-swap"), ("DCBA", "little")])
def test_orders_have_a_word(name, alias):
    assert swaps(name) == swaps(alias)
    assert swaps(name) == (name in {"CDAB", "DCBA"}, name in {"BADC", "DCBA"})


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"timeout": Duration(0)}, "timeout"),
        ({"timeout": Duration(3600)}, "timeout"),
        ({"connect_timeout": Duration(0)}, "connect_timeout"),
        ({"pause": Duration(60)}, "pause"),
        ({"pause_after_connect": Duration(31)}, "pause_after_connect"),
        ({"certificate": "a.pem"}, "certificate"),
        ({"key_file": "a.key"}, "key_file"),
        ({"insecure": True, "ca": "ca.pem"}, "insecure"),
    ],
)
def test_a_line_has_sensible_options(keys, key):
    assert [name for name, _ in ModbusLink(**keys).problems()] == [key]


def findings(line, points, **options):
    names = table(points, **options)
    return list(PLUGIN.check(line, names.options, points))


def test_serial_options_on_tcp_are_told():
    found = findings(link("modbus-tcp", "10.0.0.21:502", baud=9600, parity="N", echo=True), {})
    assert [f.key for f in found] == ["baud", "parity", "echo"]
    assert not findings(link("modbus-rtu", "/dev/ttyUSB0", baud=9600), {})


@pytest.mark.parametrize(("unit", "count"), [(0, 1), (1, 0), (247, 0), (248, 1)])
def test_units_of_a_bus(unit, count):
    assert len(findings(link("modbus-rtu", "/dev/ttyUSB0"), {}, unit=unit)) == count
    assert not findings(link("modbus-tcp", "plc:502"), {}, unit=unit)


def test_a_value_that_the_unit_cannot_hand_out_at_once():
    found = findings(link("modbus-tcp", "plc:502"), {"a": point("holding 1", type="int64")}, max_registers=2)
    assert [(f.point, f.level) for f in found] == [("a", "error")]


def test_points_that_overlap():
    points = {
        "energy": point("holding 40001", type="float32"),
        "same": point("holding 40001", type="float32", scale=0.001),
        "low_word": point("holding 40002"),
        "beside": point("holding 40003"),
        "flag": point("holding 40001.3"),
        "elsewhere": point("input 30002"),
    }
    found = findings(link("modbus-tcp", "plc:502"), points)
    assert {f.point for f in found} == {"low_word"}
    assert all(f.level == "warning" and f.key == "at" for f in found)
    assert any("'energy' (float32 at holding 40001 (wire 0), 2 registers)" in f.message for f in found)


@pytest.mark.parametrize(
    ("scheme", "address", "normal"),
    [
        ("modbus-tls", "10.0.0.21", "10.0.0.21:802"),
        ("modbus-udp", "PLC-1", "plc-1:502"),
        ("modbus-ascii", "/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("modbus-ascii", "10.0.0.40:4001", "10.0.0.40:4001"),
    ],
)
def test_addresses_of_the_other_transports(scheme, address, normal):
    assert PLUGIN.check_address(scheme, address) == normal


@pytest.mark.parametrize(
    ("scheme", "address", "words"),
    [
        ("modbus-ascii", "10.0.0.40", "ASCII over TCP needs the port"),
        ("modbus-ascii", "ttyUSB0", "modbus-ascii:///dev/ttyUSB0"),
        ("modbus-tls", "/dev/ttyUSB0", "did you mean 'modbus-rtu:///dev/ttyUSB0'"),
        ("modbus-udp", "h:0", "write it like 'modbus-udp://10.0.0.21:502'"),
    ],
)
def test_mistakes_in_them_are_told(scheme, address, words):
    with pytest.raises(ValueError, match=words):
        PLUGIN.check_address(scheme, address)


@pytest.mark.parametrize(
    ("scheme", "address", "keys", "key"),
    [
        ("modbus-rtu", "/dev/ttyUSB0", {"data": 7}, "data"),
        ("modbus-tcp", "h:502", {"ca": "ca.pem"}, "ca"),
        ("modbus-tcp", "h:502", {"insecure": True}, "insecure"),
        ("modbus-rtu", "/dev/ttyUSB0", {"one_connection": True}, "one_connection"),
        ("modbus-udp", "h:502", {"close_after_read": True}, "close_after_read"),
        ("modbus-udp", "h:502", {"baud": 9600}, "baud"),
    ],
)
def test_options_that_belong_to_another_transport(scheme, address, keys, key):
    assert [finding.key for finding in findings(link(scheme, address, **keys), {})] == [key]
    assert not findings(link("modbus-ascii", "/dev/ttyUSB0", data=7), {})
