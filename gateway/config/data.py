"""The data files that come with the program: profiles, schemas, examples."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def data_folder() -> Path:
    """Return the folder `configs` that belongs to this program, in a clone, an editable install and an installed wheel.

    Raises:
        FileNotFoundError: the installation is not complete.
    """
    folder = Path(__file__).resolve().parents[2] / "configs"
    if folder.is_dir():
        return folder
    # where the packages do not lie side by side, the folder is a namespace package somewhere on the path
    spec = importlib.util.find_spec("configs")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if Path(place).is_dir():
            return Path(place)
    raise FileNotFoundError(f"the folder 'configs' is missing beside {folder.parent / 'gateway'}; install the program again")
