"""One question on an unknown line; the bus is ours, on a pty, since no sound slave misbehaves like this."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.framing import ASCII, RTU
from drivers.modbus.identify import read
from drivers.modbus.probe import BusProbe, MbapProbe, TooBusy
from drivers.modbus.wire import SerialWire, Settings
from drivers.modbus.wire_network import connect
from gateway.driver import LinkError
from tests.drivers.modbus.tables import link
from tests.peers.modbus_bus import Bus, coded, framed, talking, unit

HOLDING = read(3, 0)
IDENTIFY = bytes([43, 14, 1, 0])
ONE = {0: 41}
ASKED = [HOLDING, IDENTIFY, b"\x11", read(1, 0, 9)]


@contextlib.asynccontextmanager
async def probing(bus, timeout=0.08, pause=0.0):
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), timeout, pause, ASCII if bus.in_ascii else RTU)
        try:
            yield probe
        finally:
            probe.close()


@pytest.mark.parametrize("in_ascii", [False, True], ids=["rtu", "ascii"])
async def test_an_answer_and_an_exception_and_silence(in_ascii):
    bus = Bus({7: unit(ONE)}, in_ascii)
    async with probing(bus) as probe:
        reply = await probe.ask(7, HOLDING)
        assert reply.alive
        assert reply.data == b"\x02\x00\x29"
        refusal = await probe.ask(7, read(3, 9))
        assert refusal.alive
        assert refusal.exception == 2
        assert refusal.data is None
        assert not (await probe.ask(8, HOLDING)).alive
        e = probe.evidence
        assert (e.requests, e.answers, e.silent, e.damaged, e.foreign, e.unasked) == (3, 2, 1, 0, 0, 0)


@pytest.mark.parametrize("in_ascii", [False, True], ids=["rtu", "ascii"])
async def test_an_echo_is_taken_away_and_told(in_ascii):
    bus = Bus({7: unit(ONE, objects={0: "A", 1: "B", 2: "C"})}, in_ascii)
    bus.echo = True
    async with probing(bus) as probe:
        assert (await probe.ask(7, HOLDING)).data == b"\x02\x00\x29"
        assert (await probe.ask(7, IDENTIFY)).alive
        assert (await probe.ask(8, HOLDING)).raw == b""
        assert probe.evidence.echoes == 3
        assert probe.evidence.silent == 1
        assert probe.evidence.foreign == 0


@pytest.mark.parametrize("in_ascii", [False, True], ids=["rtu", "ascii"])
async def test_a_late_answer_is_not_taken_for_the_next_one(in_ascii):
    bus = Bus({7: unit({0: 1, 1: 2})}, in_ascii)
    async with probing(bus, timeout=0.05) as probe:
        bus.delay = 0.12
        assert (await probe.ask(7, HOLDING)).pdu is None
        await asyncio.sleep(0.2)
        bus.delay = 0.0
        assert (await probe.ask(7, read(3, 1))).data == b"\x02\x00\x02"


@pytest.mark.parametrize("in_ascii", [False, True], ids=["rtu", "ascii"])
async def test_a_late_answer_of_another_unit_tells_that_it_is_there(in_ascii):
    bus = Bus({7: unit(ONE)}, in_ascii)
    bus.delay = 0.09
    async with probing(bus, timeout=0.06) as probe:
        await probe.ask(7, HOLDING)
        assert not (await probe.ask(8, HOLDING)).alive
        assert probe.also_alive == {7}
        assert probe.evidence.foreign == 0


@pytest.mark.parametrize("spoil", [lambda f: f[:-1] + bytes([f[-1] ^ 1]), lambda f: f[:4], lambda f: bytes(9)])
async def test_a_damaged_answer_is_none_but_is_no_silence(spoil):
    bus = Bus({7: unit(ONE)})
    bus.spoil = spoil
    async with probing(bus) as probe:
        reply = await probe.ask(7, HOLDING)
        assert reply.pdu is None
        assert reply.raw
        assert probe.evidence.damaged == 1


async def test_an_answer_in_pieces_and_behind_noise():
    bus = Bus({7: unit(ONE)})
    bus.spoil = lambda f: b"\x07\x03\x99" + f
    async with probing(bus) as probe:
        assert (await probe.ask(7, HOLDING)).data == b"\x02\x00\x29"


async def test_an_answer_in_another_length_is_not_taken():
    bus = Bus({7: lambda pdu: bytes([3, 4, 0, 1, 0, 2])})
    async with probing(bus) as probe:
        assert (await probe.ask(7, HOLDING)).pdu is None
        assert probe.also_alive == set()


async def test_another_master_is_noticed_while_asking():
    bus = Bus()
    async with probing(bus, timeout=0.1) as probe, talking(bus, framed(3, struct.pack(">BHH", 3, 0, 4)), every=0.06):
        for _ in range(3):
            with contextlib.suppress(TooBusy):
                await probe.ask(9, HOLDING)
        assert probe.evidence.foreign >= 2


async def test_a_line_that_is_never_silent_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr("drivers.modbus.probe.DRAIN_LIMIT_S", 0.1)
    bus = Bus()
    async with probing(bus) as probe, talking(bus, b"\x55", every=0.005):
        await probe.hear(0.02)
        bus.say(b"\x55")

        async def ask_on():
            while True:
                await probe.ask(1, HOLDING)

        with pytest.raises(TooBusy, match="never silent"):
            await ask_on()


async def test_nothing_that_writes_is_sent():
    bus = Bus({7: unit(ONE)})
    async with probing(bus) as probe:
        for function in (5, 6, 8, 15, 16, 22, 23):
            with pytest.raises(ValueError, match="does not send"):
                await probe.ask(7, bytes([function, 0, 0, 0, 1]))
    assert bus.heard == []


async def test_settings_that_the_port_cannot_do_leave_it_usable():
    bus = Bus({7: unit(ONE)})
    async with probing(bus) as probe:
        assert not probe.set(Settings(19200, "E"))  # a pty knows no parity
        assert probe.set(Settings(19200, "N"))
        assert (await probe.ask(7, HOLDING)).alive


async def test_all_settings_reach_the_port(monkeypatch):
    """A pty has neither parity nor 7 data bits, so what a port would be told is looked at."""
    told = {}
    async with probing(Bus()) as probe:
        monkeypatch.setattr(probe.wire._port, "apply_settings", told.update)
        assert probe.set(Settings(2400, "O", 1, 7, "ascii"))
        assert told == {"baudrate": 2400, "parity": "O", "stopbits": 1, "bytesize": 7}
        assert probe.framing is ASCII
        assert probe.set(Settings(19200, "N", 2))
        assert told == {"baudrate": 19200, "parity": "N", "stopbits": 2, "bytesize": 8}
        assert probe.framing is RTU


async def test_the_port_is_released_and_its_loss_is_told():
    bus = Bus()
    async with bus.on_pty():
        wire = SerialWire(bus.port)
        with pytest.raises(LinkError, match="used by another program"):
            SerialWire(bus.port)
        wire.close()
        wire.close()
        again = BusProbe(SerialWire(bus.port), 5.0, 0.0)
        task = asyncio.ensure_future(again.ask(1, HOLDING))
        await asyncio.sleep(0.05)
    with pytest.raises(LinkError, match="went away"):
        await task
    again.close()


def test_settings_in_words():
    assert str(Settings(19200, "E")) == "19200 8E1"
    assert str(Settings(9600, "E", data=7, framing="ascii")) == "9600 7E1 ASCII"
    assert Settings(9600, "E", data=7, framing="ascii").byte_s == Settings(9600, "N").byte_s
    assert Settings(9600, "N").byte_s == pytest.approx(10 / 9600)
    assert Settings(9600, "E").byte_s == Settings(9600, "N", 2).byte_s == pytest.approx(11 / 9600)


@given(before=st.binary(max_size=20), cut=st.integers(0, 12), value=st.integers(0, 0xFFFF))
def test_an_answer_is_found_wherever_it_begins_and_only_when_it_is_whole(before, cut, value):
    frame = framed(7, struct.pack(">BBH", 3, 2, value))
    answer, _ = RTU.answer(before + frame, 7, HOLDING)
    assert answer == frame[1:-2] or RTU.answer(before, 7, HOLDING)[0]
    whole = RTU.answer(frame[: len(frame) - cut], 7, HOLDING)
    assert (whole[0] is not None) == (cut == 0)
    if 0 < cut < len(frame):
        assert whole == (None, True)


@given(before=st.binary(max_size=20), cut=st.integers(0, 15), value=st.integers(0, 0xFFFF))
def test_an_answer_in_ascii_is_found_wherever_it_begins_and_only_when_it_is_whole(before, cut, value):
    frame = coded(7, struct.pack(">BBH", 3, 2, value))
    assert ASCII.request(7, struct.pack(">BBH", 3, 2, value)) == frame
    assert ASCII.answer(before + frame, 7, HOLDING)[0] == struct.pack(">BBH", 3, 2, value)
    assert ASCII.answer(frame[: len(frame) - cut], 7, HOLDING) == ((frame_pdu(frame), False) if cut == 0 else (None, cut < 15))


def frame_pdu(frame):
    return bytes.fromhex(frame[1:-2].decode())[1:-1]


@given(at=st.integers(0, 14), bit=st.integers(0, 7))
def test_a_flipped_bit_in_ascii_is_no_answer_or_the_very_same(at, bit):
    frame = coded(7, struct.pack(">BBH", 3, 2, 0x12AB))
    spoiled = bytes(byte ^ (1 << bit if i == at else 0) for i, byte in enumerate(frame))
    answer = ASCII.answer(spoiled, 7, HOLDING)[0]
    assert answer in {None, frame_pdu(frame)}, "a capital letter and a small one are the same digit"


@pytest.mark.parametrize("framing", [RTU, ASCII], ids=["rtu", "ascii"])
@given(raw=st.binary(max_size=40) | st.text("0123456789ABCDEF:\r\n", max_size=40).map(str.encode), pdu=st.sampled_from(ASKED))
def test_any_bytes_are_taken(framing, raw, pdu):
    answer, _ = framing.answer(raw, 7, pdu)
    assert answer is None or answer[0] & 0x7F == pdu[0]


# ── Modbus TCP ──


@contextlib.asynccontextmanager
async def host(serve):
    serving = set()

    async def served(reader, writer):
        serving.add(asyncio.current_task())
        await serve(reader, writer)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    probe = MbapProbe(place, lambda: connect(link("modbus-tcp", place)), 0.08, 0.0)
    try:
        await probe.open()
        yield probe
    finally:
        probe.close()
        server.close()
        await asyncio.wait(serving, timeout=5)


def mbap(tid, number, pdu):
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, number) + pdu


async def test_a_late_answer_on_tcp_goes_to_whom_it_belongs():
    async def serve(reader, writer):
        first = await reader.readexactly(12)
        await reader.readexactly(12)
        tid, _, _, number = struct.unpack(">HHHB", first[:7])
        writer.write(mbap(tid, number, bytes([3, 2, 0, 1])) + mbap(tid + 1, 9, bytes([0x83, 11])))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with host(serve) as probe:
        assert (await probe.ask(8, HOLDING)).pdu is None
        reply = await probe.ask(9, HOLDING)
        assert reply.exception == 11
        assert not reply.alive
        assert probe.also_alive == {8}
        assert probe.evidence.no_target == 1


async def test_an_answer_of_another_transaction_is_not_taken():
    async def serve(reader, writer):
        first = await reader.readexactly(12)
        tid = struct.unpack(">H", first[:2])[0]
        writer.write(mbap(tid + 100, 8, bytes([3, 2, 0, 1])) + mbap(tid + 101, 99, bytes([3, 2, 0, 1])))
        await reader.readexactly(12)
        writer.write(mbap(tid, 8, bytes([3, 2, 0, 1])) + mbap(tid + 1, 8, bytes([3, 2, 0, 2])))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with host(serve) as probe:
        assert (await probe.ask(8, HOLDING)).pdu is None
        assert probe.also_alive == set()
        assert (await probe.ask(8, HOLDING)).data == b"\x02\x00\x02"
        assert probe.also_alive == {8}


async def test_something_else_on_the_port_is_told():
    async def serve(reader, writer):
        await reader.read(12)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with host(serve) as probe:
        with pytest.raises(LinkError, match="no Modbus TCP"):
            await probe.ask(1, HOLDING)
        assert probe.evidence.damaged == 1


async def test_a_closed_connection_is_told_and_opened_again():
    async def serve(reader, writer):
        data = await reader.read(12)
        if data[6:7] == b"\2":
            writer.write(mbap(struct.unpack(">H", data[:2])[0], 2, bytes([3, 2, 0, 5])))
            await reader.read()
        writer.close()

    async with host(serve) as probe:
        with pytest.raises(LinkError, match="closed the connection"):
            await probe.ask(1, HOLDING)
        await probe.open()
        assert (await probe.ask(2, HOLDING)).data == b"\x02\x00\x05"
