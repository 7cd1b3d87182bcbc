import fcntl
import os
import shutil
import struct

import pytest

from drivers.alsa import recorder
from drivers.alsa.driver import AlsaDriver
from drivers.alsa.spec import AlsaLink, AlsaUnit, check_address
from gateway.clock import Clock
from gateway.config.quantity import Acceleration, Duration, Rate
from gateway.config.spec import Link
from gateway.model import PointTable

CONFIG = """
</usr/share/alsa/alsa.conf>
pcm.tape {{ type file slave.pcm null file /dev/null infile {tape} format raw }}
pcm.silence {{ type null }}
pcm.whole {{ type linear slave {{ pcm {{ type null }} format S32_LE }} }}
pcm.pair {{
  type multi slaves.a {{ pcm {{ type null }} channels 2 }}
  bindings.0 {{ slave a channel 0 }} bindings.1 {{ slave a channel 1 }}
}}
"""
_F_SETPIPE_SZ = 1031


@pytest.fixture(autouse=True)
def _has_arecord():
    assert shutil.which("arecord"), "arecord is missing: apt-get install alsa-utils (make test does)"


@pytest.fixture
def tape(tmp_path, monkeypatch):
    """What the card hears: a pipe behind ALSA's file plugin; write raw samples into it."""
    path = tmp_path / "tape"
    os.mkfifo(path)
    (tmp_path / "asound.conf").write_text(CONFIG.format(tape=path))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    monkeypatch.setattr(recorder, "_END_S", 0.2)  # the file plugin waits for the pipe, deaf to signals; no card does that
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(fd, _F_SETPIPE_SZ, 1 << 20)
    yield lambda data: os.write(fd, data)
    os.close(fd)


@pytest.fixture
def card():
    """Make an unopened driver; blocks are short so that tests are."""

    def make(address="tape", program="arecord", **options):
        options = {"rate": Rate(8000), "channels": 1, "block": Duration(0.05), "buffer": Duration(0.1)} | options
        return AlsaDriver(Link("alsa", check_address("alsa", address), AlsaLink(**options)), Clock(), program)

    return make


def table(machine="spindle", **unit):
    return PointTable(machine, (), (), (), AlsaUnit(**({"unit": Acceleration("g"), "scale": 1.0} | unit)))


def pcm(name, values):
    """Samples as a card stores them."""
    if name == "S24_3LE":
        return b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    return struct.pack(f"<{len(values)}{ {'S16_LE': 'h', 'S24_LE': 'i', 'S32_LE': 'i', 'FLOAT_LE': 'f'}[name] }", *values)
