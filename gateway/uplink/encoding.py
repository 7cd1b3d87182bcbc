"""How a recipient gets its messages: format, compression, and how far the numbers of each point may be off."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gateway.config.quantity import Resolution
from gateway.config.spec import Machine
from gateway.uplink.packing import Compression, Format
from gateway.uplink.words import Resolve

_VIBRATION, _SLOPE = "vibration.", ".slope"


class Resolutions(Struct, frozen=True):
    """The resolutions of a configuration: by machine and point, and by machine for its features."""

    points: dict[tuple[str, str], Resolution] = {}
    vibration: dict[str, Resolution] = {}
    slopes: dict[str, Resolution] = {}

    @classmethod
    def of(cls, machines: Mapping[str, Machine]) -> Resolutions:
        """Collect them; machines and points without one take no room."""
        points: dict[tuple[str, str], Resolution] = {}
        vibration: dict[str, Resolution] = {}
        slopes: dict[str, Resolution] = {}
        for name, machine in machines.items():
            for point, spec in machine.points.items():
                if spec.resolution is not None:
                    points[name, point] = spec.resolution
            if machine.vibration and machine.vibration.resolution:
                vibration[name] = machine.vibration.resolution
            if machine.temperature and machine.temperature.resolution:
                slopes[name] = machine.temperature.resolution
        return cls(points, vibration, slopes)

    def __call__(self, machine: str, point: str) -> Resolution | None:
        """Return the resolution of a point or feature, None where it is sent exactly."""
        found = self.points.get((machine, point))
        if found is None and point.startswith(_VIBRATION):
            found = self.vibration.get(machine)
        if found is None and point.endswith(_SLOPE):
            found = self.slopes.get(machine)
        return found


class Encoding(Struct, frozen=True):
    """What `batch.encode` needs to know of a recipient; the default is what every receiver reads."""

    format: Format = "json"
    compress: Compression | None = None
    resolutions: Resolve = Resolutions()
