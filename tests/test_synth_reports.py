# SPDX-License-Identifier: Apache-2.0
"""Reports of Vivado and Vitis HLS. The files in data/reports were written after the documented layout of each version,
by hand: no tool was at hand to write them."""

from pathlib import Path

import pytest

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


def test_values() -> None:
    timing = read_timing(REPORTS / "vivado-2023.2-failing" / "timing.rpt")
    text = (REPORTS / "vivado-2023.2-failing" / "timing.rpt").read_text()
    assert f"{timing.setup:.3f}" in text
    assert timing.setup < 0
    used = read_utilization(REPORTS / "vivado-2023.2-zynqmp" / "utilization.rpt")
    assert used["lut"].available == 117120  # of the K26


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
