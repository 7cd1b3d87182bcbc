"""The real gateway, at real brokers, before a host that is not ours: every core assertion that applies, and all about aliases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.sparkplug.agreement import differences
from tests.sparkplug.checker import Report
from tests.sparkplug.payload import Metric
from tests.sparkplug.runs import RUNS, every
from tests.sparkplug.trace import Trace
from tests.sparkplug.view import View

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> dict[str, Trace | BaseException]:
    return asyncio.run(every(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def traces(done) -> dict[str, Trace]:
    return {name: result for name, result in done.items() if isinstance(result, Trace)}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_comes_to_its_end_and_breaks_nothing(done, name):
    result = done[name]
    if isinstance(result, BaseException):
        raise result
    assert Report().add(result, name).failures() == {}


def test_the_runs_together_show_every_assertion_that_applies(traces):
    report = Report()
    for name, trace in traces.items():
        report.add(trace, name)
    assert report.unseen() == []
    assert report.summary().splitlines() == [
        "160/162 core edge assertions pass (7 of them the host's), 2 does not apply",
        "4/4 alias edge assertions pass",
        "7/7 property edge assertions pass",
    ]


def metrics(traces: dict[str, Trace]) -> Iterator[Metric]:
    for trace in traces.values():
        for message in View(trace).messages:
            yield from message.payload.metrics


def test_npm_reads_every_message_with_the_same_values(traces):
    compared, found = asyncio.run(differences(traces.values()))
    assert found == []
    assert compared > 300
    sent = list(metrics(traces))
    values = [metric.value() for metric in sent if metric.datatype is not None]
    assert any(metric.is_null for metric in sent)
    assert any(metric.is_historical for metric in sent)
    assert {-1234, -1234567890123456789, 18000000000000000001, -273.15, "läuft", True, "UMG 96-PA"} <= {*values}
    qualities = {metric.properties.get("Quality") for metric in sent if metric.properties is not None}
    assert {quality.value for quality in qualities if quality is not None} >= {0, 192}
