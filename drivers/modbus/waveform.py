"""A waveform that a sensor keeps in its registers: `waveform:` of a machine, as vibration sensors with Modbus offer it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta

from drivers.modbus.address import LAST_ADDRESS, Address
from gateway.config.quantity import Duration, Rate
from gateway.config.spec import Spec

SampleType = Literal["int16", "uint16", "int32", "uint32", "float32"]

WIDTHS: Final = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2}
"""Registers of one sample."""


class Ready(Spec, frozen=True, kw_only=True):
    """The register that tells of a new waveform; it is read before and after, and what changed in between is thrown away."""

    at: Annotated[Address, Meta(description="register that tells of a new waveform", examples=["holding 40099"])]
    value: (
        Annotated[int, Meta(ge=0, le=65535, description="what it holds while one is complete; left out: it counts waveforms")]
        | None
    ) = None


class Waveform(Spec, frozen=True, kw_only=True):
    """A range of registers that holds one waveform: samples of equal distance, the oldest first."""

    at: Annotated[Address, Meta(description="register of the first sample", examples=["holding 40101"])]
    count: Annotated[int, Meta(ge=2, le=LAST_ADDRESS, description="number of samples", examples=[1024])]
    type: Annotated[SampleType, Meta(description="type of a sample")] = "int16"
    rate: Annotated[Rate, Meta(description="samples per second", examples=["6.4kHz"])]
    unit: Annotated[str, Meta(description="unit of a scaled sample; without it no velocity, no zone", examples=["g", "m/s²"])] = ""
    scale: Annotated[float, Meta(description="sample = raw * scale + offset")] = 1.0
    offset: float = 0.0
    every: Annotated[Duration, Meta(description="time between two waveforms that are read")] = Duration(60)
    ready: Annotated[
        Ready | None, Meta(description="register that tells of a new waveform; without it one is read as it stands")
    ] = None

    @property
    def width(self) -> int:
        """Registers of one sample."""
        return WIDTHS[self.type]

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if self.at.bits or self.at.bit is not None:
            yield "at", "a waveform stands in registers: 'holding' or 'input', without a bit"
        elif self.at.wire + self.count * self.width > LAST_ADDRESS + 1:
            yield (
                "count",
                f"{self.count} samples of {self.type} from {self.at} reach beyond the last register (wire {LAST_ADDRESS})",
            )
        if self.ready is not None and (self.ready.at.bits or self.ready.at.bit is not None):
            yield "ready", "what tells of a new waveform is a whole register"
        if self.rate <= 0:
            yield "rate", "must be above 0Hz"
        if self.every <= 0:
            yield "every", "must be longer than 0s"
        if self.scale == 0:
            yield "scale", "a scale of 0 makes every sample equal to the offset"
