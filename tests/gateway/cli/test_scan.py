"""`gateway scan` as a command: targets, site file, words and exit codes; the sweeps themselves stand in tests/drivers/modbus."""

import io
import json

import pytest

from drivers.modbus.identify import Identity
from drivers.modbus.scan import Found, Report
from drivers.modbus.verdict import Evidence, verdicts
from drivers.modbus.wire import Settings
from gateway.cli import main
from gateway.cli import scan as verb
from gateway.cli._scan_job import Options, Outcome, Section, scan
from gateway.cli._scan_profiles import packaged, profile_for, score, type_registers
from gateway.cli._scan_screen import Screen, duration_words
from gateway.cli._scan_target import Host, Network, Serial, parse, parse_bauds, parse_parities, parse_units
from gateway.cli._scan_yaml import Item, Place, site_yaml, slug, stable_port
from gateway.config.check import check
from gateway.driver import LinkError
from tests.peers.modbus_bus import Bus, framed, talking, unit

NAMES = {0: "Schneider Electric", 1: "ATV320U07", 2: "V3.6"}


# ── what is to be scanned ──


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/dev/ttyUSB0", Serial("/dev/ttyUSB0")),
        ("ttyUSB0", Serial("/dev/ttyUSB0")),
        ("modbus-rtu:///dev/rs485-a", Serial("/dev/rs485-a", ("rtu",))),
        ("modbus-ascii:///dev/rs485-a", Serial("/dev/rs485-a", ("ascii",))),
        ("tcp://10.0.0.5", Host("10.0.0.5", 502, given=False)),
        ("modbus-tcp://10.0.0.5:1502", Host("10.0.0.5", 1502)),
        ("10.0.0.5", Host("10.0.0.5", 502, given=False)),
        ("127.0.0.1:15020", Host("127.0.0.1", 15020)),
        ("press.local", Host("press.local", 502, given=False)),
        ("tcp://[fd00::5]:1502", Host("fd00::5", 1502)),
        ("modbus-rtu://10.0.0.9:4001", Host("10.0.0.9", 4001, "modbus-rtu")),
        ("modbus-ascii://10.0.0.9:4001", Host("10.0.0.9", 4001, "modbus-ascii")),
        ("tls://plc-1.example", Host("plc-1.example", 802, "modbus-tls", given=False)),
        ("modbus-tls://10.0.0.5:8802", Host("10.0.0.5", 8802, "modbus-tls")),
        ("udp://10.0.0.5", Host("10.0.0.5", 502, "modbus-udp", given=False)),
        ("10.0.0.8/30", Network(("10.0.0.9", "10.0.0.10"), "10.0.0.8/30")),
        ("10.0.0.9/30", Network(("10.0.0.9", "10.0.0.10"), "10.0.0.8/30")),
    ],
)
def test_targets(text, target):
    assert parse(text) == target


def test_a_port_beside_the_target():
    assert parse("tcp://10.0.0.5", 1502) == Host("10.0.0.5", 1502)
    assert parse("tcp://10.0.0.5:99", 1502) == Host("10.0.0.5", 99)
    assert len(parse("127.0.0.0/28").hosts) == 14


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.0.0/16", "65536 addresses; take a smaller network (up to /22), or say --yes"),
        ("10.0.0.0/40", "is no network; write it like 10.0.0.0/28"),
        ("fd00::/120", "IPv6"),
        ("http://10.0.0.5", "'http://' cannot be scanned; write /dev/ttyUSB0"),
        ("tcp://10.0.0.0/28", "a network is written without a scheme"),
        ("tcp://10.0.0.5?unit=1", "say --baud"),
        ("tcp://10.0.0.5:99999", "is no TCP port"),
        ("modbus-rtu://10.0.0.5", "needs the port of the serial server"),
        ("two words", "is no host and port"),
        ("COM3", "COM3 is the name of a serial port under Windows; "),
    ],
)
def test_what_is_no_target(text, words, capsys):
    assert main(["scan", text]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gateway scan: ")
    assert words in error


def test_a_large_network_is_taken_with_yes():
    assert len(parse("10.0.0.0/21", wide=True).hosts) == 2046


def test_units_bauds_and_parities():
    assert parse_units("1:3,7, 9-10,2") == [1, 2, 3, 7, 9, 10]
    assert parse_bauds("9600, 19200,9600") == [9600, 19200]
    assert parse_parities("even,8n1,N2,E") == ["E", "N", "N2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--units", "20:1"], "did you mean 1:20?"),
        (["--units", "a"], "'a' is no unit; write 7, 1:20 or 1,5,10:12"),
        (["--units", "300"], "unit 300 does not exist"),
        (["--units", "0:3"], "unit 0 does not exist on a bus"),
        (["--baud", "fast"], "'fast' is no baud rate"),
        (["--parity", "X"], "'X' is no parity; write E (even)"),
        (["--pause", "5"], "did you mean '5s'?"),
        (["--timeout", "0s"], "--timeout must be between 5ms and 60s"),
        (["--port", "502"], "--port belongs to a host"),
        (["--write", __file__], "exists and is not overwritten"),
        (["--parity", "7E1"], "7 data bits belong to ASCII; name the target modbus-ascii:///dev/"),
        (["--ca", __file__], "belong to TLS; write the target as tls://host"),
    ],
)
def test_options_that_cannot_be_meant(arguments, words, capsys):
    assert main(["scan", "/dev/ttyUSB0", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_without_a_target_the_ports_are_told(capsys, monkeypatch):
    monkeypatch.setattr("drivers.modbus.ports._ports", lambda: ["/dev/serial/by-id/usb-FTDI"])
    assert main(["scan"]) == 2
    assert "which line, host or network?" in (told := capsys.readouterr().err)
    assert "present: /dev/serial/by-id/usb-FTDI" in told


def test_serial_options_for_a_host(capsys):
    assert main(["scan", "tcp://127.0.0.1:1", "--baud", "9600"]) == 2
    assert "belong to a serial port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ca", "/nowhere/ca.pem"], "--ca /nowhere/ca.pem: there is no such file"),
        (["--key-file", __file__], "a client certificate needs both 'certificate' and 'key_file'"),
        (["--insecure", "--ca", __file__], "with 'insecure: true' nothing is checked against 'ca'"),
    ],
)
def test_options_of_tls_that_cannot_be_meant(arguments, words, capsys):
    assert main(["scan", "tls://127.0.0.1:1", *arguments]) == 2
    assert words in capsys.readouterr().err


