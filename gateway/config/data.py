"""The data files that come with the program: profiles, schemas, examples."""

from __future__ import annotations

from pathlib import Path


def data_folder() -> Path:
    """Return the folder `configs` that belongs to this program, in a clone, an editable install and an installed wheel.

    Raises:
        FileNotFoundError: the installation is not complete.
    """
    folder = Path(__file__).resolve().parents[2] / "configs"
    if folder.is_dir():
        return folder
    import importlib.resources  # only where the packages do not lie side by side

    try:
        found = importlib.resources.files("configs")
        for part in found._paths if hasattr(found, "_paths") else [found]:
            if Path(str(part)).is_dir():
                return Path(str(part))
    except ModuleNotFoundError:
        pass
    raise FileNotFoundError(f"the folder 'configs' is missing beside {folder.parent / 'gateway'}; install the program again")
