"""Both builds of the kernels: what the processor can do best, and the baseline every processor of its kind can do."""

from __future__ import annotations

import pytest

from cython_ext import spectrum


@pytest.fixture(params=["best", "baseline"])
def backend(request, monkeypatch):
    """Name of the build in use."""
    if request.param == "baseline":
        monkeypatch.setenv("GATEWAY_KERNELS", "baseline")
    else:
        monkeypatch.delenv("GATEWAY_KERNELS", raising=False)
    return spectrum.backend()
