"""The shape of the house: who may import whom, what no file imports, how long a file may be. The tables are the rule."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("gateway", "drivers", "cython_ext")

LEAVES = {
    *("model", "clock", "ports", "log", "redaction"),
    *(
        "config.alarm",
        "config.base",
        "config.bearing",
        "config.broker",
        "config.capture",
        "config.host",
        "config.kpi",
        "config.learning",
    ),
    *("config.often", "config.quantity", "config.running", "config.spec"),
    *("config.temperature", "config.uplink", "config.vibration"),
    *("config.features", "config.rotation", "config.zones"),
}
"""Leaves: everyone may import them, and they import only each other."""

MAY_IMPORT = {
    "leaves": LEAVES,
    "notify": set(),
    "cython_ext": set(),
    "driver": LEAVES,
    "waveform": LEAVES | {"driver"},
    "drivers": LEAVES | {"driver", "waveform", "cython_ext"},  # and the files of its own folder, never another driver
    "database": LEAVES,
    "control": LEAVES,
    "poll": LEAVES | {"driver"},
    "shape": LEAVES | {"cython_ext"},
    "condition": LEAVES | {"cython_ext"},
    "share": LEAVES,
    "outbox": LEAVES | {"database", "cython_ext"},
    "uplink": LEAVES,
    "history": LEAVES | {"database"},
    "state": LEAVES | {"database"},
    "timeline": LEAVES,
    "metrics": LEAVES,
    "config": LEAVES | {"driver"},
    "fleet": LEAVES | {"config"},
}
"""Room: the rooms it may import, besides itself."""
MAY_IMPORT["supervise"] = set(MAY_IMPORT) - {"leaves", "drivers"} | LEAVES
MAY_IMPORT["app"] = set(MAY_IMPORT) - {"leaves"} | LEAVES | {"web"}
MAY_IMPORT["web"] = MAY_IMPORT["app"]
MAY_IMPORT["cli"] = MAY_IMPORT["app"] | {"app"}  # nobody but cli imports app

PART_OF = {"exporter": "metrics", "__main__": "cli"}
"""A module that is part of another room."""

NEVER = {"numpy", "scipy", "pydantic", "pandas"}
"""Too big for the daemon, wherever it would be imported."""

LAZY = {
    "asyncua": ("drivers.opcua.", "drivers.sim."),
    "amqtt": ("drivers.sim.",),
    "rich": ("gateway.cli._",),
    "structlog": ("gateway.log",),
}
"""Costly: at the top of a file only under these names, which are loaded when needed; elsewhere inside a function. structlog would
load rich, and gateway.log sees to it that it does not."""

MOST_LINES = 400
MOST_LINES_OF = {"gateway.app": 150}


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and path of every Python and Cython file of ours."""
    for top in OURS:
        for path in sorted(path for path in (root / top).rglob("*") if path.suffix in {".py", *CYTHON}):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def room_of(module: str) -> str:
    """Return the room a module belongs to: `gateway.config.spec` is a leaf, `drivers.modbus.codec` belongs to drivers."""
    top, _, rest = module.partition(".")
    if top != "gateway":
        return top
    if rest in LEAVES:
        return "leaves"
    first = rest.split(".")[0]
    return PART_OF.get(first, first)


