"""The vocabulary of the log: every event in the source is a word of `EVENTS`, and every word is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.log import EVENTS

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def events(tree: ast.AST) -> Iterator[tuple[int, str | None]]:
    """Yield line and event name of every call of a logger; None where the name is not a literal."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        receiver = ast.unparse(node.func.value)
        if node.func.attr in LEVELS and re.search(r"(^|[._(])(log|logger)$|\bget\(", receiver):
            argument = node.args[0] if node.args else None
            yield node.lineno, argument.value if isinstance(argument, ast.Constant) else None


def sources() -> Iterator[tuple[Path, ast.AST]]:
    """Yield path and tree of every file of the gateway and its drivers, but for the log itself, which passes names on."""
    for folder in ("gateway", "drivers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != ROOT / "gateway" / "log.py":
                yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def test_every_event_in_the_source_is_in_the_vocabulary():
    unknown = [
        f"{path}:{line}: {event or 'no literal'}" for path, tree in sources() for line, event in events(tree) if event not in EVENTS
    ]
    assert unknown == []


def test_every_word_of_the_vocabulary_is_used():
    said = {node.value for _, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(EVENTS) - said == {"library", "gateway_failed"}, "only these two are said by the log itself"


def test_names_are_snake_case_and_told_in_one_sentence():
    for name, sentence in EVENTS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), name
        assert sentence == sentence.strip(), name
        assert not sentence.endswith("."), name


def test_the_scan_bites():
    source = "log.info('a')\nself._log.error('b', x=1)\nself.log.warning(name)\nget('x').info('c')\nmath.log(2)"
    assert list(events(ast.parse(source))) == [(1, "a"), (2, "b"), (3, None), (4, "c")]
