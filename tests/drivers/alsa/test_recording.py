"""Recording through the real arecord, from a pipe behind ALSA's file plugin; overruns through a stand-in, as that takes a card."""

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

from drivers.alsa import recorder
from drivers.alsa.recorder import list_cards
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.driver import Driver, LinkError, Streams, Subscribes
from gateway.model import PointTable, Reason
from tests.drivers.alsa.conftest import pcm, table

STAND_IN = str(Path(__file__).parents[2] / "peers/arecord.py")


async def take(driver, enough, where=None):
    """Open, take Blocks until there are so many samples, close; return them."""
    await driver.open()
    blocks = []
    try:
        async with asyncio.timeout(30), contextlib.aclosing(driver.stream(table() if where is None else where)) as stream:
            async for block in stream:
                blocks.append(block)
                if sum(len(block.samples) for block in blocks) >= enough:
                    break
    finally:
        await driver.close()
    return blocks


def joined(blocks):
    return [sample for block in blocks for sample in block.samples]


async def fails(driver, where=None):
    with pytest.raises(LinkError) as caught:
        await take(driver, 10**9, where)
    return str(caught.value)


def arecords():
    """Return the processes of arecord that are children of this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            if name == "arecord" and int(rest.split()[1]) == os.getpid():
                found.append(path.parent.name)
    return found


async def test_it_is_a_driver_that_streams(card):
    driver = card()
    assert isinstance(driver, Driver)
    assert isinstance(driver, Streams)
    assert not isinstance(driver, Subscribes)
    assert list((await driver.read(PointTable("m", ("a",), ("",), (None,)))).reason) == [Reason.NO_SUCH_ADDRESS]
    await driver.close()
    await driver.close()


@pytest.mark.parametrize(
    ("name", "full"), [("S16_LE", 2**15), ("S24_3LE", 2**23), ("S24_LE", 2**23), ("S32_LE", 2**31), ("FLOAT_LE", 1.0)]
)
async def test_every_format_comes_through_the_real_arecord(tape, card, name, full):
    values = [((i % 200) - 100) / 128 for i in range(4000)]
    tape(pcm(name, [value * full if full == 1 else int(value * full) for value in values]))
    blocks = await take(card(format=name), 4000, table(scale=10.0))
    assert {(b.machine, b.point, b.rate_hz, b.unit) for b in blocks} == {("spindle", "vibration", 8000.0, "g")}
    assert joined(blocks)[:4000] == pytest.approx([10 * value for value in values], abs=1e-3)
    assert [b.gap for b in blocks] == [True] + [False] * (len(blocks) - 1)


async def test_a_sensitivity_in_counts_and_a_channel_of_two(tape, card):
    tape(pcm("S24_3LE", [value for i in range(4000) for value in (i, -2 * i)]))
    unit = {"channel": 2, "scale": None, "counts": 500.0, "unit": Acceleration("m/s²")}
    blocks = await take(card(channels=2, format="S24_3LE"), 4000, table(**unit))
    assert joined(blocks)[:4000] == pytest.approx([-2 * i / 500 for i in range(4000)], rel=1e-6)
    assert blocks[0].unit == "m/s²"


async def test_two_machines_share_a_card(tape, card):
    driver = card(channels=2)
    await driver.open()
    one, two = driver.stream(table("a")), driver.stream(table("b", channel=2))
    tasks = [asyncio.create_task(anext(stream)) for stream in (one, two)]
    tape(pcm("S16_LE", [value for i in range(2000) for value in (i, -i)]))
    first, second = await asyncio.gather(*tasks)
    assert (first.machine, second.machine, first.start) == ("a", "b", second.start)
    assert list(second.samples) == [-sample for sample in first.samples]
    await one.aclose()
    await two.aclose()
    await driver.close()


async def test_the_recorder_is_gone_when_nobody_listens(tape, card):
    driver = card()
    await driver.open()
    stream = driver.stream(table())
    tape(bytes(16000))
    await anext(stream)
    assert len(arecords()) == 1
    await stream.aclose()
    assert arecords() == []
    await driver.close()


async def test_silence_ends_in_words(tape, card):
    assert (await fails(card(timeout=Duration(0.2)))).startswith("no samples from tape for 0.2 s; is the sensor plugged in?")


async def test_a_device_that_is_not_there_is_told_with_those_that_are(tape, card, monkeypatch):
    assert await fails(card("nosuch")) == (
        "there is no nosuch: this computer has no sound card that records; is the sensor plugged in? lsusb and dmesg tell"
    )

    async def two(program):
        return [recorder.words.Card("hw:1,0", "USB Audio"), recorder.words.Card("hw:2,0", "HDA")]

    monkeypatch.setattr(recorder, "list_cards", two)
    assert await fails(card("hw:7,0")) == ("there is no hw:7,0; did you mean 'hw:2,0'? there are: hw:1,0 (USB Audio), hw:2,0 (HDA)")


async def test_a_format_or_number_of_channels_it_has_not_is_told_with_those_it_has(tape, card):
    told = await fails(card("whole", format="FLOAT_LE"))
    assert told == "whole has no samples of FLOAT_LE; it has S16_LE, S24_LE, S32_LE, S24_3LE: write format=S24_3LE"
    assert await fails(card("pair", channels=1)) == "pair does not record 1 channels; write channels=2"


async def test_a_missing_program_is_told_with_the_package(card):
    assert await fails(card(program="arecord-that-is-not-there")) == (
        "the program arecord-that-is-not-there is missing; install it: apt-get install alsa-utils"
    )
    assert await list_cards("arecord-that-is-not-there") == []


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Let the stand-in play these steps."""

    def write(*steps):
        path = tmp_path / "script.json"
        path.write_text(json.dumps(steps))
        monkeypatch.setenv("ARECORD_SCRIPT", str(path))

    return write


