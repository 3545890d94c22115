# SPDX-License-Identifier: Apache-2.0
"""`manifest.json` of a folder in `bitstreams/`: what the bitstream is, what made it, and the SHA-256 of each file.

`make synth` writes it last, so a folder without one is not whole. Plain Python: it is read on boards.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from host._generated import Geometry
from sw_quant.errors import FpqvarError
from sw_quant.files import sha256

__all__ = ["MANIFEST", "Manifest", "Used", "read_manifest", "write_manifest"]

MANIFEST = "manifest.json"
_REMEDY = "build it again with `make synth`, or copy the whole folder again"


@dataclass(frozen=True)
class Used:
    """How many of one resource a build takes, and how many the device has. Block RAM counts halves."""

    used: float
    available: float


@dataclass(frozen=True)
class Manifest:
    """What is known of a bitstream. Slacks are in nanoseconds; below zero timing was not met."""

    board: str
    part: str
    family: str
    core: str
    contract_version: int
    geometry: Geometry
    clock_mhz: float
    image: str  # the .bit or .pdi
    handoff: str  # the .hwh, with the same stem
    files: Mapping[str, str]  # SHA-256 of each file of the folder
    tools: Mapping[str, str]  # version of each tool
    commit: str  # git commit of the sources, with "+changes" if they were changed; "" if unknown
    setup_slack_ns: float
    hold_slack_ns: float
    pulse_slack_ns: float
    utilization: Mapping[str, Used]
    made: str  # UTC, ISO 8601

    @property
    def timing_met(self) -> bool:
        """Whether the clock that was asked for is reached."""
        return min(self.setup_slack_ns, self.hold_slack_ns, self.pulse_slack_ns) >= 0

    def check_files(self, folder: Path) -> None:
        """Raise FpqvarError that names the first file of `folder` that is missing, truncated or changed."""
        for name, digest in self.files.items():
            file = folder / name
            if not file.is_file():
                raise FpqvarError(f"{file}: missing, although {folder / MANIFEST} lists it; {_REMEDY}")
            found = sha256(file)
            if found != digest:
                raise FpqvarError(
                    f"{file}: SHA-256 {found[:12]}…, where {MANIFEST} says {digest[:12]}…; it is truncated or changed: "
                    f"{_REMEDY}"
                )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json` into `folder`."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of `folder`, of which nothing else is read; raises FpqvarError that says what is wrong with it."""
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FpqvarError(f"{path}: missing, so {folder} is no whole bitstream folder; {_REMEDY}") from error
    except (OSError, ValueError) as error:
        raise FpqvarError(f"{path}: cannot be read ({error}); {_REMEDY}") from error
    try:
        return _parse(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FpqvarError(f"{path}: not a manifest of this version of fpqvar ({error}); {_REMEDY}") from error


def _parse(data: Any) -> Manifest:
    if not isinstance(data, dict):
        raise TypeError("it holds no object")
    expected = {field.name for field in fields(Manifest)}
    if set(data) != expected:
        raise ValueError(f"keys {', '.join(sorted(set(data) ^ expected))} are missing or unknown")
    for field in fields(Manifest):
        if field.type is str and not isinstance(data[field.name], str):
            raise TypeError(f"{field.name} is {data[field.name]!r}")
    manifest = Manifest(
        **data
        | {
            "geometry": Geometry(**data["geometry"]),
            "utilization": {key: Used(**value) for key, value in data["utilization"].items()},
        }
    )
    missing = {manifest.image, manifest.handoff} - set(manifest.files)
    if missing:
        raise ValueError(f"no hash of {', '.join(sorted(missing))}")
    for name in manifest.files:
        if Path(name).name != name:
            raise ValueError(f"{name!r} is not a name in the folder")
    return manifest
