"""Peers that run on node: their npm packages, installed once outside the tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
HAS_NODE = bool(shutil.which("node") and shutil.which("npm"))


def node_modules(peer: str) -> Path:
    """Return the folder of node_modules for `tests/peers/PEER`; installs it into the user's cache the first time."""
    command = ["sh", str(ROOT / ".ci/node-modules"), str(ROOT / "tests/peers" / peer)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    folder = result.stdout.strip()
    assert result.returncode == 0, f"the packages of {peer} could not be installed: {result.stderr}"
    assert folder, f"the packages of {peer} could not be installed: {result.stderr}"
    return Path(folder) / "node_modules"
