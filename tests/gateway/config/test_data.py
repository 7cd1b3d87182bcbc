import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from gateway.config.data import data_folder

ROOT = Path(__file__).parents[3]
SCRIPT = "from gateway.config.data import data_folder; print(data_folder())"


def test_in_a_clone_it_is_the_folder_beside_the_package():
    assert data_folder() == ROOT / "configs"
    assert (data_folder() / "site.example.yaml").is_file()


def copied(folder):
    for name in ("__init__.py", "config"):
        source, target = ROOT / "gateway" / name, folder / "gateway" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return folder


def test_as_installed_it_is_found_from_an_empty_folder(tmp_path):
    installed, empty = copied(tmp_path / "site-packages"), tmp_path / "empty"
    (installed / "configs/profiles").mkdir(parents=True)
    empty.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=empty, env={"PYTHONPATH": str(installed)}, capture_output=True, text=True
    )
    assert run.stdout.strip() == str(installed / "configs"), run.stderr


def test_where_the_packages_lie_apart_it_is_found_as_a_namespace(tmp_path):
    installed, apart = copied(tmp_path / "a"), tmp_path / "b"
    (apart / "configs/profiles").mkdir(parents=True)
    path = f"{installed}:{apart}"
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert run.stdout.strip() == str(apart / "configs"), run.stderr


def test_an_incomplete_installation_is_told(tmp_path):
    installed, libraries = copied(tmp_path / "a"), tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "msgspec").symlink_to(Path(msgspec.__file__).parent)  # all that the package needs to be imported
    # -S: nothing that is installed in this environment, and no editable clone of ours, wherever it lies
    run = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{installed}:{libraries}"},
        capture_output=True,
        text=True,
    )
    assert "FileNotFoundError: the folder 'configs' is missing" in run.stderr
