# SPDX-License-Identifier: Apache-2.0
"""Write the cells' modules; with `--check`, only show what differs: `python -m hw.cells`."""

import argparse
import sys

from hw.spec.gen import ROOT, drift, write

from .outputs import render


def main() -> int:
    """Exit code: 0, or 1 if with `--check` a file differs."""
    parser = argparse.ArgumentParser(prog="python -m hw.cells", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail and show what differs")
    options = parser.parse_args()
    if options.check:
        lines = list(drift(ROOT, render()))
        sys.stdout.writelines(lines)
        return int(bool(lines))
    for path in write(ROOT, render()):
        print("wrote", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
