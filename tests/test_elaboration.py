# SPDX-License-Identifier: Apache-2.0
"""Illegal parameters stop elaboration with a sentence: each of hw/rtl's FPQ_REQUIRE is provoked once at least."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host._generated import FAMILIES
from sim.lint import elaborate
from sim.runner import MODELS, ROOT, RTL, modules
from tests.tools import needs_verilator

pytestmark = needs_verilator

# Of the accelerator: what anyone may set.
ACCEL = {
    "fpq_accel: Family must be": [{"Family": 0}, {"Family": 5}, {"Family": -1}],
    "fpq_accel: Rows must be": [{"Rows": 0}, {"Rows": 3}],
    "fpq_accel: Columns must be": [{"Columns": 2}, {"Columns": 6}, {"Columns": 256}],
    "fpq_accel: Lanes must be": [{"Lanes": 16}, {"Lanes": 48}, {"Lanes": 256}],
    "fpq_accel: ActDepth must be": [{"ActDepth": 256}, {"ActDepth": 1000}, {"ActDepth": 65536}],
    "fpq_accel: BusBits must be": [{"BusBits": 32}, {"BusBits": 96}, {"BusBits": 1024}],
    "fpq_accel: Banks must be": [{"Banks": 5}],
    "fpq_accel: Slots must be": [{"Slots": 1}, {"Slots": 12}, {"Slots": 128}],
    "fpq_accel: Spacing must not": [{"Spacing": -1}],
    "fpq_accel: OutWidth must be": [{"OutWidth": 2}, {"OutWidth": 12, "Columns": 12}, {"OutWidth": 8, "BusBits": 64}],
    "fpq_accel: Ultra must be": [{"Ultra": 2}],
    "fpq_accel: Fp6Dsp must be": [{"Fp6Dsp": 2, "Banks": 1}, {"Fp6Dsp": -1}],
}
# Of modules that someone takes out of the engine.
PARTS = {
    ("fpq_bank", "fpq_bank: Columns"): {"Columns": 6, "OutWidth": 2},
    ("fpq_bank", "fpq_bank: Lanes"): {"Lanes": 48},
    ("fpq_bank", "fpq_bank: Slots"): {"Slots": 12},
    ("fpq_bank", "fpq_bank: OutWidth"): {"OutWidth": 3},
    ("fpq_bank", "fpq_bank: Spacing"): {"Spacing": 0},
    ("fpq_burst", "fpq_burst: BurstBeats"): {"BusBits": 512, "BurstBeats": 128},
    ("fpq_dot", "fpq_dot: Lanes"): {"Lanes": 48},
    ("fpq_dot_fp4_dsp", "fpq_dot_fp4_dsp: Lanes"): {"Lanes": 48},
    ("fpq_array_fp6_dsp", "fpq_array_fp6_dsp: Columns"): {"Columns": 3},
    ("fpq_dot_fp6_dsp", "fpq_dot_fp6_dsp: Lanes"): {"Lanes": 256},
    ("fpq_dot_fp6_tables", "fpq_dot_fp6_tables: Lanes"): {"Lanes": 64},
    ("fpq_dot_fp6_tables", "fpq_dot_fp6_tables: FirstStart"): {"LastStart": 600},
    ("fpq_table_writer", "fpq_table_writer: Lanes"): {"Lanes": 131},
    ("fpq_table_merge", "fpq_table_merge: Shift"): {"XWidth": 1},
    ("fpq_array_fp6_tables", "fpq_array_fp6_tables: Rows"): {"Columns": 0},
    ("fpq_dsp_add", "fpq_dsp_add: a DSP48E1"): {"Target": 2},
    ("fpq_dsp_slice", "fpq_dsp_slice: UltraScale's"): {"Target": 0},
    ("fpq_fetch", "fpq_fetch: a descriptor"): {"BusBits": 96},
    ("fpq_fifo", "fpq_fifo: Depth"): {"Depth": 3},
    ("fpq_issue", "fpq_issue: ReadLatency"): {"ReadLatency": 2},
    ("fpq_prologue", "fpq_prologue: Words"): {"Words": 2},
    ("fpq_prologue", "fpq_prologue: Lanes"): {"Lanes": 48},
    ("fpq_ram", "fpq_ram: Latency"): {"Latency": 1},
    ("fpq_row_marks", "fpq_row_marks: Words"): {"Words": 3},
    ("fpq_store", "fpq_store: a row"): {"Columns": 4096},
    ("fpq_store_pack", "fpq_store_pack: OutWidth must"): {"OutWidth": 2},
    ("fpq_store_pack", "fpq_store_pack: OutWidth FP16"): {"OutWidth": 8, "BusBits": 64},
    ("fpq_w_unpack", "fpq_w_unpack: a chunk"): {"ChunkBits": 1000},
    ("fpq_w_unpack", "fpq_w_unpack: WordBits"): {"WordBits": 48},
    ("fpq_weights", "fpq_weights: ChunkDepth"): {"ChunkDepth": 256},
    ("fpq_weights", "fpq_weights: ScaleDepth"): {"ScaleDepth": 2048},
}
# Between the spec and a package: no parameter breaks them.
OF_THE_SPEC = {"fpq_plan: fpq_core_pkg does not fit the contract's MaxK"}


def sentences() -> set[str]:
    """All that the sources say."""
    text = "".join(path.read_text() for path in sorted(RTL.glob("*.sv")))
    return set(re.findall(r"`FPQ_REQUIRE\([^`]*?\"([^\"]+)\"\)", text))


@pytest.mark.parametrize("sentence", ACCEL)
def test_the_accelerator_refuses(sentence: str) -> None:
    for parameters in ACCEL[sentence]:
        said = elaborate("fpq_accel", parameters)
        assert sentence in said, f"{parameters}: {said[-1500:] or 'accepted'}"


@pytest.mark.parametrize(("top", "sentence"), PARTS)
def test_a_part_refuses(top: str, sentence: str) -> None:
    said = elaborate(top, PARTS[top, sentence])
    assert sentence in said, said[-1500:] or "accepted"


def test_legal_parameters_are_accepted() -> None:
    assert not elaborate("fpq_accel", {"Rows": 1, "Columns": 4, "BusBits": 64})
    assert not elaborate("fpq_accel", {"Rows": 2, "Columns": 8, "OutWidth": 8, "Slots": 8, "Spacing": 2, "Ultra": 1})


def test_no_sentence_is_untested() -> None:
    tested = (*ACCEL, *(sentence for _, sentence in PARTS))
    assert len(sentences()) > 20
    missing = {s for s in sentences() - OF_THE_SPEC if not s.startswith(tested)}
    assert not missing, "say how to provoke these in this file"


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed; Verilator's tests stand for it")
def test_icarus_says_it_too(tmp_path: Path) -> None:
    """It has no elaboration tasks: the simulation stops at time 0 with the sentence."""
    program = tmp_path / "fifo.vvp"
    build = ["iverilog", "-g2012", f"-I{RTL}", "-y", str(MODELS), "-P", "fpq_fifo.Depth=3", "-s", "fpq_fifo"]
    subprocess.run([*build, "-o", str(program), *map(str, modules("fpq_fifo"))], check=True, timeout=60)
    done = subprocess.run(["vvp", "-n", str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "fpq_fifo: Depth must be a power of two" in done.stdout + done.stderr


def elaborate_strictly(top: str, parameters: dict[str, int], device: str, folder: Path) -> None:
    """slang, Yosys's, holds the language's rules where Verilator looks away, such as the types of ports by name."""
    pytest.importorskip("pyosys")
    from hw.estimate.synthesis import DEVICES, Design, script

    read, *_ = script(Design(top, parameters).on(DEVICES[device]), DEVICES[device], folder)
    done = subprocess.run(
        [sys.executable, str(ROOT / "hw" / "estimate" / "run_yosys.py")],
        input=json.dumps({"read": read, "keep": [], "parts": "", "commands": []}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize(("family", "fp6_dsp"), [("fp4", 0), ("fp6", 0), ("fp6", 1), ("int4", 0), ("int8", 0)])
@pytest.mark.parametrize("device", ["ultrascale", "series7"])
def test_a_strict_front_end_elaborates_the_engine(device: str, family: str, fp6_dsp: int, tmp_path: Path) -> None:
    size = {"Rows": 2, "Columns": 4, "Lanes": 32, "ActDepth": 512, "BusBits": 128, "Fp6Dsp": fp6_dsp}
    elaborate_strictly("fpq_accel", {"Family": FAMILIES[family].id, **size}, device, tmp_path)


@pytest.mark.parametrize("device", ["ultrascale", "series7"])
def test_a_strict_front_end_elaborates_the_tables(device: str, tmp_path: Path) -> None:
    elaborate_strictly("fpq_array_fp6_tables", {"Rows": 2, "Columns": 2}, device, tmp_path)


def test_no_size_cast_of_a_complement() -> None:
    """A size cast widens first: `W'(~x)` of a bit has all its high bits set, which no one means."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(RTL.glob("*.sv"))
        for line in path.read_text().splitlines()
        if re.search(r"'\([~-]", line)
    ]
    assert found == []
