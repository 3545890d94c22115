# SPDX-License-Identifier: Apache-2.0
"""Tell what this machine lacks before anything is installed, and the one command that brings it.

Runs on any Python from 3.6, so that one that is too old gets a message and not a traceback.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path


def missing_packages() -> "list[str]":
    """Debian packages that the set-up needs and that are not there."""
    packages = []
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        packages.append("python3-venv")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        packages.append("python3-dev")
    if not (shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")):
        packages.append("g++")
    return packages


def main() -> int:
    """Exit code 0 if all is there, or 1 after a message."""
    major, minor = sys.version_info[:2]
    if not (3, 10) <= (major, minor) <= (3, 13):
        print(f"error: Python {major}.{minor} at {sys.executable}; 3.10 to 3.13 is needed.", file=sys.stderr)
        print("Name another: make PYTHON=/path/to/python3.11", file=sys.stderr)
        return 1
    packages = missing_packages()
    if packages:
        print(f"error: this machine lacks {', '.join(packages)}.", file=sys.stderr)
        print(f"On Debian or Ubuntu: sudo apt install {' '.join(packages)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