# ── the site file ──

BUS = Place(url="modbus-rtu:///dev/ttyUSB0", options=(("baud", "19200"), ("parity", "E"), ("echo", "true")), shared=True)
ITEMS = [
    Item(place=BUS, name="pm-7", unit=7, comment="Acme PM-7 # \n evil: {", point="holding wire 0", value=41),
    Item(place=BUS, name="pm-7", unit=8, profile="schneider/atv320"),
    Item(place=Place(url="modbus-tcp://10.0.0.5:502"), name="unit-1", unit=1, comment="x" * 200),
    Item(place=Place(url="modbus-tls://plc-1.example:802", options=(("ca", "/plant a/ca.pem"),)), name="plc", unit=1),
    Item(place=Place(url="modbus-udp://10.0.0.5:502"), name="udp", unit=1),
    Item(place=Place(url="opc.tcp://10.0.0.9:4840"), name="opcua"),
]


def test_the_site_file_passes_the_check(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(site_yaml(ITEMS), encoding="utf-8")
    checked = check(path)
    assert [problem.message for problem in checked.problems if problem.level == "error"] == []
    machines = checked.config.machines
    assert list(machines) == ["pm-7", "pm-7-2", "unit-1", "plc", "udp"]
    assert machines["plc"].link.options.ca == "/plant a/ca.pem"
    assert machines["pm-7"].link is not None
    assert machines["pm-7"].link == machines["pm-7-2"].link
    options = machines["pm-7"].link.options
    assert (options.baud, options.parity, options.echo) == (19200, "E", True)
    assert machines["pm-7"].options.unit == 7
    assert len(machines["pm-7-2"].points) > 3
    assert all(len(line) < 80 for line in path.read_text(encoding="utf-8").splitlines() if "x" * 9 not in line)


def test_an_opc_ua_server_is_proposed_and_left_to_its_owner(tmp_path):
    text = site_yaml(ITEMS[-1:])
    assert "  # - name: opcua\n" in text
    assert '  #   connect: "opc.tcp://10.0.0.9:4840"\n' in text
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    assert [problem for problem in check(path).problems if problem.level == "error"] == []


def test_nothing_found_is_no_site_file():
    assert site_yaml([]) == ""


def test_names_of_machines():
    assert slug("UMG 96-PA / Ä 2") == "umg-96-pa-2"
    assert slug("***") == ""
    assert len(slug("m" * 90)) <= 24


def test_the_name_of_a_port_that_stays(tmp_path):
    port = tmp_path / "ttyUSB0"
    port.touch()
    folder = tmp_path / "by-id"
    folder.mkdir()
    assert stable_port(str(port), folder) == str(port)
    (folder / "usb-FTDI").symlink_to(port)
    assert stable_port(str(port), folder) == str(folder / "usb-FTDI")


# ── profiles ──


def test_the_best_profile_wins():
    identity = Identity(vendor="Acme Inc", product="PM-7", model="PM-7 S", sunspec=40000, models=(213,), types={"input 11": 71})
    assert score({"product": "pm-7*"}, identity) > score({"product": "PM*"}, identity) > 0
    assert score({"vendor": "Acme*", "product": "PM-7*"}, identity) > score({"product": "PM-7*"}, identity)
    assert score({"product": "PM-7 S"}, identity) > 0
    assert score({"vendor": "Other*", "product": "PM-7*"}, identity) == 0
    assert score({"sunspec": 213}, identity) > 0
    assert score({"sunspec": 212}, identity) == 0
    assert score({"vendor": "Acme*", "sunspec": 213}, identity) > score({"sunspec": 213}, identity)
    assert score({"register": "input 11", "values": [70, 71]}, identity) > 0
    assert score({"register": "input 11", "values": [70]}, identity) == 0
    assert score({"register": "input 12", "values": [71]}, identity) == 0
    assert score({}, identity) == 0


def test_a_map_elsewhere_does_not_get_a_profile_with_fixed_addresses():
    assert score({"sunspec": 213}, Identity(sunspec=50000, models=(213,))) == 0


def test_packaged_profiles_are_found_and_their_registers_can_be_read():
    assert packaged()
    assert profile_for(Identity(vendor="Schneider Electric", product="ATV320U07N4B")) == "schneider/atv320"
    assert profile_for(Identity()) == ""
    assert all(function in {3, 4} and 0 <= wire <= 0xFFFF for _, function, wire in type_registers())


# ── the command on a bus of our own ──


def found(number):
    return Found(
        unit=number,
        settings=Settings(9600, "N"),
        identity=Identity(),
        proof="an answer to function 3",
        at="holding wire 0",
        value=4,
    )


async def scanned(bus, **options):
    outcome = Outcome()
    err = io.StringIO()
    keys = {"settings": (Settings(9600, "N"),), "units": (1, 2), "timeout": 0.03, "pause": 0.0, "listen_s": 0.05} | options
    with Screen(yes=True, err=err) as screen:
        await scan(Serial(bus.port), Options(**keys), screen, outcome)
    return outcome, err.getvalue()


async def test_a_drive_is_found_with_its_profile(tmp_path):
    async with Bus({2: unit(objects=NAMES)}).on_pty() as bus:
        outcome, shown = await scanned(bus)
    assert "● unit 2 at 9600 8N1: Schneider Electric ATV320U07 V3.6 → schneider/atv320" in shown
    path = tmp_path / "site.yaml"
    path.write_text(outcome.yaml(), encoding="utf-8")
    checked = check(path)
    assert [problem for problem in checked.problems if problem.level == "error"] == []
    assert list(checked.config.machines) == ["atv320u07-2"]
    assert checked.config.machines["atv320u07-2"].points
    assert verb._code(outcome) == 0
    assert json.loads(json.dumps(outcome.as_json()))["places"][0]["units"][0]["profile"] == "schneider/atv320"


async def test_an_echo_goes_into_the_site_file_and_is_no_fault():
    async with Bus({2: unit({0: 4})}).on_pty() as bus:
        bus.echo = True
        outcome, _ = await scanned(bus)
    assert "echo=true" in outcome.yaml()
    assert verb._code(outcome) == 0
    assert any("the adapter echoes" in line for line in verb._findings(outcome))


async def test_another_master_ends_it_with_words():
    async with Bus({2: unit()}).on_pty() as bus, talking(bus, framed(4, b"\3\0\0\0\2")):
        outcome, _ = await scanned(bus, listen_s=0.1)
    assert verb._code(outcome) == 1
    assert verb._findings(outcome)[0].startswith("! another master talks on this bus (it asks unit 4")
    assert outcome.yaml() == ""


async def test_a_port_that_does_not_exist():
    outcome = Outcome()
    with Screen(yes=True, quiet=True) as screen:
        await scan(Serial("/dev/ttyUSB-none"), Options(), screen, outcome)
    assert verb._code(outcome) == 3
    assert "does not exist" in verb._findings(outcome)[0]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(), 1),
        (Outcome(sections=[Section(Serial("/dev/x"), Report(found=[found(1)]))]), 0),
        (Outcome(sections=[Section(Serial("/dev/x"), Report(found=[found(1)], stopped="no"))]), 1),
        (
            Outcome(
                sections=[
                    Section(
                        Serial("/dev/x"), Report(found=[found(1)], verdicts=verdicts(Evidence(requests=9, answers=7, damaged=2)))
                    )
                ]
            ),
            1,
        ),
        (Outcome(error=LinkError("gone")), 3),
        (Outcome(interrupted=True), 130),
    ],
)
def test_exit_codes(outcome, code):
    assert verb._code(outcome) == code


def test_settings_the_port_cannot_do_are_one_line():
    notes = [*(f"the port cannot do {n} 8E1" for n in (1, 2, 3, 4, 5)), "else"]
    assert verb._short(notes) == ["else", "this port cannot do 1 8E1, 2 8E1, 3 8E1 and 2 more"]


# ── the screen ──


def test_durations():
    assert [duration_words(s) for s in (40, 200, 7800)] == ["40 s", "3 min", "2 h 10 min"]


async def test_nobody_can_be_asked_without_a_terminal():
    assert not await Screen(yes=False, err=io.StringIO()).confirm(5000, 60.0)
    assert await Screen(yes=True, err=io.StringIO()).confirm(5000, 60.0)


def test_plain_lines_without_a_terminal(monkeypatch):
    now = 0.0
    monkeypatch.setattr("gateway.cli._scan_screen.time.monotonic", lambda: now)
    err = io.StringIO()
    with Screen(yes=True, err=err) as screen:
        screen.planned(100)
        for done in range(20):
            screen.asking(f"9600 8N1 unit {done}")
            screen.planned(99 - done)
            now += 1.0
    assert err.getvalue() == "9600 8N1 unit 10: 11 asked, 90 to go, 82 s left\n"
