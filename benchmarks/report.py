# SPDX-License-Identifier: Apache-2.0
"""What every benchmark says about its machine, and how it writes its figures down."""

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from sw_quant.files import new_file


def require_cuda() -> None:
    """Leave with a plain message where there is no GPU."""
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA GPU and a CUDA build of torch; there is none here")


def versions() -> dict[str, str]:
    """Device, software and commit."""
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    for package in ("triton",):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    if torch.cuda.is_available():
        found |= {"device": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    else:
        found |= {"device": platform.processor() or platform.machine(), "threads": str(torch.get_num_threads())}
    found["commit"] = _commit()
    return found


def device_line() -> str:
    """The same in one line."""
    return ", ".join(f"{key} {value}" if key != "device" else value for key, value in versions().items())


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write figures; no half file is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as aside:
        aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _commit() -> str:
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return out.stdout.strip()
