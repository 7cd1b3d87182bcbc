"""`python -m tests.sparkplug.report`: run the gateway through everything and print what became of each assertion, by id."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.sparkplug.checker import Report
from tests.sparkplug.runs import every
from tests.sparkplug.trace import Trace


def main() -> int:
    """Print the table and the sums; 1 where something fails or was not seen."""
    report, ended = Report(), True
    with tempfile.TemporaryDirectory() as folder:
        for name, result in asyncio.run(every(Path(folder))).items():
            if isinstance(result, Trace):
                report.add(result, name)
            else:
                ended = False
                print(f"{name} did not come to its end: {result!r}")
    print(report.table())
    print(report.summary())
    return 0 if ended and not report.failures() and not report.unseen() else 1


if __name__ == "__main__":
    sys.exit(main())
