"""The package: what a wheel holds, that it works in an empty folder, and that one place declares the version."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

import gateway

ROOT = Path(__file__).parents[1]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = DECLARED["project"]
EXTENSIONS = DECLARED["tool"]["setuptools"]["ext-modules"]
BUILT = ("build", "dist", "*.egg-info", "__pycache__", "*.so", ".*_cache")
KERNELS = ("_shared", *sorted(path.stem for path in (ROOT / "cython_ext").glob("*.pyx")))


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run a command outside the clone and return what it says; its failure fails the test with its words."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean | env, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, f"{command}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def pip(*arguments: str | Path, cwd: Path, python: str | Path = sys.executable) -> str:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps")
    return run(python, "-m", "pip", arguments[0], *quiet, *arguments[1:], cwd=cwd)


def environment(folder: Path) -> Path:
    """Make a virtual environment that finds the libraries of this one, but nothing of ours; return its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    shared = Path(sysconfig.get_paths()["purelib"])
    libraries = folder / "libraries"
    libraries.mkdir()
    for item in shared.iterdir():  # a link to each, because an editable install of ours would come along through a .pth file
        if not re.match(r"(gateway|drivers|cython_ext|configs|retrofit_gateway|__editable__)", item.name) and item.suffix != ".pth":
            (libraries / item.name).symlink_to(item)
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return folder / "bin" / "python"


def fresh_clone(folder: Path) -> Path:
    """Copy the tree as a fresh clone has it: nothing built."""
    clone = folder / "retrofit-gateway"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".git", ".venv*", "node_modules", "var", *BUILT))
    for generated in clone.glob("cython_ext/*.c"):
        generated.unlink()
    return clone


class Built(NamedTuple):
    """The package, built both ways: a wheel installed into an environment of its own, and an editable install of a clone."""

    wheel: Path
    installed: Path
    clone: Path
    editable: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    """Build both at the same time; compiling the kernels takes most of it."""

    def wheel() -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("wheel")
        pip("wheel", fresh_clone(folder), "--wheel-dir", folder, cwd=folder)
        (path,) = folder.glob("*.whl")
        python = environment(folder / "venv")
        pip("install", "--no-index", path, cwd=folder, python=python)
        return path, python

    def editable() -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("editable")
        clone, python = fresh_clone(folder), environment(folder / "venv")
        pip("install", "--editable", clone, cwd=folder, python=python)
        return clone, python

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(wheel), pool.submit(editable)
        return Built(*one.result(), *other.result())


WHERE = f"""
import json, cython_ext, drivers, gateway, importlib
from importlib.metadata import version
from gateway.config.data import data_folder
kernels = [importlib.import_module("cython_ext." + name).__file__ for name in {KERNELS!r}]
files = [gateway.__file__, drivers.__file__, *kernels]
print(json.dumps([*files, str(data_folder()), version("retrofit-gateway"), gateway.__version__]))
"""


@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_empty_folder(built, tmp_path):
    installed = built.installed
    *files, data, version, declared = json.loads(run(installed, "-c", WHERE, cwd=tmp_path))
    home = str(installed.parents[1])
    assert all(path.startswith(home) for path in [*files, data]), "something came from elsewhere"
    assert version == declared == gateway.__version__
    command = installed.parent / "gateway"
    assert run(command, "--version", cwd=tmp_path).strip() == f"gateway {version}"
    assert "good" in run(command, "check", Path(data) / "demo" / "site.yaml", cwd=tmp_path)
    schema = json.loads(run(command, "schema", cwd=tmp_path))
    assert {"site", "gateway", "machines"} <= set(schema.get("properties") or str(schema))
    shutil.copy(Path(data) / "demo" / "site.yaml", tmp_path)
    shutil.copy(Path(data) / "demo" / "share.yaml", tmp_path)
    assert "good" in run(command, "check", "site.yaml", cwd=tmp_path)


@pytest.mark.timeout(900)
def test_an_editable_install_uses_the_clone_and_builds_its_kernels(built, tmp_path):
    editable, clone = built.editable, built.clone
    *files, data, version, declared = json.loads(run(editable, "-c", WHERE, cwd=tmp_path))
    assert all(path.startswith(str(clone)) for path in files)
    assert data == str(clone / "configs")
    assert version == declared
    assert "good" in run(editable.parent / "gateway", "check", clone / "configs" / "demo" / "site.yaml", cwd=tmp_path)


def test_the_clone_finds_its_data(tmp_path):
    code = "from gateway.config.data import data_folder; print(data_folder())"
    assert run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(ROOT)).strip() == str(ROOT / "configs")


