"""The flags of `gateway poll`: mbpoll's meaning, and a sentence for what is not ours."""

from __future__ import annotations

import pytest

from gateway.cli import main
from gateway.cli._poll_flags import wanted
from gateway.cli._site import Usage


def parsed(*arguments: str):
    import argparse

    from gateway.cli._poll_flags import declare

    parser = argparse.ArgumentParser()
    declare(parser)
    return wanted(parser.parse_args(arguments))


def points(*arguments: str):
    return list(parsed(*arguments).machines[0].points.values())


def test_what_mbpoll_users_type_most():
    flags = "-m rtu -a 1:10 -r 17 -c 4 -t 4:float -b 19200 -P even /dev/ttyUSB0"
    plan = parsed(*flags.split())
    assert [machine.options.unit for machine in plan.machines] == plan.unit_numbers == list(range(1, 11))
    link = plan.machines[0].link
    assert (link.scheme, link.address, link.options.baud, link.options.parity) == ("modbus-rtu", "/dev/ttyUSB0", 19200, "E")
    specs = list(plan.machines[0].points.values())
    assert [(p.at.table, p.at.wire, p.type, p.order) for p in specs] == [
        ("holding", wire, "float32", "CDAB") for wire in (16, 18, 20, 22)
    ]
    assert (plan.first, plan.step, plan.once, plan.every_s) == (17, 2, False, 1.0)


@pytest.mark.parametrize(
    ("flags", "table", "wire", "kind", "order"),
    [
        ("-r 17", "holding", 16, "uint16", None),
        ("-0 -r 17", "holding", 17, "uint16", None),
        ("-0", "holding", 0, "uint16", None),
        ("-t 0 -r 1", "coil", 0, None, None),
        ("-t 1 -r 2", "discrete", 1, None, None),
        ("-t 3 -r 3", "input", 2, "uint16", None),
        ("-t 3:hex -r 3", "input", 2, "uint16", None),
        ("-t 3:int -r 3", "input", 2, "int32", "CDAB"),
        ("-t 4:int -B -r 3", "holding", 2, "int32", "ABCD"),
        ("-t 4:int16 -r 3", "holding", 2, "int16", None),
        ("-t 4:float -B -r 3", "holding", 2, "float32", "ABCD"),
        ("-t 4:string -r 3 -c 8", "holding", 2, "string", None),
    ],
)
def test_every_type(flags, table, wire, kind, order):
    first = points(*flags.split(), "10.0.0.1")[0]
    assert (first.at.table, first.at.wire, first.type, first.order) == (table, wire, kind, order)
    assert list(first.problems()) == []


@pytest.mark.parametrize(
    ("text", "units"), [("1", [1]), ("1,3", [1, 3]), ("1:4", [1, 2, 3, 4]), ("32,33,34,36:40", [32, 33, 34, 36, 37, 38, 39, 40])]
)
def test_lists_of_units(text, units):
    assert parsed("-a", text, "10.0.0.1").unit_numbers == units


@pytest.mark.parametrize(
    ("flags", "scheme", "address"),
    [
        ("10.0.0.1", "modbus-tcp", "10.0.0.1:502"),
        ("-p 1502 10.0.0.1", "modbus-tcp", "10.0.0.1:1502"),
        ("/dev/ttyS0", "modbus-rtu", "/dev/ttyS0"),
        ("-m rtu -p 4001 10.0.0.40", "modbus-rtu", "10.0.0.40:4001"),
        ("-p 502 ::1", "modbus-tcp", "[::1]:502"),
    ],
)
def test_where_to(flags, scheme, address):
    link = parsed(*flags.split()).machines[0].link
    assert (link.scheme, link.address) == (scheme, address)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("10.0.0.1 5", "5: this gateway only reads, it writes nothing to a machine; leave the values out"),
        ("10.0.0.1 -- -1 3", "-1 3: this gateway only reads"),
        ("-1 -r 17", "which device? name a serial port"),
        ("-W 10.0.0.1", "-W writes; this gateway only reads"),
        ("-u /dev/ttyS0", "gateway scan"),
        ("-R /dev/ttyS0", "RTS"),
        ("-t 5 10.0.0.1", "-t 5: write 0, 1, 3 or 4"),
        ("-t 0:hex 10.0.0.1", "-t 0:hex: write 0, 1, 3 or 4"),
        ("-t 4:double 10.0.0.1", ":float"),
        ("-a 1-3 10.0.0.1", "-a 1-3: write unit numbers from 0 to 255, such as 1, 1,3 or 1:10"),
        ("-a 256 10.0.0.1", "from 0 to 255"),
        ("-a 5:2 10.0.0.1", "from 0 to 255"),
        ("-r 0 10.0.0.1", "-r 0: add -0 if you count from 0"),
        ("-r 65536 -t 4:int 10.0.0.1", "behind the last register"),
        ("-r 400017 10.0.0.1", "behind the last register"),
        ("-c 0 10.0.0.1", "from 1 to 2000 values"),
        ("-o 30 10.0.0.1", "from 0.01 to 10 s"),
        ("-l 1 10.0.0.1", "at least 10 ms"),
        ("-m tcp /dev/ttyS0", "is a serial port; write -m rtu"),
        ("-m tcp -b 9600 10.0.0.1", "-b belongs to a serial port; with -m tcp leave it out"),
        ("-m tcp -b 9600 -P even 10.0.0.1", "-b, -P belong to a serial port; with -m tcp leave them out"),
        ("-m rtu -a 0 /dev/ttyUSB0", "-a 0: 0 is the broadcast address of a bus"),
        ("-m rtu -a 240:250 /dev/ttyUSB0", "-a 240:250: a bus has units 1 to 247"),
        ("-m rtu 10.0.0.1", "is no serial port"),
        ("-P mark /dev/ttyS0", "write none, even or odd"),
        ("-s 3 /dev/ttyS0", "-s is 1 or 2"),
        ("-b 1 /dev/ttyS0", "bits per second"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(flags, words):
    with pytest.raises(Usage) as caught:
        parsed(*flags.split())
    assert words in str(caught.value)


def test_values_to_write_are_refused_before_anything_is_connected(capsys):
    assert main(["poll", "-1", "-r", "17", "127.0.0.1", "5"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "only reads" in shown.err
