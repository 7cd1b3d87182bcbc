"""`allow` and `deny` of a machine also bind the tools that are only given its address: poll, scan, and the wizard of try."""

import argparse
import io
import struct
from pathlib import Path

import pytest

from drivers.modbus.allowed import ALL
from drivers.modbus.wire import Settings
from gateway.cli import main
from gateway.cli._rules import RuleBook
from gateway.cli._scan_job import Options, Outcome, scan
from gateway.cli._scan_screen import Screen
from gateway.cli._scan_target import Host, Serial
from gateway.cli._site import load
from gateway.cli._try_guess import find
from tests.peers import modbus_quirky
from tests.peers.modbus_bus import Bus, unit
from tests.peers.modbus_quirky import Device


def write(machines, folder=Path()):
    path = folder / "site.yaml"
    path.write_text(f"site: a\ngateway: b\nmachines:\n{machines}")
    return path


def machine(name, connect, rule, points="{a: {at: holding 40001}}"):
    return f"  - name: {name}\n    connect: {connect}\n    {rule}\n    points: {points}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_SITE", raising=False)


def test_without_a_site_file_there_are_no_rules():
    book = RuleBook()
    assert (book.note, book.at("10.0.0.21:502").of(1), book.at("10.0.0.21:502").whose) == ("", ALL, "")


def test_a_site_file_with_mistakes_is_told():
    write("  - {name: a, connekt: x}\n")
    book = RuleBook()
    assert book.note.startswith("site.yaml has mistakes, so what its machines 'allow' and 'deny' is not known here")
    assert book.at("10.0.0.21:502").of(1) is ALL


def test_the_machine_at_the_address_is_meant():
    write(
        machine("press", "modbus-tcp://10.0.0.21?unit=3", "deny: [holding 40017-40018]")
        + machine("lathe", "modbus-rtu:///dev/ttyS0?unit=3", "allow: [holding 40001]")
        + machine("meter", "modbus-rtu:///dev/ttyS0?unit=4", "every: 1s")
    )
    book = RuleBook()
    press = book.at("10.0.0.21:502")
    assert press.whose == "'allow' and 'deny' of press in site.yaml"
    assert not press.of(3).holds(3, 16, 17)
    assert press.of(3).holds(3, 18, 19)
    assert not press.of(255).holds(3, 16, 17), "it may be the same device under any number"
    assert book.at("10.0.0.22:502").of(3) is ALL
    bus = book.at("/dev/../dev/ttyS0")
    assert not bus.of(3).holds(3, 1, 2)
    assert bus.of(4) is ALL
    assert bus.of(5) is ALL, "on a bus every number is another device"


def test_two_machines_of_one_unit_both_count():
    connect = "modbus-tcp://10.0.0.21?unit=3"
    write(machine("one", connect, "deny: [holding 40017]") + machine("two", connect, "deny: [holding 40018]"))
    rules = RuleBook().at("10.0.0.21:502")
    assert [rules.of(3).holds(3, wire, wire + 1) for wire in (15, 16, 17, 18)] == [True, False, False, True]
    assert rules.whose == "'allow' and 'deny' of one, two in site.yaml"


# ── poll ──


def test_poll_does_not_ask_for_what_is_forbidden(capsys):
    write(machine("press", "modbus-tcp://10.0.0.21?unit=3", "deny: [holding 40017-40018]"))
    assert main(["poll", "-a", "3", "-r", "10", "-c", "8", "-1", "10.0.0.21"]) == 2
    error = capsys.readouterr().err
    assert "unit 3: holding 40017 (wire 16) may not be asked for: 'allow' and 'deny' of press in site.yaml" in error


def test_poll_keeps_to_the_rules_when_it_halves_and_repeats():
    from gateway.cli._poll_flags import declare, wanted, within_rules

    write(machine("press", "modbus-rtu:///dev/ttyS0?unit=3", "deny: [holding 40017-40018]"))
    parser = argparse.ArgumentParser()
    declare(parser)
    flags = "-m rtu -a 3:4 -r 10 -c 4 /dev/ttyS0"
    plan = within_rules(wanted(parser.parse_args(flags.split())), RuleBook())
    assert [bool(m.options.allow) for m in plan.machines] == [True, False]
    assert [str(area) for area in plan.machines[0].options.allow if area.table == "holding"] == [
        "holding 40001-40016 (wire 0-15)",
        "holding 40019-465536 (wire 18-65535)",
    ]


# ── scan ──


def touched(heard):
    """(Function, wire address) of every register that was asked for."""
    found = set()
    for pdu in heard:
        if pdu[0] <= 4:
            address, count = struct.unpack(">HH", pdu[1:5])
            found |= {(pdu[0], address + i) for i in range(count)}
    return found


async def scanned(target, **options):
    outcome, err = Outcome(), io.StringIO()
    keys = {"settings": (Settings(9600, "N"),), "units": (1, 2), "timeout": 0.05, "pause": 0.0, "listen_s": 0.05} | options
    with Screen(yes=True, err=err) as screen:
        await scan(target, Options(**keys), screen, outcome)
    return outcome, err.getvalue()


async def test_scan_asks_a_unit_for_what_is_allowed_only():
    async with Bus({1: unit({0: 7}), 2: unit({5: 41, 6: 42})}).on_pty() as bus:
        rule = "allow: [holding wire 5-6]"
        write(machine("meter", f"modbus-rtu://{bus.port}?unit=2", rule, "{a: {at: holding wire 5}}"))
        outcome, shown = await scanned(Serial(bus.port))
    assert "'allow' and 'deny' of meter in site.yaml hold here too" in shown
    assert touched(pdu for number, pdu in bus.heard if number == 2) == {(3, 5)}
    assert (3, 0) in touched(pdu for number, pdu in bus.heard if number == 1)
    found = {one.unit: (one.at, one.value) for one in outcome.sections[0].report.found}
    assert found == {1: ("holding wire 0", 7), 2: ("holding wire 5", 41)}


async def test_scan_of_a_host_asks_for_what_is_allowed_only_under_whatever_number():
    device = Device()
    async with modbus_quirky.on_tcp(device) as place:
        write(machine("meter", f"modbus-tcp://{place}?unit=2", "deny: [holding wire 0-9, input]", "{a: {at: holding wire 12}}"))
        host, port = place.split(":")
        await scanned(Host(host, int(port)), units=(1, 2))
    read = {(function, wire) for _, function, first, count in device.requests for wire in range(first, first + count)}
    assert (3, 10) in read
    assert not {one for one in read if one[0] == 4 or (one[0] == 3 and one[1] < 10)}


# ── the wizard of try ──


def wizard(at):
    return argparse.Namespace(at=at, shows="10", write=None, json=False)


async def test_the_wizard_leaves_out_the_neighbours_that_are_forbidden(capsys):
    device = Device()
    async with modbus_quirky.on_tcp(device) as place:
        path = write(
            machine("press", f"modbus-tcp://{place}", "allow: [holding wire 8, holding wire 10-11]", "{a: {at: holding wire 8}}")
        )
        site = load(path)
        assert await find(site.machines["press"], path, wizard("holding wire 10")) == 0
    assert [request[1:] for request in device.requests] == [(3, 10, 2)]
    assert "holding 40011 (wire 10)" in capsys.readouterr().out


async def test_the_wizard_does_not_ask_for_what_is_forbidden(capsys):
    path = write(machine("press", "modbus-tcp://10.0.0.21", "deny: [holding 40017]"))
    assert await find(load(path).machines["press"], path, wizard("holding 40017")) == 2
    assert "press: holding 40017 (wire 16) lies in what 'deny' forbids" in capsys.readouterr().err
