"""The scripts behind the verbs of `make`: they parse, `make` lists every verb, and what is missing is said in words."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / ".ci").iterdir() if path.is_file())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_parses_in_the_shell_it_names(script):
    first = script.read_text(encoding="utf-8").splitlines()[0]
    shell = re.fullmatch(r"#!\s*(?:/usr/bin/env )?(?:/bin/)?(sh|bash)", first)
    assert shell, f"{script.name} begins with {first}"
    result = subprocess.run([shell[1], "-n", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_make_lists_every_verb():
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[0:2] for line in listed.splitlines()] == [["make", verb] for verb in phony[1].split()]


class TestAarch64:
    """`.ci/aarch64` where it cannot go on; that it passes is what `make test-aarch64` shows."""

    def run(self, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": str(path), "PYTHON": "/usr/bin/env", **env}
        return subprocess.run(
            ["sh", ROOT / ".ci/aarch64"], env=clean, capture_output=True, text=True, check=False, executable="/bin/sh"
        )

    @pytest.fixture
    def tools(self, tmp_path):
        """A folder for PATH in which there is no cross compiler and nobody is root."""
        for name in ("sh", "dirname", "uname", "basename", "readlink", "cat", "mkdir"):
            (tmp_path / name).symlink_to(shutil.which(name))
        (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
        (tmp_path / "id").chmod(0o755)
        return tmp_path

    def test_names_the_packages_that_only_root_can_install(self, tools):
        result = self.run(tools)
        assert result.returncode == 1
        assert "apt-get install" in result.stderr
        assert "gcc-aarch64-linux-gnu" in result.stderr
        assert "qemu-user-static" in result.stderr
        assert result.stderr.endswith("make test-aarch64: the Debian packages named above are missing\n")

    def test_says_which_python_is_missing(self, tools):
        result = self.run(tools, PYTHON="/nowhere/python")
        assert result.returncode == 1
        assert result.stderr == "make test-aarch64: /nowhere/python is missing; 'make setup' makes it\n"

    def test_runs_nowhere_but_on_linux(self, tools):
        (tools / "uname").unlink()
        (tools / "uname").write_text("#!/bin/sh\necho Darwin\n")
        (tools / "uname").chmod(0o755)
        result = self.run(tools)
        assert (result.returncode, result.stdout) == (1, "")
        assert "it needs Linux" in result.stderr