def ramp(begin, end):
    return {"samples": pcm("S16_LE", list(range(begin, end))).hex()}


OVERRUN = {"says": "overrun!!! (at least 12.500 ms long)\n"}


async def test_an_overrun_is_a_gap_and_is_counted_and_no_block_spans_it(card, script):
    script(ramp(0, 1000), {"says": "over"}, {"says": OVERRUN["says"][4:]}, ramp(2000, 3000), {"drained": True}, ramp(3000, 30000))
    driver = card(program=STAND_IN)
    blocks = await take(driver, 10_000, table(scale=2.0**15))
    samples = joined(blocks)
    gaps = [i for i, block in enumerate(blocks) if block.gap]
    assert len(gaps) == (1 if samples[0] >= 2000 else 2)
    for block in blocks:
        steps = {later - earlier for earlier, later in zip(block.samples, block.samples[1:], strict=False)}
        assert steps <= {1.0}
    before = [sample for block in blocks[: gaps[-1]] for sample in block.samples]
    assert before == list(range(len(before)))
    assert (driver.counters.overruns, driver.counters.samples) == (1, len(samples))
    thrown_away = int(samples[len(before)]) - 1000 - len(before)
    assert driver.counters.lost == thrown_away + 100  # 12.5 ms at 8 kHz


async def test_a_card_that_records_at_another_rate_is_told(card, script):
    script({"says": "RATE: [8000 16000]\n  exact rate   : 16000 (16000/1)\n"}, ramp(0, 1000))
    assert await fails(card(program=STAND_IN)) == (
        "tape was asked for 8000 Hz and records at 16000 Hz; it records at 8000 to 16000 Hz"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("main:831: audio open error: Device or resource busy", "tape is in use by another program; end the program"),
        ("main:831: audio open error: Permission denied", "tape may not be used by this user; put the user into the group audio"),
        ("pcm_read:2240: read error: No such device", "tape has gone; is the sensor still plugged in?"),
        ("set_params:1416: Unable to install hw params:", "arecord ended: Unable to install hw params:"),
        ("", "arecord ended: it said nothing"),
    ],
)
async def test_what_arecord_says_becomes_words_for_people(card, script, said, words):
    script(*([{"says": f"arecord: {said}\n"}] if said else []), {"exits": 1})
    assert (await fails(card(program=STAND_IN))).startswith(words)


async def test_a_recorder_that_does_not_end_is_killed(card, script, monkeypatch):
    monkeypatch.setattr(recorder, "_END_S", 0.05)
    script({"deaf": True}, ramp(0, 1000))
    assert joined(await take(card(program=STAND_IN), 1000, table(scale=2.0**15)))[:3] == [0, 1, 2]


async def test_the_rate_is_one_the_card_takes(tape, card):
    tape(pcm("S16_LE", [1] * 10_000))
    blocks = await take(card(rate=Rate(48_000)), 5000)
    assert blocks[0].rate_hz == 48_000
