"""The frame of `make bench`: what a page shows, and that a row over its budget is told."""

import subprocess
import sys
import time

import pytest

from tests.bench import Row, run

ROWS = [
    *(Row("ours | theirs", 0.25, 0.5, "1 / 4 µs"), Row("fast", 95.0, 30.0, "", True), Row("told", 3.0, None, "3 s")),
    *(Row("late", 0.6, 0.5, ""), Row("slow", 29.0, 30.0, "", True)),
]


def test_a_verdict_needs_a_budget():
    assert [row.verdict for row in ROWS] == ["ok", "ok", "", "OVER", "UNDER"]


def test_a_line_for_machines_has_a_name_in_one_word():
    assert Row("rfft 4096, avx2 / FFTW", 0.85, 1.0, "2 µs").line == "BENCH rfft_4096_avx2_vs_fftw 0.85 1"
    assert Row("vector 4096 / scipy", 95.123, 30.0, "", True).line == "BENCH vector_4096_vs_scipy 95.12 30"
    assert Row("told", 3.0, None, "").line == "BENCH told 3 -"


def test_a_section_shows_every_row_or_the_failure_in_words():
    text = run.section("kernels", ROWS, 0.26)
    assert "| ours / theirs | 0.25 | 0.5 | ok | 1 / 4 µs |" in text
    assert "| told | 3 |  |  | 3 s |" in text
    assert "| late | 0.6 | 0.5 | OVER |  |" in text
    assert "| fast | 95 | ≥ 30 | ok |  |" in text
    assert "## Kernels\nTime of the kernels" in text
    assert "Other programs kept 0.3 of them busy meanwhile." in text
    assert "**failed with exit code 1**" in run.section("gateway", "failed with exit code 1", 0.0)


@pytest.mark.parametrize(
    ("rows", "code"), [(ROWS[:3], 0), (ROWS[:4], 1), (ROWS[4:], 1), ("did not end", 1)], ids=["good", "over", "under", "failed"]
)
def test_the_exit_code_says_whether_the_promises_hold(monkeypatch, tmp_path, capsys, rows, code):
    monkeypatch.setattr(run, "measure", lambda *_: rows)
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n\n## Gateway\nan earlier run\n\n## Kernels\nan earlier run\n")
    monkeypatch.setattr(sys, "argv", ["run", "kernels", "--write", str(page)])
    assert run.main() == code
    said = "".join(f"{row.line}\n" for row in rows if isinstance(row, Row)) or "\n"
    assert page.read_text() + "\n" + said == capsys.readouterr().out
    assert "## Gateway\nan earlier run\n" in page.read_text()
    assert "## Kernels\nan earlier run" not in page.read_text()


def test_a_benchmark_that_fails_or_hangs_is_told_and_leaves_nothing_running(monkeypatch):
    assert "failed with exit code 1" in run.measure("no_such", end=time.monotonic() + 60)
    started = []
    real = subprocess.Popen

    def sleeper(_: object, **options: object) -> subprocess.Popen:
        started.append(real([sys.executable, "-c", "import time; time.sleep(60)"], **options))
        return started[0]

    monkeypatch.setattr(run.subprocess, "Popen", sleeper)
    assert "did not end within the time" in run.measure("kernels", end=0.0)
    assert started[0].poll() == -9


def test_what_is_optional_runs_only_when_it_is_asked_for(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(run, "measure", lambda name, _: ran.append(name) or ROWS[:2])
    monkeypatch.setattr(sys, "argv", ["run"])
    assert run.main() == 0
    assert "modbus" in ran
    assert not run.OPTIONAL & set(ran)
    ran.clear()
    monkeypatch.setattr(sys, "argv", ["run", "thingsboard"])
    assert run.main() == 0
    assert ran == ["thingsboard"]


def test_an_unknown_benchmark_lists_the_known_ones(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run", "kernel"])
    with pytest.raises(SystemExit):
        run.main()
    assert "unknown benchmark kernel; known: " in capsys.readouterr().err
