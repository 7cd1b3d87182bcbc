"""`gateway try` against real peers: libmodbus (TCP, and RTU over socat), a bad slave of our own, and the running gateway itself."""

from __future__ import annotations

import asyncio
import json
import math
import re
import signal
import sys
from array import array
from pathlib import Path

import pytest

from drivers.modbus.ledger import _LEDGERS
from tests.integration.running import RunningGateway
from tests.peers import modbus, modbus_evil
from tests.peers.opcua import KINDS, URI, opcua_peer
from tests.waiting import until

ROOT = Path(__file__).parents[2]

POINTS = """
      oil_temp: {at: holding wire 1038, type: int16, scale: 0.1, unit: °C}
      pressure: {at: holding wire 1032, type: float32, order: CDAB, unit: bar}
      mode: {at: holding wire 1039, states: {0: "off", 1: setup, 2: auto}}
      running: {at: coil 4}
      plate: {at: holding wire 1020, type: string, length: 8}"""


def site(folder: Path, connect: str, points: str = POINTS, more: str = "") -> Path:
    path = folder / "site.yaml"
    head = "site: s\ngateway: g\nmachines:\n  - name: press-1\n"
    path.write_text(f"{head}    connect: {connect}\n    every: 100ms\n{more}    points:{points}\n")
    return path


