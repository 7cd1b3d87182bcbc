"""Machines on one line: told in the check, where it would otherwise be bad for ever at run time."""
# ruff: noqa: E501  (a sentence of the check stands on one line)

import pytest

HEAD = "site: muster\ngateway: hall-1\n"
UNDER = "define the line under 'connections:' and write its name in both machines"


def machines(*urls, connections=""):
    entries = "".join(f"  - {{name: m{n}, connect: '{url}', points: {{a: {{at: coil 1}}}}}}\n" for n, url in enumerate(urls, 1))
    return f"{HEAD}{connections}machines:\n{entries}"


@pytest.mark.parametrize(
    ("first", "second", "differences"),
    [
        ("baud=9600&unit=1", "baud=19200&unit=2", "baud=9600 by 'm1' (line 4) and baud=19200 by 'm2'"),
        ("unit=1", "baud=9600&unit=2", "no baud by 'm1' (line 4) and baud=9600 by 'm2'"),
        ("unit=1&timeout=500ms", "unit=2&timeout=2s&echo=true", "timeout=500ms, echo=false by 'm1' (line 4) and timeout=2s, echo=true by 'm2'"),
    ],
)  # fmt: skip
def test_a_serial_port_has_one_set_of_options(site, first, second, differences):
    checked = site(machines(f"modbus-rtu:///dev/ttyUSB0?{first}", f"modbus-rtu:///dev//ttyUSB0?{second}"))
    (problem,) = checked.problems
    assert (problem.level, problem.line, problem.column) == ("error", 5, 25)
    assert problem.message == f"/dev/ttyUSB0 is used with {differences}: one line has one set of options; {UNDER}"
    assert checked.config is None


def test_a_named_connection_and_a_url_to_the_same_port_are_told_too(heads):
    text = machines("bus", "modbus-rtu:///dev/a?unit=2", connections="connections: {bus: {url: 'modbus-rtu:///dev/a?parity=N'}}\n")
    words = f"/dev/a is used with parity=N by 'm1' (line 5) and no parity by 'm2': one line has one set of options; {UNDER}"
    assert heads(text) == [f"site.yaml:6:25: {words}"]


def test_every_further_set_of_options_is_told_once(heads):
    urls = [f"modbus-rtu:///dev/a?unit={unit}&baud={baud}" for unit, baud in enumerate((9600, 19200, 9600, 19200, 38400), 1)]
    assert [head.split(":")[1] for head in heads(machines(*urls))] == ["5", "8"]


def test_two_connections_to_one_tcp_endpoint_are_a_warning(site):
    checked = site(machines("modbus-tcp://10.0.0.21?timeout=1s&unit=1", "modbus-tcp://10.0.0.21:502?timeout=2s&unit=2"))
    (problem,) = checked.problems
    assert problem.level == "warning"
    differences = "timeout=1s by 'm1' (line 4) and timeout=2s by 'm2'"
    assert problem.message == (
        f"two connections to 10.0.0.21:502, with {differences}; many devices accept only one: give both the same options, or {UNDER}"
    )
    assert checked.config is not None


def test_two_protocols_to_one_tcp_endpoint_are_a_warning(heads):
    (head,) = heads(machines("modbus-tcp://h:4001?unit=1", "modbus-rtu://h:4001?unit=2"))
    assert "two connections to h:4001, with modbus-tcp by 'm1' (line 4) and modbus-rtu by 'm2'" in head


def test_who_shares_a_line_as_it_should_is_not_told_anything(heads, tmp_path):
    (tmp_path / "a.wav").touch()
    same = "modbus-rtu:///dev/a?baud=9600&unit="
    recording = f"  - {{{{name: r{{}}, connect: 'replay:{tmp_path}/a.wav?unit={{}}', vibration: {{{{}}}}}}}}\n"
    plc = "  - {{name: o{}, connect: 'opc.tcp://h?insecure=true&timeout={}s', points: {{a: {{path: Objects/A}}}}}}\n"
    text = machines(f"{same}1", f"{same}2", "modbus-rtu:///dev/b?unit=1", "modbus-tcp://h?unit=1", "modbus-tcp://h:503?unit=1")
    text += recording.format(1, "g") + recording.format(2, "m/s2") + plc.format(1, 1) + plc.format(2, 2)
    assert [head for head in heads(text) if "does not exist on this computer" not in head] == []


@pytest.mark.parametrize("line", ["modbus-tcp://h", "modbus-rtu:///dev/a"])
def test_a_unit_that_two_machines_read_is_a_warning(site, line):
    checked = site(machines(f"{line}?unit=7", f"{line}?unit=8", f"{line}?unit=7"))
    (problem,) = checked.problems
    assert (problem.level, problem.line) == ("warning", 6)
    assert "unit 7 of " in problem.message
    assert "is also read by 'm1' (line 4); give this machine the unit of its own device" in problem.message
    assert checked.config is not None


@pytest.mark.parametrize(
    ("broker", "credentials", "warnings"),
    [
        ("mqtt://10.0.0.5", "credentials: {secret: x}", ["3:19"]),
        ("mqtt://10.0.0.5", "", []),
        ("mqtts://10.0.0.5", "credentials: {secret: x}", []),
        ("mqtt://localhost", "credentials: {secret: x}", []),
        ("mqtt://[::1]", "credentials: {secret: x}", []),
    ],
)
@pytest.mark.parametrize("uplink", ["uplink: {broker: ['URL'], CREDENTIALS}", "uplinks: {x: {broker: ['URL'], CREDENTIALS}}"])
def test_a_password_that_everybody_can_read_is_a_warning(site, uplink, broker, credentials, warnings):
    checked = site(HEAD + uplink.replace("URL", broker).replace("CREDENTIALS", credentials).replace(", }", "}"))
    places = [f"{p.line}:{p.column - (5 if 'uplinks' in uplink else 0)}" for p in checked.problems]
    assert places == warnings
    assert all("go to 10.0.0.5 unencrypted" in p.message and "write 'mqtts://10.0.0.5'" in p.message for p in checked.problems)
    assert checked.config is not None
