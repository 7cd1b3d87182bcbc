"""What importing the kernels brings along: nothing that is big."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cython_ext

PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("cython_ext." + name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_no_kernel_loads_numpy_or_anything_of_others():
    folder = Path(cython_ext.__file__).parent
    names = [path.stem for path in folder.glob("*.pyx")]
    assert len(names) >= 17
    command = [sys.executable, "-c", PROGRAM, *names]
    loaded = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=True).stdout.split()
    assert "cython_ext" in loaded
    others = [name for name in loaded if name not in sys.stdlib_module_names and not name.startswith(("_", "cython_ext"))]
    assert not [name for name in others if name in {"numpy", "scipy", "msgspec", "gateway", "drivers", "asyncua", "pymodbus"}], (
        others
    )