@pytest.mark.timeout(900)
def test_the_wheel_holds_all_data_and_nothing_that_was_generated_or_tests(built):
    names = set(zipfile.ZipFile(built.wheel).namelist())
    tracked = {str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*") if path.is_file()}
    drivers = {str(path.relative_to(ROOT)) for path in (ROOT / "drivers").rglob("*") if path.suffix in {".md", ".yaml"}}
    assert tracked | drivers <= names
    assert {"gateway/py.typed", "drivers/py.typed", "cython_ext/py.typed"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"gateway", "drivers", "cython_ext", "configs"}
    assert not [name for name in names if name.endswith(".c") or "__pycache__" in name]
    assert len([name for name in names if name.endswith(".so")]) == len(KERNELS)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_kernel_is_declared_and_built():
    declared = {item["name"] for item in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]}
    assert declared == {f"cython_ext.{name}" for name in KERNELS}


@pytest.mark.parametrize("kernel", tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"])
def test_kernels_are_built_for_every_processor_of_a_kind(kernel):
    """A wheel built here must run on the next machine: no flag for this processor only."""
    flags = kernel["extra-compile-args"]
    assert {"-Os" if kernel["name"] == "cython_ext._shared" else "-O3", "-g0"} <= set(flags)
    assert not [flag for flag in flags if flag.startswith(("-march", "-mcpu", "-mtune", "-ffast-math", "-Ofast"))]
    assert all((ROOT / path).is_file() for path in [*kernel["sources"], *kernel.get("depends", [])])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has registers whose upper halves slow down other code")
def test_no_kernel_leaves_the_wide_registers_in_use():
    """A kernel that returns without `vzeroupper` makes code after it, that of the C library and of Python, ten times slower."""
    wide, dirty = [], []
    for path in sorted((ROOT / "cython_ext").glob("*.so")):
        code = run("objdump", "-d", "--no-show-raw-insn", path, cwd=ROOT)
        for name, body in re.findall(r"^[0-9a-f]+ <(.+)>:\n((?:.+\n)+)", code, re.MULTILINE):
            if "%ymm" in body:
                wide.append(name)
                if "vzeroupper" not in body:
                    dirty.append(f"{path.name}: {name}")
    assert len(wide) > 20
    assert dirty == []


def test_the_version_is_declared_once():
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    assert re.fullmatch(r"\d+\.\d+\.\d+", gateway.__version__)


def test_every_dependency_has_a_record():
    """Each one costs memory, upkeep and trust; the record says why it is worth it."""
    text = (ROOT / "docs" / "adr" / "0003-dependencies.md").read_text(encoding="utf-8").lower()
    names = [
        re.match(r"[A-Za-z0-9._-]+", line)[0] for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"]]
    ]
    assert [name for name in names if name.lower() not in text] == []


# ── what `make setup` needs ──


def find_python(path: Path, script: str = "", **env: str) -> subprocess.CompletedProcess:
    command = ["/bin/sh", "-c", script] if script else ["/bin/sh", ROOT / ".ci" / "find-python"]
    return subprocess.run(command, env={"PATH": str(path), **env}, capture_output=True, text=True, check=False)


def without_the_systems_python() -> str:
    return (ROOT / ".ci" / "find-python").read_text().replace(" /usr/bin/python3", "")


def fake(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_setup_finds_a_python_behind_a_shim_that_has_none(tmp_path):
    fake(tmp_path, "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    (tmp_path / "python3.12").symlink_to(sys.executable)  # any good one, under the next name
    result = find_python(tmp_path, CC="true")
    assert (result.returncode, result.stdout.strip()) == (0, "python3.12"), result.stderr


def test_setup_takes_the_python_it_is_told(tmp_path):
    result = find_python(tmp_path, CC="true", PYTHON=sys.executable)
    assert result.stdout.strip() == sys.executable


def test_setup_lists_everything_that_is_missing_and_the_one_line_that_installs_it(tmp_path):
    # a Python of the right version, but without venv and without headers
    fake(tmp_path, "python3", "case $2 in *version_info*) exit 0;; *) exit 1;; esac")
    result = find_python(tmp_path, without_the_systems_python())
    assert result.returncode == 1
    assert result.stdout == ""
    for part in ("(python3-venv)", "(python3-dev)", "a C compiler"):
        assert part in result.stderr
    (line,) = [line.strip() for line in result.stderr.splitlines() if "apt-get" in line]
    assert line.endswith("apt-get install -y python3-venv python3-dev gcc libc6-dev")


def test_setup_without_any_python_says_so(tmp_path):
    script = (ROOT / ".ci" / "find-python").read_text().replace(" /usr/bin/python3", "")
    result = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path), "CC": "true"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "Python 3.11, 3.12 or 3.13" in result.stderr
    assert "python3 python3-venv python3-dev" in result.stderr


def test_make_alone_lists_every_verb():
    out = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for verb in ("setup", "demo", "test", "check", "bench", "campaign", "clean"):
        assert re.search(rf"^ +make {verb} +\S", out, re.MULTILINE), verb
