# SPDX-License-Identifier: Apache-2.0
"""Finds the bitstream folder to load: see bitstreams/README.md for what is in one."""

import os
from pathlib import Path

from host.manifest import MANIFEST, Manifest, read_manifest
from sw_quant.errors import FpqvarError

__all__ = ["FOLDER_VARIABLE", "board_name", "find_bitstream"]

FOLDER_VARIABLE = "FPQVAR_BITSTREAMS"
# PYNQ images say what they run on in BOARD; some spell it otherwise than we do.
_BOARDS = {"pynq-z2": "pynq-z2", "kv260": "kv260", "zcu104": "zcu104", "zcu102": "zcu102", "vck190": "vck190"}


def board_name() -> str | None:
    """The board that this is, by the environment variable BOARD of PYNQ's images; None if it is not one of ours."""
    return _BOARDS.get(os.environ.get("BOARD", "").strip().lower())


def _root() -> Path:
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(__file__).resolve().parents[1] / "bitstreams")


def find_bitstream(family: str, folder: str | Path | None = None) -> tuple[Path, Manifest]:
    """The folder and manifest of a bitstream; its files are checked against the manifest's hashes.

    Args:
        family: what the engine is to multiply.
        folder: of the bitstream; default: the only one for this board and family in $FPQVAR_BITSTREAMS or bitstreams/.

    Raises:
        FpqvarError: there is none, more than one, one of another family, or one that is not whole.
    """
    if folder is None:
        folder = _search(family)
    path = Path(folder)
    if not path.is_dir():
        hint = "give the folder that holds it" if path.is_file() else "see bitstreams/README.md"
        raise FpqvarError(f"{path}: not a bitstream folder; {hint}, or make one with `make synth`")
    manifest = read_manifest(path)
    if manifest.family != family:
        raise FpqvarError(
            f"{path}: a bitstream of family {manifest.family}, where {family} is asked for; take one made with "
            f"`make synth FORMAT={family}`, or a model of family {manifest.family}"
        )
    manifest.check_files(path)
    return path, manifest


def _search(family: str) -> Path:
    root, board = _root(), board_name()
    found = []
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        manifest = read_manifest(path.parent)
        if manifest.family == family and board in (None, manifest.board):
            found.append(path.parent)
    if len(found) == 1:
        return found[0]
    where = f"{root}" + (f" for board {board}" if board else "")
    if not found:
        raise FpqvarError(
            f"no bitstream of family {family} in {where}; make one with `make synth FORMAT={family}` and copy its "
            f"folder there, or name its folder (--bitstream, or ${FOLDER_VARIABLE} for the folder of folders)"
        )
    names = ", ".join(path.name for path in found)
    raise FpqvarError(f"more than one bitstream of family {family} in {where}: {names}; choose one with --bitstream")
