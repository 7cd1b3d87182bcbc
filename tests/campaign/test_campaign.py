"""Small versions of the campaign (peer: our own evil slave), and the campaign itself.

The pty, the noise and the inputs are real; only the reads in memory have a virtual clock.
"""

from pathlib import Path

import pytest

from tests.campaign import fuzz, noise, run, wrong_values
from tests.peers import modbus_evil as evil

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mood", wrong_values.MOODS)
def test_no_value_is_wrong(mood):
    result = wrong_values.in_memory(mood, 250)
    assert result.wrong == 0
    assert result.good >= wrong_values.SETTLED
    assert result.resync_s < 3.0


def test_a_wrong_value_would_be_seen(monkeypatch):
    async def lies(slave, request, send):
        send(evil.framed(slave.unit, evil.registers(request[1:6], shift=1)))

    monkeypatch.setitem(wrong_values.MOODS, "lies", lies)
    assert wrong_values.in_memory("lies", 50).wrong > 30


def test_what_a_unit_that_is_always_behind_owes_is_not_forgotten():
    assert wrong_values.in_memory("always a bit late", 1000).wrong == 0


async def test_no_value_is_wrong_on_a_pty():
    result = await wrong_values.on_pty("everything", 1.0, 300)
    assert result.wrong == 0
    assert result.good > 0


async def test_noise_without_a_pause_wakes_the_reader_no_more_than_it_must_and_ends():
    result = await noise.noise(1.0)
    assert result.wrong == 0
    assert result.seen_bytes > 0.5 * result.noise_bytes > 0
    assert result.resync_s < 10.0  # well again before the patience of `noise` ends


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_no_input_escapes_or_hangs(target):
    result = fuzz.fuzz(target, 500)
    assert (result.inputs, result.uncaught, result.hangs) == (500, 0, 0), result.first


def test_the_fuzzer_counts_what_escapes_and_what_hangs(monkeypatch):
    def escaping(r):
        while True:
            if r.random() < 0.01:
                raise KeyError("escaped")
            yield

    def hanging(r):
        yield
        while True:
            pass

    monkeypatch.setitem(fuzz.TARGETS, "escaping", escaping)
    monkeypatch.setitem(fuzz.TARGETS, "hanging", hanging)
    monkeypatch.setattr(fuzz, "BATCH_CPU_S", 0.02)
    escaped = fuzz.fuzz("escaping", 2000)
    assert escaped.uncaught > 3
    assert "escaped" in escaped.first
    assert fuzz.fuzz("hanging", 4).hangs == 2


def test_a_plan_that_reads_what_is_not_allowed_would_be_seen(monkeypatch):
    monkeypatch.setattr(fuzz, "plan", lambda unit, wanted, limits, cuts: [fuzz.block(unit, sorted(wanted, key=lambda s: s.start))])
    assert fuzz.fuzz("read plan", 100).uncaught > 10


def test_the_page_holds_every_figure_and_tells_what_was_broken(tmp_path):
    results = tmp_path / "results"
    jobs = [job for job in run.jobs(130, 50, 5.0, 0.0) if job[1] in {"twice 120", "verdicts"}]
    done = run.run(jobs, results, at_once=1)
    assert run.run(jobs, results) == done  # nothing is run twice
    text = run.page(done, 1.0)
    assert "| twice | memory | 30 | 30 | 0 | 0 | 0.00 |" in text
    assert "| verdicts | 50 | 0 | 0 |" in text
    assert "Every promise was kept." in text
    done["reads"]["twice 120"][4] = 1
    assert "**Broken:** twice (memory): 1 wrong values" in run.page(done, 1.0)


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_the_whole_campaign(capsys):
    with capsys.disabled():
        assert run.main(["--write", str(ROOT / "docs" / "campaigns.md")]) == 0
