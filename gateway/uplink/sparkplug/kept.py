"""What the live lane keeps over restarts and power cuts: aliases, bdSeq, and up to where every device was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.ports import Keeps

from .alias import Aliases, Names
from .past import Mark


class Kept:
    """The lane's files in the state. One that cannot be written is told, and the lane goes on with what it has in memory.

    Attributes:
        aliases: the numbers of the metrics; `write_aliases` before a birth tells them.
        left: up to where devices were told when the file was written.
    """

    def __init__(self, state: Keeps, recipient: str, not_kept: Callable[[OSError], None]) -> None:
        self._state = state
        self._name = f"sparkplug.{recipient}."
        self._not_kept = not_kept
        self.aliases = Aliases(state.get(f"{self._name}aliases", Names, Names()))
        self.left: Mapping[str, Mark] = state.get(f"{self._name}left", dict[str, Mark], {})
        self._bdseq = state.get(f"{self._name}bdseq", int, -1)
        self._used = True

    @property
    def bdseq(self) -> int:
        """The bdSeq of the last `next_bdseq`."""
        return self._bdseq

    def next_bdseq(self) -> int:
        """Return the bdSeq for a CONNECT: one more than the last that was used, 0 after 255, and first of all 0."""
        if self._used:
            self._bdseq = (self._bdseq + 1) % 256
            self._used = False
        return self._bdseq

    def use_bdseq(self) -> None:
        """Keep that a CONNECT carries this bdSeq now; waits for the disk, so it is called in a thread."""
        self._used = True
        try:
            self._state.put(f"{self._name}bdseq", self._bdseq)
        except OSError as error:
            self._not_kept(error)

    async def write_aliases(self) -> None:
        """Keep the aliases, if there are new ones."""
        if self.aliases.changed:
            self.aliases.changed = False
            await self._write("aliases", self.aliases.names)

    async def write_left(self, left: Mapping[str, Mark]) -> None:
        """Keep up to where devices were told, if that has changed; nothing of those that are told now."""
        if left != self.left:
            self.left = dict(left)
            await self._write("left", self.left)

    async def _write(self, what: str, value: Any) -> None:
        try:
            await self._state.aput(f"{self._name}{what}", value)
        except OSError as error:
            self._not_kept(error)
