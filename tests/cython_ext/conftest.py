"""Both builds of the kernels: what the processor can do best, and the baseline every processor of its kind can do."""

from __future__ import annotations

import platform

import pytest
from hypothesis import HealthCheck, settings

from cython_ext import spectrum

settings.register_profile("emulated", max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For `make test-aarch64`: an emulated processor is ten times slower, and the native run has searched for examples already."""


BUILDS = ["best", "baseline"] if platform.machine() == "x86_64" else ["baseline"]
"""Other processors than x86-64 have the baseline alone."""


@pytest.fixture(params=BUILDS)
def backend(request, monkeypatch):
    """Name of the build in use."""
    if request.param == "baseline":
        monkeypatch.setenv("GATEWAY_KERNELS", "baseline")
    else:
        monkeypatch.delenv("GATEWAY_KERNELS", raising=False)
    return spectrum.backend()
