"""`gateway poll` beside the real mbpoll (Debian), on the same libmodbus server: same flags, same numbers."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from drivers.modbus.ledger import _LEDGERS
from tests.integration.test_try import gateway
from tests.peers import modbus

ROOT = Path(__file__).parents[2]
VALUE = re.compile(r"^\[(\d+)\]: \t(\S+(?: \(-?\d+\))?)", re.MULTILINE)
SLAVE = re.compile(r"^-- Polling slave (\d+)", re.MULTILINE)


@pytest.fixture(scope="module")
def mbpoll() -> str:
    path = shutil.which("mbpoll")
    assert path, "mbpoll is missing: apt-get install mbpoll"
    return path


@pytest.fixture
async def server():
    async with modbus.tcp() as server:
        yield server


async def theirs(mbpoll: str, *arguments: str) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(mbpoll, *arguments, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode()


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "-r 17 -c 4",
        "-0 -r 16 -c 4",
        "-a 1:3 -r 17",
        "-a 1,5,7:8 -r 17 -c 2",
        "-r 1001 -c 2",
        "-t 4:hex -r 1003 -c 5",
        "-t 4:int -r 1003 -c 2",
        "-t 4:int -B -r 1003 -c 2",
        "-t 4:float -r 1033",
        "-t 4:float -B -r 1015 -c 1",
        "-t 3 -r 18 -c 3",
        "-t 3:hex -r 18 -c 3",
        "-t 3:int -B -r 18 -c 3",
        "-t 3:float -r 18 -c 3",
        "-t 0 -r 1 -c 40",
        "-t 1 -r 3 -c 17",
        "-r 1 -c 125",
    ],
)
async def test_same_flags_same_numbers(server, mbpoll, tmp_path, flags):
    arguments = ["-m", "tcp", "-p", str(server.port), "-o", "5", *flags.split(), "-1", "127.0.0.1"]
    code, expected = await theirs(mbpoll, *arguments)
    assert code == 0, expected
    assert VALUE.findall(expected)
    code, out, err = await gateway(tmp_path, "poll", *arguments)
    assert (code, err) == (0, "")
    assert VALUE.findall(out) == VALUE.findall(expected)
    assert SLAVE.findall(out) == SLAVE.findall(expected)


async def test_both_countings_are_echoed(server, tmp_path):
    _, out, _ = await gateway(tmp_path, "poll", "-p", str(server.port), "-r", "17", "-1", "127.0.0.1")
    assert "holding 40017 (wire 16)" in out
    assert "mbpoll" not in out


async def test_same_numbers_on_a_serial_line(mbpoll, tmp_path):
    _LEDGERS.clear()
    flags = ["-m", "rtu", "-a", "7", "-b", "19200", "-P", "none", "-r", "17", "-c", "4", "-1", "-o", "3"]
    async with modbus.rtu(7) as port:
        code, expected = await theirs(mbpoll, *flags, port)
        assert code == 0, expected
        code, out, err = await gateway(tmp_path, "poll", *flags, port)
    assert (code, err) == (0, "")
    assert VALUE.findall(out) == VALUE.findall(expected) == [("17", "16"), ("18", "17"), ("19", "18"), ("20", "19")]


async def test_one_unknown_register_does_not_hide_the_others_as_it_does_there(server, mbpoll, tmp_path):
    flags = ["-m", "tcp", "-p", str(server.port), "-r", "1999", "-c", "4", "-1", "127.0.0.1"]
    code, expected = await theirs(mbpoll, *flags)
    assert (code, VALUE.findall(expected)) == (1, [])
    code, out, _ = await gateway(tmp_path, "poll", *flags)
    assert code == 1
    assert VALUE.findall(out) == [("1999", "0"), ("2000", "0"), ("2001", "✗"), ("2002", "✗")]
    assert "the device does not know this address" in out


async def test_the_reference_number_of_a_manual_as_a_flag_is_told(server, tmp_path):
    code, out, _ = await gateway(tmp_path, "poll", "-p", str(server.port), "-r", "40017", "-1", "127.0.0.1")
    assert code == 1
    assert "it is -t 4 -r 17" in out.replace("\n    ", " ")


async def test_nobody_there_is_three(server, tmp_path):
    await server.stop()
    code, out, _ = await gateway(tmp_path, "poll", "-p", str(server.port), "-a", "1:10", "-1", "127.0.0.1")
    assert code == 3
    assert out.count("refuses the connection") == 1, "it is told once, not for every unit"


async def test_it_goes_on_until_ctrl_c(server, tmp_path):
    code, out, err = await gateway(
        tmp_path, "poll", "-p", str(server.port), "-l", "50", "127.0.0.1", stop_after="\n-- Polling slave 1...\n[1]: \t0 "
    )
    assert (code, err) == (0, "")
    assert re.search(r"--- \d+ reads, 0 failed \(0\.0 %\)\n$", out)
