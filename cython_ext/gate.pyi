from array import array

from _typeshed import ReadableBuffer

class Gate:
    def __init__(self, deadbands: array[float], heartbeats_s: array[float], always: ReadableBuffer) -> None: ...
    def __len__(self) -> int: ...
    def select(
        self,
        now_s: float,
        values: array[float],
        quality: ReadableBuffer,
        reason: ReadableBuffer,
        rows: array[int] | None,
        out: array[int],
    ) -> int: ...
    def force(self, row: int) -> None: ...
    def touch(self, row: int, value: float, quality: int, reason: int, now_s: float) -> None: ...
