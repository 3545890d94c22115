# SPDX-License-Identifier: Apache-2.0
"""All benches: which design, with which parameters, under which simulator."""

import json
from dataclasses import asdict, replace

from host._generated import FAMILIES, Geometry
from hw.synth.config import make_job
from hw.synth.wrapper import TOP, verilog
from sim.bank_benches import BANK_BENCHES
from sim.cell_benches import CELL_BENCHES
from sim.engine_benches import ENGINE_BENCHES
from sim.lint import TARGET_DEFINES
from sim.runner import Bench
from sw_quant._generated import FORMATS

__all__ = ["BENCHES"]


def _scale(positive: str, negative: str) -> Bench:
    bits = [FORMATS[positive].positive.fmax_reciprocal_bits, FORMATS[negative].negative.fmax_reciprocal_bits]
    return Bench(
        f"scale-{positive}-{negative}",
        "fpq_scale",
        "test_scale",
        {"Reciprocal": bits[0], "NegativeReciprocal": bits[1]},
        "verilator",
        environment={"RECIPROCAL": str(bits[0]), "NEGATIVE_RECIPROCAL": str(bits[1])},
    )


def _search(name: str, index_bits: int, tables: int, twos: int = 0, offset: int = 0) -> Bench:
    values = {"INDEX_BITS": index_bits, "TABLES": tables, "TWOS": twos, "OFFSET": offset}
    parameters = {"IndexBits": index_bits, "Tables": tables, "Twos": twos, "Offset": offset}
    environment = {key: str(value) for key, value in values.items()}
    return Bench(f"search-{name}", "fpq_search", "test_search", parameters, environment=environment)


def _hadamard(words: int) -> Bench:
    return Bench(
        f"hadamard-{words}", "fpq_hadamard", "test_hadamard", {"Words": words}, environment={"WORDS": str(words)}
    )


def _prologue(family: str, words: int, lanes: int) -> Bench:
    parameters: dict[str, int | str] = {"Family": f"8'd{FAMILIES[family].id}", "Words": words, "Lanes": lanes}
    environment = {"FAMILY": family, "WORDS": str(words), "LANES": str(lanes)}
    return Bench(
        f"prologue-{family}-{words}-{lanes}", "fpq_prologue", "test_prologue", parameters, "verilator", environment
    )


def _quantizer(family: str, words: int) -> Bench:
    parameters: dict[str, int | str] = {"Family": f"8'd{FAMILIES[family].id}", "Words": words}
    environment = {"FAMILY": family, "WORDS": str(words)}
    return Bench(f"quantizer-{family}", "fpq_quantizer", "test_quantizer", parameters, "verilator", environment)


def _accelerator(family: str, geometry: Geometry, device: str = "", dsp_banks: int | None = None) -> Bench:
    size = asdict(geometry)
    names = {"rows": "Rows", "columns": "Columns", "lanes": "Lanes", "act_depth": "ActDepth", "bus_bits": "BusBits"}
    parameters: dict[str, int | str] = {"Family": FAMILIES[family].id, "Banks": geometry.banks} | {
        names[k]: size[k] for k in names
    }
    parameters |= {} if dsp_banks is None else {"Fp6Dsp": dsp_banks}
    # A device's primitives are slow to simulate, and the builds without them cover what does not depend on them.
    environment = {"FAMILY": family, "GEOMETRY": json.dumps(size), "BRIEF": str(int(bool(device)))}
    name = f"accel-{family}-{device}" if device else f"accel-{family}"
    defines = dict.fromkeys(TARGET_DEFINES[device or "generic"], 1)
    return Bench(name, "fpq_accel", "test_accel", parameters, "verilator", environment, defines)


def _packaged(family: str, geometry: Geometry) -> Bench:
    """The same test on the wrapper that `make synth` hands to Vivado."""
    job = replace(make_job("kv260", family, "rtl"), geometry=geometry)
    environment = {"FAMILY": family, "GEOMETRY": json.dumps(asdict(geometry)), "BRIEF": "0"}
    return Bench(f"accel-top-{family}", TOP, "test_accel", {}, "verilator", environment, text=verilog(job))


def _x_read(bus_bits: int) -> Bench:
    return Bench(
        f"x-read-{bus_bits}",
        "fpq_x_read",
        "test_x_read",
        {"BusBits": bus_bits},
        "verilator",
        environment={"BUS_BITS": str(bus_bits)},
    )


BENCHES = [
    # Whole accelerators, each other in all that a build can vary; first, because they take longest.
    _accelerator("fp4", Geometry(rows=2, columns=4, lanes=32, act_depth=512, bus_bits=128, banks=2), "ultrascale"),
    _accelerator("fp6", Geometry(rows=4, columns=4, lanes=64, act_depth=512, bus_bits=256, banks=2)),
    _accelerator("fp6", Geometry(rows=2, columns=4, lanes=32, act_depth=512, bus_bits=128, banks=2), "ultrascale", 1),
    _accelerator("fp6", Geometry(rows=2, columns=4, lanes=32, act_depth=512, bus_bits=64), "series7"),
    _accelerator("int4", Geometry(rows=2, columns=12, lanes=32, act_depth=512, bus_bits=64)),
    _accelerator("int8", Geometry(rows=2, columns=4, lanes=128, act_depth=512, bus_bits=512)),
    _packaged("fp4", Geometry(rows=2, columns=4, lanes=32, act_depth=512, bus_bits=128, banks=4)),
    Bench("align", "fpq_align", "test_align"),
    _scale("e2m1", "dual4"),
    _scale("e2m3", "dual6"),
    _scale("int4", "int8"),
    Bench("threshold", "fpq_threshold", "test_threshold", {}, "verilator"),
    _search("fp4", 3, 8),
    _search("fp6", 5, 4, offset=1),
    _search("int8", 7, 2, twos=1),
    *(_hadamard(words) for words in (4, 8, 16, 32)),
    *(_x_read(bits) for bits in (64, 128, 512)),
    *(_quantizer(family, 4) for family in FAMILIES),
    _prologue("fp4", 8, 32),
    _prologue("fp4", 32, 128),
    _prologue("fp6", 8, 32),
    _prologue("fp6", 4, 64),
    _prologue("int4", 16, 32),
    _prologue("int8", 8, 128),
    *ENGINE_BENCHES,
    *CELL_BENCHES,
    *BANK_BENCHES,
]
