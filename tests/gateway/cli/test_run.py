import asyncio
import importlib
import sys
import types

import pytest

from gateway.cli import main
from gateway.cli.run import loop_factory


@pytest.fixture
def uvloop(monkeypatch):
    """A stand-in that is installed; what the real one does is measured by `make bench`."""
    module = types.ModuleType("uvloop")
    module.new_event_loop = asyncio.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", module)
    return module


@pytest.fixture
def no_uvloop(monkeypatch):
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: real("no_such_module" if name == "uvloop" else name))


@pytest.mark.usefixtures("no_uvloop")
def test_without_uvloop_asyncio_runs_unless_uvloop_was_asked_for(tmp_path, capsys):
    assert loop_factory("auto") is None
    assert main(["run", str(tmp_path / "site.yaml"), "--loop", "uvloop"]) == 2
    assert "uvloop is not installed; pip install 'retrofit-gateway[fast]'" in capsys.readouterr().err


def test_uvloop_is_taken_where_it_is_installed_and_asyncio_where_it_is_asked_for(uvloop):
    assert loop_factory("auto") is uvloop.new_event_loop
    assert loop_factory("uvloop") is uvloop.new_event_loop
    assert loop_factory("asyncio") is None