async def gateway(folder: Path, *arguments: str, stop_after: str = "") -> tuple[int, str, str]:
    """Run the command as its own process; Ctrl-C as soon as its output holds `stop_after`."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "gateway", *arguments, "--data", str(folder / "var")]
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=ROOT)
    seen = b""
    async with asyncio.timeout(40):
        if stop_after:
            while stop_after.encode() not in seen:
                chunk = await process.stdout.read(4096)
                assert chunk, seen + await process.stderr.read()
                seen += chunk
            process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    return process.returncode, (seen + out).decode(), err.decode()


@pytest.fixture
async def server():
    async with modbus.tcp() as server:
        yield server


async def test_one_read_as_a_table(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    code, out, err = await gateway(tmp_path, "try", "press-1", str(path))
    assert (code, err) == (0, "")
    rows = {line.split()[1]: re.split(r"  +", line[2:]) for line in out.splitlines() if line.startswith("●")}
    assert rows["oil_temp"][1:5] == ["holding 41039", "1038", "0191", "40.1 °C"]
    assert rows["pressure"][1:5] == ["holding 41033", "1032", "999A 4227", "41.9 bar"]
    assert rows["mode"][1:5] == ["holding 41040", "1039", "0002", "auto"]
    assert rows["running"][1:5] == ["coil 00004", "3", "1", "yes"]
    assert rows["plate"][4] == "UMG 96-PA"
    assert out.splitlines()[-1].startswith("5 points in 2 requests")
    assert max(map(len, out.splitlines()[1:])) <= 80


async def test_a_bad_point_is_one_and_says_why(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}", POINTS + "\n      beyond: {at: holding wire 2000}")
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path))
    assert code == 1
    assert "✗ beyond" in out
    assert "the device does not know this address (exception 2) → compare the address" in " ".join(out.split())
    assert "5 of 6 good" in out


async def test_json_holds_bytes_and_frames(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["good"]
    points = {point["point"]: point for point in answer["points"]}
    assert math.isclose(points["oil_temp"]["value"], 40.1)
    assert points["plate"]["raw"] == "554D 4720 3936 2D50 4100 0000 0000 0000"
    assert [frame["direction"] for frame in answer["frames"]] == ["tx", "rx"] * 2


async def test_frames_in_words(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}", "\n      a: {at: holding 17}\n      b: {at: holding wire 2000}")
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--frames")
    assert code == 1
    assert "Tx →  FC3 read unit 1: holding 40018 (wire 17), 1 register" in out
    assert "Rx ←  answer of unit 1, 2 data bytes after" in out
    assert re.search(r"([0-9A-F]{2} ){6}01 03 02 00 11", out)
    assert "exception 2 (illegal data address), from unit 1" in out


async def test_over_a_serial_line(tmp_path):
    _LEDGERS.clear()
    async with modbus.rtu(7) as port:
        path = site(tmp_path, f"modbus-rtu://{port}?parity=N&unit=7")
        code, out, err = await gateway(tmp_path, "try", "press-1", str(path), "--frames")
        assert (code, err) == (0, ""), out
        assert re.search(r"Tx →  FC3 read unit 7: holding 410\d\d", out)
        assert "40.1 °C" in out


async def test_a_bus_on_which_every_answer_is_damaged(tmp_path):
    """A slave of our own behind a pseudo terminal; what comes has the right length and no right checksum."""

    async def garbled(slave, request, send):
        send(bytes(byte ^ 0x55 for byte in slave.answer(request)))

    _LEDGERS.clear()
    async with modbus_evil.on_pty(modbus_evil.Slave(garbled)) as port:
        path = site(tmp_path, f"modbus-rtu://{port}?parity=N&unit=7&timeout=200ms", "\n      a: {at: holding 17}")
        code, out, err = await gateway(tmp_path, "try", "press-1", str(path), "--frames")
    assert (code, err) == (3, "")
    words = " ".join(out.split())
    assert "bytes that are no sound frame: noise, wrong baud or parity, A and B swapped, or cut off" in words
    assert "! bytes arrive but every CRC is wrong: baud, parity or A/B swapped" in words


@pytest.mark.parametrize(
    ("code", "exit_code", "words"), [(11, 3, "the network up to the gateway is fine"), (4, 1, "look at the display")]
)
async def test_who_refuses_decides_whether_the_machine_is_there(tmp_path, code, exit_code, words):
    """A slave of our own that answers every read with one exception, 11 as a Modbus gateway in its place would."""

    async def refusing(slave, request, send):
        send(modbus_evil.framed(request[0], bytes([request[1] | 0x80, code])))

    async with modbus_evil.on_mbap(modbus_evil.Slave(refusing)) as place:
        path = site(tmp_path, f"modbus-tcp://{place}?unit=7", "\n      a: {at: holding 17}")
        done, out, err = await gateway(tmp_path, "try", "press-1", str(path))
    assert (done, err) == (exit_code, "")
    assert f"exception {code}" in " ".join(out.split())
    assert words in " ".join(out.split())


async def test_an_adapter_that_hears_itself(tmp_path):
    """A slave of our own that sends every request back before its answer."""

    async def echoing(slave, request, send):
        send(request + slave.answer(request))

    _LEDGERS.clear()
    async with modbus_evil.on_pty(modbus_evil.Slave(echoing)) as port:
        path = site(tmp_path, f"modbus-rtu://{port}?parity=N&unit=7", "\n      a: {at: holding 17}")
        code, out, err = await gateway(tmp_path, "try", "press-1", str(path))
    assert (code, err) == (0, "")
    assert re.search(r"● a +holding 40018 +17  0011 +17 ", out)
    assert "! the adapter echoes: it hears what it sends itself; set echo: true" in " ".join(out.split())


async def test_repeat_until_ctrl_c(server, tmp_path):
    points = "\n      served: {at: input wire 190, type: uint32}\n      still: {at: holding 17}"
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}", points)
    code, out, err = await gateway(tmp_path, "try", "press-1", str(path), "--repeat", "50ms", stop_after="read 5,")
    assert (code, err) == (0, "")
    assert re.search(r"\d+ reads; 1 of 2 points changed\n$", out)
    assert re.search(r"● still +holding 40018 +17 +17 +17 +0  good", out)


async def test_a_machine_that_comes_and_goes_while_it_is_watched(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    task = asyncio.create_task(
        gateway(tmp_path, "try", "press-1", str(path), "--repeat", "50ms", "--json", stop_after="refuses the connection")
    )
    await asyncio.sleep(1)
    await server.stop()
    code, out, err = await task
    assert (code, err) == (3, "")
    assert [json.loads(line)["good"] for line in out.splitlines()][-1] is False


@pytest.mark.parametrize(("order", "wire"), [("ABCD", 1030), ("CDAB", 1032), ("BADC", 1034), ("DCBA", 1036)])
async def test_the_wizard_finds_every_byte_order(server, tmp_path, order, wire):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    code, out, err = await gateway(tmp_path, "try", "press-1", str(path), "--at", f"holding wire {wire}", "--shows", "41.9 bar")
    assert (code, err) == (0, "")
    asked = f", order: {order}" if order != "ABCD" else ""
    assert f"  NAME: {{at: holding 4{wire + 1}, type: float32{asked}, unit: bar}}" in out.splitlines()
    assert "1. float32, order " + order in out
    assert ("pressure of press-1 already reads this register" in out) == (order == "CDAB")


async def test_the_wizard_writes_the_line_and_the_line_reads_right(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    wizard = ("try", "press-1", str(path), "--at", "holding wire 1032", "--shows", "41.9", "--write", "found")
    code, out, _ = await gateway(tmp_path, *wizard)
    assert code == 0
    assert "+      found: {at: holding 41033, type: float32, order: CDAB}" in out.splitlines()
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--json")
    found = next(point for point in json.loads(out)["points"] if point["point"] == "found")
    assert math.isclose(found["value"], 41.9, rel_tol=1e-6)


async def test_the_wizard_at_the_end_of_what_the_unit_knows(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--at", "holding wire 1999", "--shows", "7")
    assert code == 1
    assert "nothing that stands here gives that number" in out
    code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--at", "holding wire 2000", "--shows", "7")
    assert code == 1
    assert "does not hand out holding 42001 (wire 2000)" in out


async def test_the_wizard_where_half_a_value_is_refused(tmp_path):
    """A slave of our own that knows only whole 32-bit values, as some meters do; each register holds its address."""

    def legal(function, address, count):
        return address % 2 == 0 and count == 2

    slave = modbus_evil.Slave(modbus_evil.honest)
    slave.legal = legal
    async with modbus_evil.on_mbap(slave) as place:
        path = site(tmp_path, f"modbus-tcp://{place}?unit=7")
        code, out, _ = await gateway(
            tmp_path, "try", "press-1", str(path), "--at", "holding wire 18", "--shows", str(18 << 16 | 19)
        )
    assert code == 0
    assert "type: uint32" in out


async def test_a_waveform_of_a_recording(tmp_path):
    samples = array("f", [math.sin(2 * math.pi * i / 100) for i in range(5000)])
    (tmp_path / "x.f32").write_bytes(samples.tobytes())
    path = tmp_path / "site.yaml"
    machine = "  - {name: w, connect: 'replay:x.f32?rate=1kHz&unit=g&speed=fast', vibration: {window: 1s}}\n"
    path.write_text(f"site: s\ngateway: g\nmachines:\n{machine}")
    code, out, _ = await gateway(tmp_path, "try", "w", str(path))
    assert code == 0, out
    assert "1000 Hz, 1000 samples (1.00 s)" in out
    assert "min -1 g   max 1 g   RMS 0.70711 g" in out


async def test_a_waveform_out_of_registers(server, tmp_path):
    path = tmp_path / "site.yaml"
    wave = "waveform: {at: holding wire 100, count: 500, rate: 10kHz, scale: 0.01, unit: m/s²}, vibration: {window: 50ms}"
    head = "site: s\ngateway: g\nmachines:\n"
    path.write_text(f"{head}  - {{name: w, connect: 'modbus-tcp://127.0.0.1:{server.port}', {wave}}}\n")
    code, out, err = await gateway(tmp_path, "try", "w", str(path))
    assert (code, err) == (0, ""), out
    assert "10000 Hz, 500 samples (0.05 s)" in out
    assert "min 1 m/s²   max 5.99 m/s²" in out


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_opc_ua_machine(tmp_path, kind):
    with opcua_peer(kind, tmp_path) as peer:
        points = f"""
      temp: {{node: "nsu={URI};s=Press.Temp", unit: °C}}
      name: {{path: Objects/Press/String}}
      bytes: {{path: Objects/Press/Bytes}}
      gone: {{path: Objects/Press/Gone}}"""
        path = site(tmp_path, f"opc.tcp://{peer.address}?insecure=true", points)
        code, out, err = await gateway(tmp_path, "try", "press-1", str(path))
        assert (code, err) == (1, "")
        assert re.search(r"● temp +nsu=\S+ +21\.5 °C +[\d.]+  good", out)
        assert re.search(r"● name +Objects/Press/String +grün & schön ", out)
        assert re.search(r"✗ gone +Objects/Press/Gone +- .*bad\n +the device does not know this address", out)
        assert "3 of 4 good" in out
        code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--json")
        assert [point["value"] for point in json.loads(out)["points"]] == [21.5, "grün & schön", "0001feff", None]


async def test_a_serial_port_of_the_running_gateway_is_left_alone(tmp_path):
    _LEDGERS.clear()
    async with modbus.rtu(7) as port:
        path = site(tmp_path, f"modbus-rtu://{port}?parity=N&unit=7")
        running = RunningGateway(path, tmp_path / "var")
        await running.start()
        try:
            await until(lambda: running.machine("press-1")["latest"].get("plate"), 20, "the gateway has read everything")
            code, out, err = await gateway(tmp_path, "try", "press-1", str(path))
            assert (code, err) == (0, "")
            words = " ".join(out.split())
            assert "! the running gateway reads press-1 on this connection; a serial port has one reader only" in words
            assert "sudo systemctl stop retrofit-gateway" in words
            assert re.search(r"oil_temp = 40\.1 °C   \d+ s ago", out)
            assert running.machine("press-1")["errors"] == 0
            code, _, err = await gateway(tmp_path, "poll", "-1", "-m", "rtu", "-P", "none", "-a", "7", port)
            assert code == 3
            assert "a serial port has one reader only" in err.replace("\n", " ")
        finally:
            running.stop()


async def test_a_device_with_one_connection_is_left_to_the_running_gateway(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}", more="    one_connection: true\n")
    running = RunningGateway(path, tmp_path / "var")
    await running.start()
    try:
        await until(lambda: running.machine("press-1")["latest"].get("plate"), 20, "the gateway has read everything")
        code, out, _ = await gateway(tmp_path, "try", "press-1", str(path), "--json")
        answer = json.loads(out)
        assert code == 0
        assert "takes one connection only" in answer["held"]
        assert answer["latest"]["mode"]["value"] == "auto"
    finally:
        running.stop()


async def test_any_other_device_is_read_beside_the_running_gateway(server, tmp_path):
    path = site(tmp_path, f"modbus-tcp://127.0.0.1:{server.port}")
    running = RunningGateway(path, tmp_path / "var")
    await running.start()
    try:
        code, out, _ = await gateway(tmp_path, "try", "press-1", str(path))
        assert code == 0
        assert "a second connection is opened beside it" in " ".join(out.split())
        assert "5 points in 2 requests" in out
    finally:
        running.stop()
