# SPDX-License-Identifier: Apache-2.0
"""What ran, on what, with what: the parts that every report.json has."""

import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from host import __version__
from host._generated import CONTRACT_VERSION
from sw_quant.files import new_file

__all__ = ["cpu_name", "machine", "versions", "write_json"]


def cpu_name() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """The machine that a measurement was made on, and the day."""
    today = datetime.now(timezone.utc).date().isoformat()
    return {"date": today, "cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform()}


def versions() -> dict[str, Any]:
    """Versions of what computes, the contract's, and the source's commit when there is one."""
    found: dict[str, Any] = {"fpqvar": __version__, "contract": CONTRACT_VERSION, "python": platform.python_version()}
    for package in ("torch", "numpy", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found | {"commit": _commit()}


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if commit := os.environ.get("FPQVAR_COMMIT"):  # of a copy without its history
        return commit
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def write_json(path: Path, data: object) -> None:
    """Write JSON, whole or not at all. Raises FpqvarError when that fails."""
    with new_file(path) as aside:
        aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
