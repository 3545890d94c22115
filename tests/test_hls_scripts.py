# SPDX-License-Identifier: Apache-2.0
"""The synthesis script: what it writes names things that exist, and it says what it lacks."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from host._generated import BOARDS

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "hw/hls/scripts/synthesize.py"
GENERATED = (ROOT / "hw/hls/include/fpq/generated.hpp").read_text()


def script(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({} if path is None else {"PATH": path})
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


@pytest.mark.parametrize("board", BOARDS)
def test_configurations(board: str) -> None:
    """Both tools get the same build, and its structs are in the generated header."""
    module = runpy.run_path(str(SCRIPT))
    for family in BOARDS[board].geometry:
        texts = [module[name](BOARDS[board], family) for name in ("config_file", "tcl_script")]
        assert f"part={BOARDS[board].part}" in texts[0]
        assert f"set_part {{{BOARDS[board].part}}}" in texts[1]
        for text in texts:
            structs = re.findall(r"-DFPQ_(?:FAMILY|GEOMETRY)=(\w+)", text)
            assert len(structs) == 2
            assert all(f"struct {struct} {{" in GENERATED for struct in structs)
            source = re.search(r"/\S+fpq_accel\.cpp", text)
            assert source is not None
            assert Path(source[0]).is_file()


def test_dry_run_writes_both(tmp_path: Path) -> None:
    done = script("--board", "kv260", "--family", "fp4", "--out", str(tmp_path), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Kv260Fp4Geometry" in (tmp_path / "hls_config.cfg").read_text()
    assert "Kv260Fp4Geometry" in (tmp_path / "run.tcl").read_text()


def test_no_tool(tmp_path: Path) -> None:
    done = script("--board", "kv260", "--family", "fp4", "--out", str(tmp_path / "new"), path=str(tmp_path))
    assert done.returncode == 1
    assert "neither v++ nor vitis_hls is on the path" in done.stderr


def test_a_tool_that_fails(tmp_path: Path) -> None:
    """Its last errors are shown, and where the rest is."""
    tool = tmp_path / "vitis_hls"
    tool.write_text("#!/bin/sh\necho \"$@\"\necho 'ERROR: [HLS 200-70] no licence'\nexit 3\n")
    tool.chmod(0o755)
    done = script(
        "--board", "kv260", "--family", "fp6", "--out", str(tmp_path / "out"), path=f"{tmp_path}:/bin:/usr/bin"
    )
    assert done.returncode == 1
    assert "ended with code 3" in done.stderr
    assert "no licence" in done.stderr
    assert "-f run.tcl" in (tmp_path / "out" / "synthesis.log").read_text()


def test_a_family_that_the_board_has_not(tmp_path: Path) -> None:
    done = script("--board", "kv260", "--family", "int8", "--out", str(tmp_path), "--dry-run")
    assert done.returncode == 2
    assert "kv260 has no geometry for int8" in done.stderr
