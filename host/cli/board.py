# SPDX-License-Identifier: Apache-2.0
"""What `fpqvar doctor` looks at on a board: image, Python, memory, overlay, clock, and a self-test of the engine."""

import os
import platform
from pathlib import Path

from host._generated import BOARDS
from host.bitstreams import board_name, find_bitstream
from sw_quant.errors import FpqvarError

__all__ = ["image_problem", "is_board", "prove_engine", "pynq_image"]

_MODEL = Path("/proc/device-tree/model")
_RELEASE = Path("/etc/lsb-release")


def is_board() -> bool:
    """Whether this is a board: its processor is an ARM, or the image says its name."""
    return board_name() is not None or platform.machine().startswith(("arm", "aarch64"))


def pynq_image() -> str:
    """What the board is and has booted, as far as it says; "" on no board."""
    if not is_board():
        return ""
    model = _MODEL.read_text(encoding="utf-8", errors="replace").rstrip("\0") if _MODEL.exists() else ""
    release = dict(
        line.split("=", 1)
        for line in (_RELEASE.read_text("utf-8").splitlines() if _RELEASE.exists() else ())
        if "=" in line
    )
    system = release.get("DISTRIB_DESCRIPTION", "").strip('"')
    name = os.environ.get("BOARD") or model or platform.machine()
    return ", ".join(part for part in (name, system, f"Python {platform.python_version()}") if part)


def image_problem() -> str:
    """What is wrong with the image for this board; "" where nothing is."""
    name = board_name()
    if name is None:
        return ""
    wanted = BOARDS[name]
    found = ".".join(platform.python_version_tuple()[:2])
    return "" if found == wanted.python else f"{wanted.image} has Python {wanted.python}"


def prove_engine(family: str) -> tuple[str, str]:
    """Load a family's bitstream and let the engine prove itself.

    Returns what it is, and what is wrong: both "" where there is no bitstream of the family.
    """
    from host.devices import open_device
    from host.selftest import self_test

    try:
        folder, manifest = find_bitstream(family)
    except FpqvarError as error:
        return ("", "") if "no bitstream" in str(error) else ("found", str(error))
    about = f"{folder.name}, {manifest.clock_mhz:g} MHz"
    if not manifest.timing_met:
        about += ", timing not met"
    try:
        with open_device("pynq", family) as device:
            compared = self_test(device)
    except FpqvarError as error:
        return about, str(error)
    return f"{about}: {compared} outputs as the contract says", ""
