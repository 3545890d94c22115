# SPDX-License-Identifier: Apache-2.0
"""The manifest of a bitstream folder: round trip, and every way in which a folder can be broken."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host._generated import BOARDS, CONTRACT_VERSION
from host.manifest import MANIFEST, Manifest, Used, read_manifest, write_manifest
from sw_quant.errors import FpqvarError
from sw_quant.files import sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    board = BOARDS["kv260"]
    for name in ("kv260-fp4-rtl.bit", "kv260-fp4-rtl.hwh"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    manifest = Manifest(
        board=board.name,
        part=board.part,
        family="fp4",
        core="rtl",
        contract_version=CONTRACT_VERSION,
        geometry=board.geometry["fp4"],
        clock_mhz=299.997,
        image="kv260-fp4-rtl.bit",
        handoff="kv260-fp4-rtl.hwh",
        files={path.name: sha256(path) for path in sorted(tmp_path.iterdir())},
        tools={"vivado": "2023.2"},
        commit="0123abc",
        setup_slack_ns=0.012,
        hold_slack_ns=0.01,
        pulse_slack_ns=0.5,
        utilization={"lut": Used(80000, 117120), "bram36": Used(40.5, 144)},
        made="2026-01-01T00:00:00+00:00",
    )
    write_manifest(manifest, tmp_path)
    return tmp_path


def test_round_trip(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.geometry == BOARDS["kv260"].geometry["fp4"]
    assert manifest.utilization["bram36"] == Used(40.5, 144)
    assert manifest.timing_met
    assert not replace(manifest, hold_slack_ns=-0.001).timing_met
    manifest.check_files(folder)
    before = (folder / MANIFEST).read_bytes()
    write_manifest(manifest, folder)
    assert (folder / MANIFEST).read_bytes() == before


def test_broken_files_are_named(folder: Path) -> None:
    manifest = read_manifest(folder)
    image = folder / manifest.image
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(FpqvarError, match=r"kv260-fp4-rtl\.bit: SHA-256 .* truncated or changed"):
        manifest.check_files(folder)
    image.unlink()
    with pytest.raises(FpqvarError, match=r"kv260-fp4-rtl\.bit: missing"):
        manifest.check_files(folder)


def _without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {name: value for name, value in data.items() if name != key}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without("geometry"), "geometry"),
        (lambda data: data | {"extra": 1}, "extra"),
        (lambda data: data | {"image": 3}, "image is 3"),
        (lambda data: data | {"image": "other.bit"}, "no hash of other.bit"),
        (lambda data: data | {"geometry": {"rows": 1}}, "geometry|argument"),
        (lambda data: data | {"files": data["files"] | {"../x": "0"}}, "not a name in the folder"),
        (lambda data: [data], "no object"),
    ],
)
def test_a_wrong_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], Any], problem: str) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(FpqvarError, match=problem) as caught:
        read_manifest(folder)
    assert str(path) in str(caught.value)


def test_no_manifest_or_half_of_one(folder: Path) -> None:
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FpqvarError, match="cannot be read"):
        read_manifest(folder)
    path.unlink()
    with pytest.raises(FpqvarError, match="no whole bitstream folder"):
        read_manifest(folder)
