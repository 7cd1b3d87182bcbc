"""Metrics: text that a foreign parser reads, the same numbers as the status, and a page that says what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from gateway.metrics import FAMILIES, render

ROOT = Path(__file__).parents[2]


def status(name: str = "press-1") -> dict[str, Any]:
    return {
        "version": "1",
        "site": "muster",
        "gateway": "hall-1",
        "uptime_s": 12.5,
        "process": {"cpu_s": 1.25, "resident_bytes": 45_000_000},
        "clock": {"in_step": False},
        "stuck": ["poll"],
        "alarms": [{}, {}],
        "history": {"used_bytes": 7},
        "machines": {name: {"state": "bad", "age_s": None, "scans": 10, "missed": 1, "errors": 2}},
        "recipients": {
            "cooperative": {
                "door": {"withheld": 3, "dropped": 4},
                "outbox": {"waiting": 5, "used_bytes": 6, "max_bytes": 7, "lost": 8, "trouble": "disk full"},
                "uplink": {
                    "connected": True,
                    "trouble": "",
                    "published_records": 9,
                    "published_messages": 10,
                    "published_bytes": 11,
                },
            }
        },
    }


def samples(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in parsed(text) for sample in family.samples}


def test_a_foreign_parser_reads_every_metric_with_the_number_of_the_status() -> None:
    found = samples(render(status()))
    assert found["gateway_build_info"] == 1
    assert found["gateway_uptime_seconds"] == 12.5
    assert found["gateway_cpu_seconds_total"] == 1.25
    assert found["gateway_loops_stuck"] == 1
    assert found["gateway_alarms_active"] == 2
    assert found["gateway_clock_synchronised"] == 0
    assert found["gateway_machine_available"] == 0
    assert found["gateway_machine_missed_scans_total"] == 1
    assert found["gateway_outbox_lost_records_total"] == 8
    assert found["gateway_outbox_trouble"] == 1
    assert found["gateway_uplink_connected"] == 1
    assert found["gateway_uplink_trouble"] == 0
    assert found["gateway_uplink_published_bytes_total"] == 11
    assert "gateway_machine_age_seconds" not in found, "a machine that never gave anything has no age"


@given(st.text(max_size=20))
def test_any_name_survives_as_a_label(name: str) -> None:
    labels = [sample.labels for family in parsed(render(status(name))) for sample in family.samples if "machine" in sample.labels]
    assert labels
    assert {label["machine"] for label in labels} == {name}


def test_a_gateway_without_machines_and_recipients_has_the_rest() -> None:
    found = samples(render(status() | {"machines": {}, "recipients": {}}))
    assert not any(name.startswith(("gateway_machine", "gateway_outbox", "gateway_uplink")) for name in found)
    assert "gateway_history_used_bytes" in found


def test_the_page_and_the_code_name_the_same_metrics_in_the_same_words() -> None:
    rows = [line for line in (ROOT / "docs" / "metrics.md").read_text().splitlines() if line.startswith("| `gateway_")]
    total = {"counter": "_total", "gauge": ""}
    assert rows == [f"| `{f.name}{total[f.kind]}` | {f.kind} | {f.meaning} | {f.alarm} |" for f in FAMILIES]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_are_of_one_form(family) -> None:
    assert family.name.startswith("gateway_")
    assert not family.name.endswith("_total")
    assert family.meaning[0].islower() or family.meaning[0].isdigit()
