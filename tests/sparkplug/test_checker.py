"""The checker passes what is right and catches what is wrong: for every id that it checks, one trace at least that breaks it."""

from __future__ import annotations

import pytest

from tests.sparkplug import good
from tests.sparkplug.change import Change, metric
from tests.sparkplug.checker import CHECKS, NO_OPTIONAL_GROUP, Report, assertions, check
from tests.sparkplug.mutations_hosts import HOSTS, MORE_HOSTS
from tests.sparkplug.mutations_messages import MESSAGES, MORE_MESSAGES
from tests.sparkplug.mutations_sessions import MORE_SESSIONS, SESSIONS
from tests.sparkplug.payload import DATASET
from tests.sparkplug.trace import Trace
from tests.sparkplug.view import View

MUTATIONS = {**SESSIONS, **MESSAGES, **HOSTS}
EVERY = [(id_, name, change) for id_, (name, change) in MUTATIONS.items()] + MORE_SESSIONS + MORE_MESSAGES + MORE_HOSTS


def broken(name: str, change: Change) -> Trace:
    trace = good.ALL[name]()
    return Trace(trace.setting, tuple(change(list(trace.events))))


def test_the_list_is_the_162_core_ids_and_the_groups():
    by_group: dict[str, int] = {}
    for assertion in assertions():
        by_group[assertion.group] = by_group.get(assertion.group, 0) + 1
    assert by_group == {"core": 162, "alias": 4, "property": 7, "dataset": 8, "template": 26}
    assert len({assertion.id for assertion in assertions()}) == 207


def test_whatever_does_not_apply_to_the_node_says_why():
    assert all(bool(a.reason) for a in assertions() if a.applies != "yes")
    assert {a.applies for a in assertions()} == {"yes", "no", "host"}


def test_every_id_that_applies_has_a_check_and_every_check_has_a_mutation():
    applying = {a.id for a in assertions() if a.applies != "no"}
    assert applying <= set(CHECKS)
    assert set(MUTATIONS) == set(CHECKS)
    assert len(MUTATIONS) == len(SESSIONS) + len(MESSAGES) + len(HOSTS)


def test_good_traces_show_something_for_every_id_and_break_nothing():
    report = check(make() for make in good.ALL.values())
    assert report.failures() == {}
    assert report.unseen() == []
    assert [id_ for id_ in CHECKS if not report.results[id_].seen] == []
    assert report.summary().splitlines()[0] == "160/162 core edge assertions pass (7 of them the host's), 2 does not apply"


@pytest.mark.parametrize(("id_", "name", "change"), [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(EVERY)])
def test_a_mutation_is_caught_by_the_check_of_its_id(id_, name, change):
    trace = broken(name, change)
    assert trace.events != good.ALL[name]().events
    caught = [finding.problem for finding in CHECKS[id_](View(trace)) if finding.problem]
    assert caught


def test_a_metric_of_a_group_that_does_not_apply_is_noticed():
    trace = broken("life", metric("DBIRTH", "door", datatype=DATASET))
    assert [finding for finding in NO_OPTIONAL_GROUP(View(trace)) if finding.problem]
    assert "optional groups that do not apply" in Report().add(trace).failures()


def test_a_report_names_the_place_and_counts_the_rest():
    report = Report().add(broken("life", MESSAGES["topics-nbirth-mqtt"][1]), "run")
    (problem,) = report.failures()["topics-nbirth-mqtt"]
    assert problem.startswith("run, event ")
    assert "spBv1.0/muster/NBIRTH/hall-1" in problem
    assert "retained" in problem
    assert "fail" in report.summary()
    assert f"fail {report.results['topics-nbirth-mqtt'].seen:17}  topics-nbirth-mqtt" in report.table()


def test_what_no_trace_shows_is_not_called_a_pass():
    report = Report()
    assert len(report.unseen()) == 153 + 7 + 4 + 7
    assert report.summary().startswith("0/162 core edge assertions pass, 160 not seen, 2 does not apply")
