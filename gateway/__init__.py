"""The retrofit gateway: an old machine in, compact results out."""

__version__ = "0.1.0"
