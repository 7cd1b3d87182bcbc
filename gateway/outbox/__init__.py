"""What waits to be sent to one recipient: durable, ordered, bounded; a log of segments for each class (docs/adr/0007).

`outbox` is the port and knows time and threads, `memory` what waits while the disk fails; `store` the four logs of a recipient;
`log` one of them, `chain` how it is read; `segment` and `cursor` what stands on the disk, `disk` the little that is asked of it.
`pool`, `room` and `thinning` keep it bounded.
"""

from gateway.ports import OutboxError

from .outbox import SegmentedOutbox

__all__ = ["OutboxError", "SegmentedOutbox"]
