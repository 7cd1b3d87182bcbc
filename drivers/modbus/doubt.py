"""When a line damages so much that a checksum alone is no proof: the answers are then asked for twice.

Of the answers that are damaged but keep their head, one in 2^16 has a sound CRC by chance. While damage is rare that chance stands
for nothing: one to three flipped bits are always noticed. On a line that damages many answers it happens within hours.
"""

from __future__ import annotations

from typing import Final

DAMAGE: Final = 8
"""What a damaged answer adds to the doubt; a sound one takes 1 away, so doubt grows where one answer in nine is damaged."""

LIMIT: Final = 20
"""Doubt from which on answers are confirmed: three damaged ones close together."""

MOST: Final = 64
"""Doubt never grows beyond; so a line that is well again is trusted after this many sound answers less LIMIT."""


class Doubt:
    """How much a line is doubted, from what came over it lately.

    A weak checksum (ASCII: eight bits, two flipped bits in the same place of two bytes go unnoticed) takes a `lasting` number: then
    a single damaged answer is enough, and so many sound ones must follow.
    """

    def __init__(self, lasting: int = 0) -> None:
        self._damage, self._most = (LIMIT + lasting, LIMIT + lasting) if lasting else (DAMAGE, MOST)
        self._level = 0

    @property
    def confirm(self) -> bool:
        """Whether an answer counts only when it comes a second time."""
        return self._level >= LIMIT

    def damaged(self) -> None:
        """Take note of an answer that was damaged."""
        self._level = min(self._most, self._level + self._damage)

    def sound(self) -> None:
        """Take note of an answer whose checksum was right."""
        self._level = max(0, self._level - 1)
