"""What a check finds, in one place: every problem at once."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

from gateway.config.node import Node, Scalar
from gateway.config.problem import Problem, Source

HOW_TO_KEEP_SECRETS = "secrets never stand in YAML: write {secret: NAME} and put the value into the file secrets/NAME (chmod 600)"


class Bad(enum.Enum):
    """What a builder returns when there is no value; the reason was reported."""

    BAD = "bad"


BAD: Final = Bad.BAD


class Found:
    """What a check has found so far, and the texts it was found in (by file, in the order of reading)."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.sources: dict[str, Source] = {}

    def error(self, node: Node, message: str) -> None:
        """Report what stops the gateway. What a ` #` has cut off was reported already."""
        if isinstance(node, Scalar) and node.cut:
            return
        self.problems.append(Problem(node.file, node.line, node.column, message))

    def warning(self, node: Node, message: str) -> None:
        """Report what does not stop the gateway."""
        self.problems.append(Problem(node.file, node.line, node.column, message, "warning"))

    def wrong(self, node: Node, expected: str, cure: str = "") -> Bad:
        """Report that something else was expected."""
        if isinstance(node, Scalar) and node.value is None and node.comment:
            cure = "; what follows ' #' is a comment, so put the value in quotes"
        elif isinstance(node, Scalar) and node.value is None and not cure:
            cure = "; write a value here, or leave the key out"
        self.error(node, f"expected {expected}, found {node.found}{cure}")
        return BAD


Builder = Callable[[Node, Found], Any]
