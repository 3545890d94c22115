# SPDX-License-Identifier: Apache-2.0
"""Bitstream folders that are missing, not whole, or of something else, and engines that are not what they say."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import host
from host._generated import CONTRACT_VERSION, REGISTERS, Core
from host.bitstreams import FOLDER_VARIABLE, find_bitstream
from host.manifest import MANIFEST, read_manifest, write_manifest
from host.runtime import EngineLinears
from sw_quant.errors import FpqvarError, UsageError

pytest.importorskip("pynq", reason="the package pynq is for Python 3.11 and 3.12", exc_type=ImportError)

from sim.board import SimulatedBoard, simulated_board
from sim.board.handoff import handoff
from sim.board.simulate import write_folder
from tests.boards import SMALL, is_right, open_board, packed

CTRL = REGISTERS["ctrl"].offset


# The wrong folder.


def test_no_bitstream_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(FpqvarError, match=r"no bitstream of family fp4 in .*make synth FORMAT=fp4.*--bitstream"):
        find_bitstream("fp4")
    with pytest.raises(FpqvarError, match=r"nowhere: not a bitstream folder; .*make synth"):
        find_bitstream("fp4", tmp_path / "nowhere")


def test_a_choice_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for core in Core:
        write_folder(tmp_path / f"simulated-fp4-{core.name.lower()}", "fp4", SMALL, core)
    write_folder(tmp_path / "simulated-fp6-rtl", "fp6", SMALL, Core.RTL)
    assert find_bitstream("fp6")[0].name == "simulated-fp6-rtl"
    with pytest.raises(FpqvarError, match=r"more than one .*: simulated-fp4-hls, simulated-fp4-rtl; choose one with"):
        find_bitstream("fp4")
    assert find_bitstream("fp4", tmp_path / "simulated-fp4-rtl")[1].core == "rtl"
    with pytest.raises(FpqvarError, match="of family fp6, where fp4 is asked for"):
        find_bitstream("fp4", tmp_path / "simulated-fp6-rtl")
    monkeypatch.setenv("BOARD", "KV260")
    with pytest.raises(FpqvarError, match=r"no bitstream of family fp6 in .* for board kv260"):
        find_bitstream("fp6")


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _truncate(folder: Path) -> None:
    image = folder / "fpqvar.bit"
    image.write_bytes(image.read_bytes()[:10])


def _wrong_hash(folder: Path) -> None:
    data = json.loads((folder / MANIFEST).read_text())
    data["files"]["fpqvar.hwh"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove("fpqvar.bit"), r"fpqvar\.bit: missing, although .*copy the whole folder again"),
        (_remove("fpqvar.hwh"), r"fpqvar\.hwh: missing"),
        (_remove(MANIFEST), r"no bitstream of family fp4"),
        (_truncate, r"fpqvar\.bit: SHA-256 .* it is truncated or changed"),
        (_wrong_hash, r"fpqvar\.hwh: SHA-256 .* manifest\.json says 000000000000"),
    ],
)
def test_a_folder_that_is_not_whole(damage: Callable[[Path], None], message: str, csim_board: SimulatedBoard) -> None:
    damage(csim_board.folder)
    with pytest.raises(FpqvarError, match=message):
        open_board()
    assert csim_board.device.downloads == 0


def _rewrite(folder: Path, text: str) -> None:
    """Another handoff, with its hash."""
    from sw_quant.files import sha256

    (folder / "fpqvar.hwh").write_text(text)
    manifest = read_manifest(folder)
    files = dict(manifest.files) | {"fpqvar.hwh": sha256(folder / "fpqvar.hwh")}
    write_manifest(replace(manifest, files=files), folder)


def test_a_handoff_of_something_else(csim_board: SimulatedBoard) -> None:
    good = handoff(Core.HLS)
    _rewrite(csim_board.folder, "this is no XML")
    with pytest.raises(FpqvarError, match=r"fpqvar\.bit: cannot be loaded .*fpqvar doctor"):
        open_board()
    _rewrite(csim_board.folder, good.replace("fpqvar:hls:fpq_accel:1.0", "acme:hls:fir:2.0"))
    with pytest.raises(FpqvarError, match=r"fpqvar\.hwh: 0 blocks of type fpqvar:hls:fpq_accel:1\.0 or .*fpq_accel_0"):
        open_board()
    _rewrite(csim_board.folder, handoff(Core.HLS, leave_out=frozenset({"list_address_2"})))
    with pytest.raises(FpqvarError, match=r"the \.hwh has no register 'list_address_2'"):
        open_board()
    _rewrite(csim_board.folder, good)
    with open_board() as device:
        assert is_right(device, packed())


def test_offsets_come_from_the_handoff(csim_board: SimulatedBoard) -> None:
    with open_board() as device:
        assert device._driver._offsets["count"] == REGISTERS["count"].offset
    moved = handoff(Core.HLS).replace('NAME="ADDRESS_OFFSET" VALUE="28"', 'NAME="ADDRESS_OFFSET" VALUE="36"')
    _rewrite(csim_board.folder, moved)
    with open_board() as device:  # an empty list needs no count
        assert device._driver._offsets["count"] == 36


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contract_version": 7}, rf"contract version 7, where this fpqvar has {CONTRACT_VERSION}"),
        ({"core": "rtl"}, "the engine is .* hls core, where its manifest says .* rtl core; build the folder again"),
        ({"geometry": replace(SMALL, rows=4)}, r"the engine is .*rows=2.*where its manifest says .*rows=4"),
    ],
)
def test_an_engine_that_is_not_its_manifests(change: Any, message: str, csim_board: SimulatedBoard) -> None:
    write_manifest(replace(read_manifest(csim_board.folder), **change), csim_board.folder)
    with pytest.raises(FpqvarError, match=message):
        open_board()
    with pytest.raises(FpqvarError, match=message):  # and the lock was let go
        open_board()


def test_the_wrong_engine_for_the_model(csim_board: SimulatedBoard) -> None:
    with open_board() as device:
        with pytest.raises(FpqvarError, match=r"e2m3 x e2m3, but the pynq engine is of family fp4"):
            EngineLinears(device, packed("fpqvar-fp6").layers)
        device.info = replace(device.info, contract_version=9)
        with pytest.raises(FpqvarError, match="contract version 9, where this fpqvar has"):
            EngineLinears(device, packed().layers)
    with pytest.raises(FpqvarError, match=r"rows=2.*where .*rows=16.* is asked for"):
        host.open_device("pynq", "fp4", replace(SMALL, rows=16))
    with pytest.raises(UsageError, match="geometry 'small' is a simulation's"):
        host.open_device("pynq", "fp4", "small")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, csim_board: SimulatedBoard) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(FpqvarError, match=r"backend pynq: the package pynq cannot be imported .*--backend golden"):
        open_board()


def test_without_a_board(monkeypatch: pytest.MonkeyPatch, csim_board: SimulatedBoard) -> None:
    from pynq import Device

    monkeypatch.delattr(Device, "_active_device")
    monkeypatch.setattr(type(Device), "devices", property(lambda _: []), raising=False)
    with pytest.raises(FpqvarError, match=r"backend pynq: no device .*run as root"):
        open_board()


def test_no_board_has_a_golden_engine() -> None:
    with pytest.raises(UsageError, match="no board has a golden engine"), simulated_board("golden"):
        pass
