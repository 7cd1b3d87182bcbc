"""docs/modbus.md is true: every test it names exists, and every message it quotes is one that the code can say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/modbus.md").read_text(encoding="utf-8")
MATRIX = PAGE[PAGE.index("## The fault matrix") :]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in MATRIX.splitlines()
    if line.startswith("|") and not re.match(r"\|(---| fault )", line)
]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def sayings() -> str:
    """Return every piece of text in the code that can be told to somebody."""
    said = []
    for folder in ("drivers/modbus", "gateway"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            said += [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(said)


def test_the_matrix_is_there():
    assert len(ROWS) > 40
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_fault_names_tests_that_exist(row):
    found = TEST.findall(row[3])
    assert found
    assert TEST.sub("", row[3]).strip(" ,") == "", "nothing but tests stands there"
    for file, name in found:
        path = ROOT / file
        assert path.is_file(), file
        assert name in functions(path), f"{file} has no {name}"


def test_every_message_is_one_the_code_can_say():
    said = sayings()
    first = PAGE[: PAGE.index("`--frames` shows")]
    quoted = [text for row in ROWS for text in re.findall(r"`([^`]+)`", row[1])] + re.findall(r"^\| (`.*`) \|", first, re.MULTILINE)
    texts = {text.strip("`") for item in quoted for text in item.split("`, `")}
    missing = [text for text in sorted(texts) if text not in said]
    assert missing == []


def test_every_command_on_the_page_exists():
    from gateway.cli import VERBS

    assert set(re.findall(r"gateway (\w+)", " ".join(re.findall(r"`gateway \w+|^gateway \w+", PAGE, re.MULTILINE)))) <= set(VERBS)
