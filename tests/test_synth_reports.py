# SPDX-License-Identifier: Apache-2.0
"""Reports of Vivado and Vitis HLS. The files in data/reports were written after the documented layout of each version,
by hand: no tool was at hand to write them."""

from pathlib import Path

import pytest

from host._generated import BOARDS
from hw.synth.reports import read_hls, read_timing, read_utilization
from sw_quant.errors import FpqvarError
from tests.amd_tools import CSYNTH

REPORTS = Path(__file__).parent / "data" / "reports"
WHOLE = sorted(path.name for path in REPORTS.iterdir())


@pytest.mark.parametrize("name", WHOLE)
def test_every_version(name: str) -> None:
    timing = read_timing(REPORTS / name / "timing.rpt")
    assert timing.met == ("failing" not in name)
    assert (timing.failing > 0) == ("failing" in name)
    used = read_utilization(REPORTS / name / "utilization.rpt")
    assert {"lut", "ff", "bram36", "dsp"} <= used.keys()
    assert ("uram" in used) == ("zynq7" not in name)
    for item in used.values():
        assert 0 <= item.used <= item.available


@pytest.mark.parametrize(
    ("name", "slacks", "used"),
    [
        ("2020.2-zynq7", (0.412, 0.021, 3.75), {"lut": 41234, "ff": 52100, "bram36": 101.5, "dsp": 64}),
        ("2023.2-zynqmp", (0.012, 0.01, 0.498), {"lut": 81234, "ff": 99876, "bram36": 40.5, "uram": 48, "dsp": 128}),
        ("2023.2-failing", (-0.381, 0.01, 0.498), {"lut": 81234, "ff": 99876, "bram36": 40.5, "uram": 48, "dsp": 128}),
        (
            "2025.1-versal",
            (0.003, 0.004, 0.222),
            {"lut": 512345, "ff": 401234, "bram36": 300, "uram": 128, "dsp": 1536},
        ),
    ],
)
def test_values(name: str, slacks: tuple[float, ...], used: dict[str, float]) -> None:
    """As they stand in the files; what a device has is what hw/spec/boards.toml says of it."""
    folder = REPORTS / f"vivado-{name}"
    timing = read_timing(folder / "timing.rpt")
    assert (timing.setup, timing.hold, timing.pulse) == slacks
    found = read_utilization(folder / "utilization.rpt")
    assert {key: item.used for key, item in found.items()} == used
    board = BOARDS[{"zynq7": "pynq-z2", "versal": "vck190"}.get(name.split("-")[1], "kv260")]
    assert (found["lut"].available, found["ff"].available) == (board.luts, board.ffs)
    assert (found["bram36"].available, found["dsp"].available) == (board.bram36, board.dsps)


def test_no_clock_is_no_timing(tmp_path: Path) -> None:
    """Vivado says NA where nothing is constrained; that is not "met"."""
    text = (REPORTS / "vivado-2023.2-zynqmp" / "timing.rpt").read_text()
    timing = read_timing(REPORTS / "vivado-2023.2-zynqmp" / "timing.rpt")
    path = tmp_path / "timing.rpt"
    path.write_text(text.replace(f"{timing.setup:.3f}", "NA"))
    with pytest.raises(FpqvarError, match="a slack is NA: no clock reaches the design"):
        read_timing(path)


@pytest.mark.parametrize("cut", [0, 200, 1500])
def test_cut_off_reports(tmp_path: Path, cut: int) -> None:
    for name, read in (("timing.rpt", read_timing), ("utilization.rpt", read_utilization)):
        path = tmp_path / name
        path.write_text((REPORTS / "vivado-2023.2-zynqmp" / name).read_text()[:cut])
        with pytest.raises(FpqvarError, match=name):
            read(path)
    with pytest.raises(FpqvarError, match="cannot be read"):
        read_timing(tmp_path / "nothing")


def test_hls_report(tmp_path: Path) -> None:
    path = tmp_path / "csynth.xml"
    path.write_text(CSYNTH)
    report = read_hls(path)
    assert (report.target_ns, report.estimated_ns) == (3.33, 2.41)
    assert report.used == {"lut": 61000, "ff": 80100, "dsp": 12, "bram_18k": 44, "uram": 8}
    for text in ("", "<profile/>", CSYNTH[:300], CSYNTH.replace("61000", "many")):
        path.write_text(text)
        with pytest.raises(FpqvarError, match="not a synthesis report of Vitis HLS"):
            read_hls(path)
