"""How much work a check is: counted in calls, so that it says the same on every computer; the benchmarks measure seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, sys
from collections import Counter
from gateway.config import load_config

load_config(sys.argv[1])  # what is done once per process is done now
calls = Counter()

def count(frame, event, argument):
    if event == "call":
        calls["all"] += 1
        name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
        if name in {"importlib.metadata.entry_points", "gateway.driver.find", "gateway.driver.schemes"}:
            calls[name] += 1
        elif name in {"re._compiler.compile", "re._parser.parse", "sre_compile.compile"}:
            calls["regex"] += 1
    elif event == "c_call":
        calls["all"] += 1

results = []
for path in sys.argv[1:]:
    calls.clear()
    sys.setprofile(count)
    config = load_config(path)
    sys.setprofile(None)
    results.append({"points": sum(len(m.points) for m in config.machines.values()), **calls})
heavy = {"asyncua", "pymodbus", "numpy", "rich", "aiomqtt", "structlog"} & set(sys.modules)
print(json.dumps([results, sorted(heavy)]))
"""


def site(machines, points):
    """Return a site with so many machines, each with so many points."""
    rows = "".join(f"      p{n}: {{at: holding {40010 + 2 * n}, type: float32, scale: 0.1, unit: °C}}\n" for n in range(points))
    entries = "".join(
        f"  - name: m{n}\n    connect: modbus-tcp://10.0.{n // 250}.{n % 250}\n    points:\n{rows}" for n in range(machines)
    )
    return f"site: muster\ngateway: hall-1\nmachines:\n{entries}"


@pytest.fixture
def counted(tmp_path):
    """Check sites in one process of their own; return what was counted for each, and the costly libraries that were loaded."""

    def run(*texts):
        paths = []
        for number, text in enumerate(texts):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "site.yaml").write_text(text, encoding="utf-8")
            paths.append(str(folder / "site.yaml"))
        command = [sys.executable, "-c", SCRIPT, *paths]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)

    return run


@pytest.mark.parametrize(
    ("shape", "most"),
    [(lambda n: (n // 50, 50), 400), (lambda n: (1, n), 400), (lambda n: (n, 1), 900)],
    ids=["fifty points each", "one machine", "one point each"],
)
def test_a_check_grows_with_the_number_of_points_and_no_faster(counted, shape, most):
    (small, large), _ = counted(site(*shape(500)), site(*shape(2000)))
    assert (small["points"], large["points"]) == (500, 2000)
    assert large["all"] < 4.2 * small["all"], "four times the points, four times the work"
    assert large["all"] / 2000 < most, "calls per point: half as many again as when this was written"


def test_patterns_and_the_metadata_of_packages_are_read_once_however_many_points_there_are(counted):
    (small, large), _ = counted(site(10, 50), site(40, 50))
    for name in ("regex", "importlib.metadata.entry_points", "gateway.driver.schemes"):
        assert large.get(name, 0) == small.get(name, 0), name
    assert large["gateway.driver.find"] <= 41, "once per machine, and once per scheme for the plan"


def test_the_check_loads_no_protocol_library(counted):
    lathe = "  - {name: lathe, connect: 'opc.tcp://h', insecure: true, points: {a: {path: Objects/A}}}\n"
    (result,), heavy = counted(site(1, 1) + lathe)
    assert (result["points"], heavy) == (2, [])
