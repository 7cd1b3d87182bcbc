"""Pages of several sections, each renewed alone; what a run says of the computer it was made on."""

import os
import subprocess
import sys
import time

from tests import page
from tests.page import renewed, sections, table

PAGE = "# Head\nold\n\n## One\nfirst\n### Part\nmore\n\n## Two\nsecond\n"


def test_a_page_is_cut_at_its_second_headings_only():
    assert sections(PAGE) == {"One": "## One\nfirst\n### Part\nmore", "Two": "## Two\nsecond"}
    assert sections("") == {}


def test_a_section_that_is_not_renewed_keeps_its_text():
    text = renewed(PAGE, "# Head\nnew\n", {"Two": "## Two\nrenewed"}, ["One", "Two", "Three"])
    assert text == "# Head\nnew\n\n## One\nfirst\n### Part\nmore\n\n## Two\nrenewed\n"
    assert renewed(text, "# Head\nnew", {}, ["One", "Two"]) == text


def test_a_section_that_nobody_writes_any_more_goes():
    assert renewed(PAGE, "# Head", {}, ["Two"]) == "# Head\n\n## Two\nsecond\n"


def test_a_table_has_a_line_below_its_head():
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_only_the_work_of_others_is_company(monkeypatch):
    monkeypatch.setattr(page, "_busy_s", iter([100.0, 112.0]).__next__)
    monkeypatch.setattr(page, "_own_s", iter([3.0, 9.0]).__next__)
    monkeypatch.setattr(page.time, "monotonic", iter([0.0, 4.0]).__next__)
    assert page.Company().cores() == 1.5


def test_a_program_that_is_not_ours_is_seen():
    burn = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    company, began = page.Company(), time.monotonic()
    with subprocess.Popen([sys.executable, "-c", burn]) as stranger:
        os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)  # it is done, but not yet counted as a child of ours
        assert company.cores() * (time.monotonic() - began) > 0.4
