"""Checks a trace against the assertions of Sparkplug 3.0 for an edge node, and reports per id.

`core_ids.tsv` lists the ids of the 207 assertions that the Eclipse test kit (TCK) has for edge nodes, by group: 162 core ones, and
the optional groups. The rules are our own reading of the specification; where the kit only looks at a part, they are stricter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.sparkplug import check_births, check_data, check_hosts, check_optional, check_sessions, check_topics
from tests.sparkplug.rules import Check, Finding, each, metrics
from tests.sparkplug.trace import Trace
from tests.sparkplug.view import View

CHECKS: dict[str, Check] = {
    **check_topics.CHECKS,
    **check_sessions.CHECKS,
    **check_births.CHECKS,
    **check_data.CHECKS,
    **check_hosts.CHECKS,
    **check_optional.CHECKS,
}

NO_OPTIONAL_GROUP = each("NBIRTH DBIRTH NDATA DDATA", metrics(check_data.no_optional_type))
"""Why the groups `template` and `dataset` do not apply: there is nothing of the kind."""


@dataclass(frozen=True)
class Assertion:
    """One row of the list: `applies` is `yes`, `no`, or `host` for what only a host can do."""

    id: str
    group: str
    applies: str
    reason: str


def assertions() -> list[Assertion]:
    """Return the list, core ones first."""
    lines = Path(__file__).with_name("core_ids.tsv").read_text(encoding="utf-8").splitlines()
    return [Assertion(*line.split("\t")) for line in lines[1:]]


@dataclass
class Result:
    """What was found about one assertion in all traces so far: how often it was looked at, and what was wrong where."""

    assertion: Assertion
    seen: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`fail`, `pass`, `not seen`, or `does not apply`."""
        if self.problems:
            return "fail"
        if self.assertion.applies == "no":
            return "does not apply"
        return "pass" if self.seen else "not seen"


class Report:
    """The results of one or more traces, by id."""

    def __init__(self) -> None:
        self.results = {assertion.id: Result(assertion) for assertion in assertions()}
        self.strays: list[str] = []

    def add(self, trace: Trace, name: str = "trace") -> Report:
        """Check one more trace."""
        view = View(trace)
        for id_, check in CHECKS.items():
            result = self.results[id_]
            for finding in check(view):
                result.seen += 1
                if finding.problem:
                    result.problems.append(_sentence(name, trace, finding))
        self.strays += [_sentence(name, trace, finding) for finding in NO_OPTIONAL_GROUP(view) if finding.problem]
        return self

    def of(self, *groups: str) -> list[Result]:
        """Return the results of these groups."""
        return [result for result in self.results.values() if result.assertion.group in groups]

    def failures(self) -> dict[str, list[str]]:
        """Return what is wrong, by id."""
        found = {id_: result.problems for id_, result in self.results.items() if result.problems}
        return found | ({"optional groups that do not apply": self.strays} if self.strays else {})

    def unseen(self) -> list[str]:
        """Return the ids that apply and for which no trace had anything to see."""
        return [id_ for id_, result in self.results.items() if result.verdict == "not seen"]

    def summary(self) -> str:
        """Return one line per group: how many pass, and what does not apply."""
        return "\n".join(self._line(group) for group in ("core", "alias", "property"))

    def _line(self, group: str) -> str:
        results = self.of(group)
        count = {word: sum(result.verdict == word for result in results) for word in ("pass", "fail", "not seen", "does not apply")}
        of_host = sum(result.assertion.applies == "host" and result.verdict == "pass" for result in results)
        parts = [
            f"{count['pass']}/{len(results)} {group} edge assertions pass" + (f" ({of_host} of them the host's)" if of_host else "")
        ]
        return ", ".join(parts + [f"{count[word]} {word}" for word in ("fail", "not seen", "does not apply") if count[word]])

    def table(self) -> str:
        """Return one line per id: verdict, how often seen, id, and what is wrong or why it does not apply."""
        rows = []
        for result in self.results.values():
            why = result.problems[0] if result.problems else result.assertion.reason
            rows.append(f"{result.verdict:15} {result.seen:6}  {result.assertion.id}  {why}".rstrip())
        return "\n".join(rows)


def check(traces: Iterable[Trace]) -> Report:
    """Check several traces into one report."""
    report = Report()
    for number, trace in enumerate(traces, 1):
        report.add(trace, f"trace {number}")
    return report


def _sentence(name: str, trace: Trace, finding: Finding) -> str:
    event = trace.events[finding.at]
    where = f"{type(event).__name__} {getattr(event, 'topic', '')}".strip()
    return f"{name}, event {finding.at} ({where}): {finding.problem}"
