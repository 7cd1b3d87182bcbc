"""Pages of several sections, each renewed alone."""

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
