"""docs/delivery.md names tests and pages that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_and_page_it_names_exists() -> None:
    text = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", text)
    assert len(named) > 5
    for path, function in named:
        assert (ROOT / path).exists(), path
        assert not function or f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), function
    for link in re.findall(r"\]\(([\w/.-]+)\)", text):
        assert (ROOT / "docs" / link).exists(), link
