"""`gateway scan` as its own process against peers that are not ours: libmodbus (C) over TCP and as RTU slave, pymodbus."""

import asyncio
import contextlib
import json
import logging
import os
import pty
import re
import signal
import socket
import sys

import pytest
from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.cli._scan_job import Outcome
from gateway.cli._scan_network import opcua_server
from gateway.config.check import check
from tests.peers import modbus, modbus_pymodbus, modbus_tls
from tests.peers.certificates import Authority
from tests.peers.modbus_bus import Bus, unit
from tests.peers.opcua import FOREIGN, opcua_peer

RTU_UNIT = 2


async def start(*arguments, **keys):
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "scan", *arguments, stdout=pipe, stderr=pipe, preexec_fn=heed_ctrl_c, **keys
    )


def heed_ctrl_c():
    """Undo what a shell does to its background jobs, and so to these tests: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def scan(*arguments):
    """Run it; return exit code, stdout and stderr."""
    process = await start(*arguments, stdin=asyncio.subprocess.DEVNULL)
    out, err = await asyncio.wait_for(process.communicate(), 50)
    return process.returncode, out.decode(), err.decode()


def checked(text, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    result = check(path)
    assert [problem.message for problem in result.problems if problem.level == "error"] == []
    return result.config


@contextlib.asynccontextmanager
async def simulator(host="127.0.0.1", port=0, long=False):
    """Run pymodbus's simulator with a device identity, whatever unit is asked."""
    names = {"VendorName": "Schneider Electric", "ProductCode": "ATV320U07N4B", "MajorMinorRevision": "V3.6"}
    if long:  # more than fits into one answer
        names |= {"VendorUrl": "u" * 100, "ProductName": "n" * 100, "ModelName": "m" * 100}
    device = SimDevice(0, simdata=[SimData(0, count=10, values=17, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer([device], identity=ModbusDeviceIdentification(info_name=names), address=(host, port))
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def test_libmodbus_behind_a_host(tmp_path):
    async with modbus.tcp() as server:
        code, out, err = await scan(f"tcp://127.0.0.1:{server.port}", "--pause", "0s")
    assert code == 0, err
    assert "LMB3" in err  # libmodbus says its version to function 17
    assert "answers under every unit number: one device, listed once" in err
    config = checked(out, tmp_path)
    assert [(m.link.address, m.options.unit) for m in config.machines.values()] == [(f"127.0.0.1:{server.port}", 1)]


async def test_libmodbus_on_a_bus(tmp_path):
    # a slave of libmodbus takes what comes within 0.5 s of a request to another unit for that unit's answer: the default holds
    target = tmp_path / "found.yaml"
    async with modbus.rtu(RTU_UNIT) as port:
        code, out, err = await scan(port, "--units", "1:3", "--baud", "19200", "--write", str(target))
        assert code == 0, err
        assert out == ""
        assert f"● unit {RTU_UNIT} at 19200 8N1: LMB3" in err
        assert "this port cannot do 19200 8E1" in err
        config = checked(target.read_text(encoding="utf-8"), tmp_path)
        machine = next(iter(config.machines.values()))
        assert (machine.link.address, machine.options.unit) == (port, RTU_UNIT)
        assert (machine.link.options.baud, machine.link.options.parity) == (19200, "N")
        code, _, err = await scan(port, "--write", str(target))
        assert code == 2
        assert "is not overwritten" in err


# the slaves of pymodbus on a bus answer for units that they do not have, with exception 4: only the one is asked


async def test_pymodbus_in_ascii_on_a_bus_where_nobody_speaks_rtu(tmp_path):
    async with modbus.pty_pair() as (ours, theirs), modbus_pymodbus.ascii_serial(theirs, 7):
        code, out, err = await scan(ours, "--units", "7", "--baud", "9600", "--parity", "N", "--pause", "0s", "--timeout", "300ms")
    assert code == 0, err
    assert "● unit 7 at 9600 8N1 ASCII: " in err
    machine = next(iter(checked(out, tmp_path).machines.values()))
    assert (machine.link.scheme, machine.link.address, machine.options.unit) == ("modbus-ascii", ours, 7)
    assert (machine.link.options.baud, machine.link.options.parity, machine.link.options.data) == (9600, "N", 8)


async def test_pymodbus_in_ascii_behind_a_serial_server(tmp_path):
    async with modbus_pymodbus.ascii_tcp(7) as place:
        code, out, err = await scan(f"modbus-ascii://{place}", "--units", "7", "--pause", "0s", "--json")
    assert code == 0, err
    assert json.loads(out)["places"][0]["units"][0]["first"] == {"at": "holding wire 0", "value": 0}
    (machine,) = checked(json.loads(out)["yaml"], tmp_path).machines.values()
    assert (machine.link.url, machine.options.unit) == (f"modbus-ascii://{place}", 7)


async def test_pymodbus_in_datagrams(tmp_path):
    async with modbus_pymodbus.udp(7) as place:
        code, out, err = await scan(f"udp://{place}", "--units", "6,7", "--pause", "0s", "--timeout", "300ms")
    assert "● unit 7: " in err
    assert code == 0, err
    assert f"modbus-udp://{place}" in {machine.link.url for machine in checked(out, tmp_path).machines.values()}


async def test_nobody_takes_datagrams():
    async with modbus_pymodbus.udp(7) as place:
        pass
    code, _, err = await scan(f"udp://{place}", "--units", "1:3", "--timeout", "50ms")
    assert code == 3
    assert "refuses the connection" in err


async def test_datagrams_that_are_swallowed():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        code, _, err = await scan(f"udp://127.0.0.1:{deaf.getsockname()[1]}", "--units", "1", "--timeout", "20ms", "--pause", "0s")
    assert code == 1
    assert "nothing answers, and datagrams do not tell whether anybody is there" in err


async def test_libmodbus_inside_tls(tmp_path):
    authority = Authority(tmp_path)
    ours, client = authority.issue("plc", hosts=("127.0.0.1",)), authority.issue("gateway")
    files = ["--ca", authority.file, "--certificate", client.certificate, "--key-file", client.key]
    async with modbus_tls.tls(ours, clients=authority.file) as place:
        code, out, err = await scan(f"tls://{place}", *map(str, files), "--units", "1", "--pause", "0s")
        assert code == 0, err
        assert "LMB3" in err
        (machine,) = checked(out, tmp_path).machines.values()
        assert machine.link.url == f"modbus-tls://{place}"
        assert (machine.link.options.ca, machine.link.options.key_file) == (str(authority.file), str(client.key))
        code, _, err = await scan(f"tls://{place}", "--units", "1")
        assert (code, "comes from an authority that is not known here" in err) == (3, True), err
        assert "name its file with --ca" in err
        code, _, err = await scan(f"tls://{place}", "--ca", str(authority.file), "--units", "1", "--pause", "0s")
        assert code == 3, err
        assert "wants a client certificate" in err
        assert "give it with --certificate and --key-file" in err
        assert "nothing answers" not in err


async def test_the_identity_of_pymodbus_brings_the_profile(tmp_path):
    async with simulator() as port:
        code, out, err = await scan(f"127.0.0.1:{port}", "--json", "--pause", "0s")
    assert code == 0, err
    found = json.loads(out)
    (one,) = found["places"][0]["units"]
    assert one["identity"]["vendor"] == "Schneider Electric"
    assert one["identity"]["product"] == "ATV320U07N4B"
    assert one["identity"]["by"] == ["43/14"]
    assert one["first"] == {"at": "holding wire 0", "value": 17}
    assert one["profile"] == "schneider/atv320"
    assert checked(found["yaml"], tmp_path).machines["atv320u07n4b-1"].points


async def test_an_identity_of_pymodbus_in_several_answers():
    async with simulator(long=True) as port:
        _, out, _ = await scan(f"127.0.0.1:{port}", "--json", "--units", "1", "--pause", "0s")
    identity = json.loads(out)["places"][0]["units"][0]["identity"]
    assert (identity["url"], identity["product_name"], identity["model"]) == ("u" * 100, "n" * 100, "m" * 100)


async def test_a_network_with_two_servers(tmp_path):
    async with modbus.tcp() as one, simulator("127.0.0.5", one.port):
        code, out, err = await scan("127.0.0.0/28", "--port", str(one.port), "--pause", "0s")
    assert code == 0, err
    config = checked(out, tmp_path)
    assert sorted(m.link.address for m in config.machines.values()) == [f"127.0.0.1:{one.port}", f"127.0.0.5:{one.port}"]
    assert "only units 0 to 10 and 255 were asked" in err


async def test_a_network_without_any():
    async with modbus.tcp() as server:
        port = server.port
    code, out, err = await scan("127.0.0.8/30", "--port", str(port))
    assert (code, out) == (1, "")
    assert "none of the 2 addresses of 127.0.0.8/30 takes connections" in err


async def test_nobody_listens():
    async with modbus.tcp() as server:
        port = server.port
    code, out, err = await scan(f"127.0.0.1:{port}")
    assert (code, out) == (3, "")
    assert "refuses the connection" in err
    assert "Traceback" not in err


async def test_an_empty_bus():
    async with modbus.pty_pair() as (ours, _):
        code, out, err = await scan(ours, "--units", "1", "--baud", "9600,19200", "--timeout", "50ms")
    assert (code, out) == (1, "")
    assert "nothing arrives: wiring, unit, power" in err


async def test_ctrl_c_tells_what_was_found_and_frees_the_port(tmp_path):
    async with Bus({1: unit({0: 5})}).on_pty() as bus:
        process = await start(bus.port, "--timeout", "200ms")
        first = await asyncio.wait_for(read_until(process.stderr, "● unit 1"), 20)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 130, first
        assert "stopped by Ctrl-C, 1 found" in err.decode()
        assert "Traceback" not in err.decode()
        assert list(checked(out.decode(), tmp_path).machines) == ["unit-1"]
        code, _, _ = await scan(bus.port, "--units", "1", "--baud", "9600", "--parity", "N")
        assert code == 0


async def read_until(stream, words):
    text = ""
    while words not in text:
        line = (await stream.readline()).decode()
        assert line, text
        text += line
    return text


async def test_many_requests_are_asked_for_on_a_terminal(tmp_path):
    """The process gets a terminal of its own: a bar, the question, an answer of no."""
    ours, theirs = pty.openpty()
    bauds = "9600,19200,38400,57600,115200"
    async with Bus().on_pty() as bus:
        arguments = [bus.port, "--baud", bauds, "--timeout", "5ms", "--pause", "0s"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "scan", *arguments, stdin=theirs, stderr=theirs, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        )  # fmt: skip
        os.close(theirs)
        shown, answered = "", False
        while True:
            try:
                data = await asyncio.to_thread(os.read, ours, 4096)
            except OSError:  # the terminal is closed when its last user ends
                break
            if not data:
                break
            shown += data.decode(errors="replace")
            if "[y/N]" in shown and not answered:
                answered = True
                os.write(ours, b"n\n")
        await asyncio.wait_for(process.communicate(), 20)
        os.close(ours)
    assert answered, shown
    assert re.search(r"\d{4} more requests would take up to \d+ (s|min); they only read", shown.replace("\r\n", " "))
    assert "--yes allows them" in shown.replace("\r\n", " ").replace("  ", " ")
    assert process.returncode == 1


@pytest.mark.parametrize("arguments", [["tcp://127.0.0.1:1", "--units", "x"], ["10.0.0.0/8"], ["/dev/ttyUSB-none"]])
async def test_no_mistake_ends_in_a_traceback(arguments):
    code, out, err = await scan(*arguments)
    assert code in {2, 3}
    assert out == ""
    assert "Traceback" not in err
    assert err.strip()


# ── OPC UA ──


@pytest.mark.parametrize("kind", FOREIGN)
async def test_an_opc_ua_server_tells_its_endpoints(kind, tmp_path):
    with opcua_peer(kind, tmp_path) as peer:
        server = await opcua_server("127.0.0.1", peer.port)
        assert server
        assert server.url == f"opc.tcp://{peer.address}"
        assert server.name
        assert any("Sign" in way for way in server.security)
    text = Outcome(opcua=[server]).yaml()
    assert f'"opc.tcp://{peer.address}"' in text
    checked(text, tmp_path)


async def test_something_else_is_no_opc_ua_server():
    async with modbus.tcp() as server:
        assert await opcua_server("127.0.0.1", server.port) is None
        port = server.port
    assert await opcua_server("127.0.0.1", port) is None