def imports(module: str, path: Path, root: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield line, full name and whether it stands at the top level, for every import, also those inside functions and for types."""
    text = path.read_text(encoding="utf-8")
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    if path.suffix in CYTHON:
        for number, line in enumerate(text.splitlines(), 1):
            for name in _imports_of_line(line, package, root):
                yield number, name, not line[:1].isspace()
        return
    tree = ast.parse(text)
    inner = {id(node) for function in ast.walk(tree) if isinstance(function, FUNCTIONS) for node in ast.walk(function)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(package, node.level, node.module or "")
            names = [_resolved(source, alias.name, root) for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"importlib.import_module", "import_module", "__import__"}:
            names = [str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        for name in names:
            yield node.lineno, name, id(node) not in inner


CYTHON = (".pyx", ".pxd", ".pxi")
_FROM = re.compile(r"\s*from\s+(\.*)([\w.]*)\s+c?import\s+(.*)")
_IMPORT = re.compile(r"\s*c?import\s+(.*)")


def _imports_of_line(line: str, package: str, root: Path) -> list[str]:
    """Return what one line of Cython imports or cimports, by full name."""
    line = line.split("#")[0]
    if match := _FROM.match(line):
        source = _absolute(package, len(match[1]), match[2])
        return [_resolved(source, part.split()[0], root) for part in re.split(r"[,()]", match[3]) if part.strip()] or [source]
    if match := _IMPORT.match(line):
        return [part.split()[0] for part in match[1].split(",") if part.strip()]
    return []


def _absolute(package: str, level: int, name: str) -> str:
    """Return the full name of a module that is given relative to a package by so many dots."""
    parts = package.split(".")
    return ".".join([*(parts[: len(parts) - level + 1] if level else []), *filter(None, [name])])


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _resolved(source: str, name: str, root: Path) -> str:
    """Return what `from source import name` imports: the module `source.name` where there is one."""
    below = root.joinpath(*source.split("."), name)
    is_module = below.is_dir() or any(below.with_suffix(suffix).exists() for suffix in (".py", ".pyx", ".pyi"))
    return f"{source}.{name}" if is_module else source


def _allowed(module: str, target: str) -> bool:
    room, other = room_of(module), room_of(target)
    if target == "gateway":
        return True  # the package itself holds the version and nothing else
    if room == other:
        return room not in {"drivers", "leaves"} or room == "leaves" or module.split(".")[1:2] == target.split(".")[1:2]
    may = MAY_IMPORT.get(room)
    return may is not None and (target.removeprefix("gateway.") in may or other in may)


def violations(root: Path) -> list[str]:
    """Return every breach of the rule as a sentence with its place."""
    found = []
    for module, path in modules(root):
        place = path.relative_to(root)
        if module.startswith("gateway.") and room_of(module) not in MAY_IMPORT:
            found.append(f"{place}: the room '{room_of(module)}' is not in the table")
        for line, target, top_level in imports(module, path, root):
            package = target.split(".")[0]
            if package in OURS and not _allowed(module, target):
                found.append(f"{place}:{line}: {module} must not import {target}")
            if package in NEVER:
                found.append(f"{place}:{line}: {package} is too big for the daemon")
            if top_level and package in LAZY and not module.startswith(LAZY[package]):
                found.append(f"{place}:{line}: {package} only inside a function, or in {', '.join(LAZY[package])}")
        most = MOST_LINES_OF.get(module, MOST_LINES)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > most:
            found.append(f"{place}: {count} lines, more than {most}")
    return found


def test_everyone_imports_only_whom_he_may():
    assert violations(ROOT) == []


def test_no_kernel_and_no_test_is_longer_than_400_lines():
    paths = [*ROOT.glob("cython_ext/**/*.pyx"), *ROOT.glob("cython_ext/src/*"), *ROOT.glob("tests/**/*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: count for path, count in lengths.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("gateway/poll.py", "from gateway.share import Share", "gateway.poll must not import gateway.share"),
        ("gateway/poll.py", "def f():\n    import gateway.outbox", "gateway.poll must not import gateway.outbox"),
        ("gateway/poll.py", "from . import share", "gateway.poll must not import gateway.share"),
        ("gateway/uplink/lane.py", "from ..config import load", "gateway.uplink.lane must not import gateway.config.load"),
        ("gateway/uplink/lane.py", "from gateway import config", "gateway.uplink.lane must not import gateway.config"),
        (
            "gateway/share.py",
            "if TYPE_CHECKING:\n    from gateway.outbox.store import S",
            "gateway.share must not import gateway.outbox.store",
        ),
        ("gateway/model.py", "import gateway.driver", "gateway.model must not import gateway.driver"),
        ("gateway/log.py", "import gateway.poll", "gateway.log must not import gateway.poll"),
        ("gateway/notify.py", "import gateway.log", "gateway.notify must not import gateway.log"),
        ("gateway/config/check.py", "import gateway.poll", "gateway.config.check must not import gateway.poll"),
        ("gateway/config/check.py", "import drivers.modbus", "gateway.config.check must not import drivers.modbus"),
        ("gateway/supervise/a.py", "import gateway.app", "gateway.supervise.a must not import gateway.app"),
        ("gateway/supervise/a.py", "import drivers.modbus", "gateway.supervise.a must not import drivers.modbus"),
        ("gateway/app.py", "import gateway.cli", "gateway.app must not import gateway.cli"),
        ("drivers/modbus/codec.py", "import drivers.opcua", "drivers.modbus.codec must not import drivers.opcua"),
        ("drivers/modbus/codec.py", "import gateway.poll", "drivers.modbus.codec must not import gateway.poll"),
        ("cython_ext/a.py", "import gateway.model", "cython_ext.a must not import gateway.model"),
        ("cython_ext/a.pyx", "from gateway.model import Scan", "cython_ext.a must not import gateway.model"),
        (
            "cython_ext/a.pyx",
            "cdef f():\n    from gateway import share as s  # late",
            "a.pyx:2: cython_ext.a must not import gateway.share",
        ),
        ("cython_ext/a.pyx", "import math, drivers.modbus", "cython_ext.a must not import drivers.modbus"),
        ("cython_ext/a.pyx", "from ..gateway.model cimport Scan", "cython_ext.a must not import"),
        ("cython_ext/a.pyx", "cimport numpy as np", "numpy is too big"),
        ("cython_ext/a.pxd", "from numpy cimport ndarray", "numpy is too big"),
        ("drivers/modbus/codec.pyx", "from ..opcua import x", "drivers.modbus.codec must not import drivers.opcua"),
        ("gateway/shape.py", "import numpy as np", "numpy is too big"),
        ("gateway/shape.py", "def f():\n    from scipy import signal", "scipy is too big"),
        ("gateway/shape.py", "importlib.import_module('numpy')", "numpy is too big"),
        ("gateway/cli/top.py", "from rich.table import Table", "rich only inside a function"),
        ("gateway/poll.py", "import structlog", "structlog only inside a function"),
        ("drivers/opcua/__init__.py", "import asyncua", "asyncua only inside a function"),
        ("gateway/attic.py", "", "the room 'attic' is not in the table"),
        ("gateway/app.py", "\n" * 151, "151 lines, more than 150"),
        ("drivers/modbus/codec.py", "\n" * 401, "401 lines, more than 400"),
    ],
)
def test_a_breach_is_found(tmp_path, file, text, complaint):
    for name in ("share", "outbox/store", "poll", "config/load", "cli/top"):  # so that names resolve as in the real tree
        path = tmp_path / "gateway" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert violations(tmp_path) == []
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert any(complaint in sentence for sentence in violations(tmp_path)), violations(tmp_path)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "gateway/poll.py",
            "from gateway.driver import Driver\nfrom gateway.config.spec import Link\nfrom gateway import __version__",
        ),
        ("cython_ext/a.pyx", "from libc.math cimport sqrt\nfrom cython_ext.results import Statistics\n# import gateway.model"),
        (
            "gateway/outbox/store.py",
            "from gateway.outbox.log import x\nfrom gateway.database import y\nfrom cython_ext import frames",
        ),
        ("gateway/cli/run.py", "def run():\n    from gateway.app import App\n    import rich"),
        ("gateway/cli/_table.py", "import rich"),
        ("drivers/opcua/driver.py", "import asyncua\nfrom drivers.opcua.spec import x\nfrom . import spec"),
        ("gateway/supervise/a.py", "import gateway.uplink.session, gateway.poll, gateway.config.check"),
    ],
)
def test_what_is_allowed_is_not_complained_about(tmp_path, file, text):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert violations(tmp_path) == []


HEAVY = "asyncua amqtt pymodbus serial aiomqtt paho cryptography rich numpy scipy pydantic"


def loaded_by(code: str) -> set[str]:
    """Return which of the costly libraries a fresh interpreter has loaded after `code`."""
    tail = f"\nimport sys; print('LOADED', *(m for m in {HEAVY.split()!r} if m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code + tail], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.rpartition("LOADED")[2].split())


def test_the_check_of_a_configuration_loads_no_protocol_library():
    assert loaded_by("from gateway.config.check import check; assert check('configs/demo/site.yaml').config") == set()


def test_the_daemon_without_opc_ua_loads_no_asyncua_and_nothing_of_a_terminal():
    assert not loaded_by("import gateway.app") & {"asyncua", "amqtt", "rich", "numpy", "scipy", "pydantic", "cryptography"}
