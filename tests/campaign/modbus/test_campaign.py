"""Small versions of the campaign (peer: our own evil slave), and what its section shows.

The pty, the noise and the inputs are real; only the reads in memory have a virtual clock.
"""

import pytest

from tests.campaign.modbus import campaign, check_values, fuzz, noise, wrong_values
from tests.peers import modbus_evil as evil


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
    monkeypatch.setattr(
        check_values, "plan", lambda unit, wanted, *_: [check_values.block(unit, sorted(wanted, key=lambda s: s.start))]
    )
    assert fuzz.fuzz("read plan", 100).uncaught > 10


def test_the_section_holds_every_figure_and_tells_what_was_broken():
    jobs = {job.name: job for job in campaign.jobs(0.0001) if job.name in {"twice 120", "verdicts"}}
    results = {"noise": {}, "reads": {}, "fuzz": {}}
    for job in jobs.values():
        results[job.part][job.name] = list(job.call(*job.arguments))
    text = "\n".join(campaign.lines(results))
    assert "| twice | memory | 40 | 40 | 0 | 0 | 0.00 |" in text
    assert "| verdicts | 100 | 0 | 0 |" in text
    assert campaign.broken(results) == []
    results["reads"]["twice 120"][4] = 1
    assert campaign.broken(results) == ["twice (memory): 1 wrong values, well again after 0.00 s"]


def test_the_section_says_when_there_was_no_search_by_coverage():
    results = {"noise": {}, "reads": {}, "fuzz": {}}
    assert "Not run: atheris is not installed here" in "\n".join(campaign.lines(results))
    results["guided"] = {"a by coverage": ["a", 400, 1, 0, 0.004, "KeyError", 31]}
    assert "| a | 400 | 1 | 0 | 31 | 10 |" in "\n".join(campaign.lines(results))
    assert campaign.broken(results) == ["a: 1 uncaught, 0 hangs; first: KeyError"]


def test_the_whole_campaign_asks_for_a_million_of_each():
    jobs = campaign.jobs(1.0)
    assert sum(job.arguments[1] for job in jobs if job.call is wrong_values.in_memory) >= 1_000_000
    assert {job.arguments for job in jobs if job.part == "fuzz"} == {(target, 1_000_000) for target in fuzz.TARGETS}
    assert {job.name for job in jobs if job.alone} == {"continuous noise"}
