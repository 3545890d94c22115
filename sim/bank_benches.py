# SPDX-License-Identifier: Apache-2.0
"""The benches of the multiplier bank, from a float unit to the whole."""

import json

from host._generated import FAMILIES
from sim.runner import Bench

__all__ = ["BANK_BENCHES"]

TARGETS = {"generic": 0, "ultrascale": 1, "series7": 2}  # fpq_bank_pkg::target_e


def _unit(unit: str, top: str) -> Bench:
    return Bench(unit, top, "test_float", {}, "verilator", {"UNIT": unit})


def _add(target: str) -> Bench:
    return Bench(f"add-{target}", "fpq_add", "test_float", {"Target": TARGETS[target]}, "verilator", {"UNIT": "add"})


def _term(family: str, target: str) -> Bench:
    parameters = {"Target": TARGETS[target], "Family": FAMILIES[family].id}
    environment = {"UNIT": "term", "FAMILY": family}
    return Bench(f"term-{family}-{target}", "fpq_term", "test_float", parameters, "verilator", environment)


def _bank(
    family: str,
    target: str,
    rows: int,
    columns: int,
    lanes: int,
    spacing: int,
    slots: int,
    out_width: int,
    dsp: bool = False,
) -> Bench:
    shape = {
        "rows": rows,
        "columns": columns,
        "lanes": lanes,
        "spacing": spacing,
        "slots": slots,
        "out_width": out_width,
    }
    parameters = {"".join(word.title() for word in name.split("_")): value for name, value in shape.items()}
    parameters |= {"Family": FAMILIES[family].id, "Target": TARGETS[target], "Fp6Dsp": int(dsp)}
    environment = {"SHAPE": json.dumps({"family": family, **shape})}
    return Bench(
        f"bank-{family}-{target}{'-dsp' * dsp}-{lanes}", "fpq_bank", "test_bank", parameters, "verilator", environment
    )


def _array(family: str, target: str, rows: int, columns: int, lanes: int, dsp: bool = False) -> Bench:
    shape = {"Rows": rows, "Columns": columns, "Lanes": lanes}
    parameters = shape | {"Family": FAMILIES[family].id, "Target": TARGETS[target], "Fp6Dsp": int(dsp)}
    environment = {"SHAPE": json.dumps({"family": family, "target": target} | shape)}
    name = f"array-{family}-{target}{'-dsp' * dsp}-{lanes}"
    return Bench(name, "fpq_array", "test_array", parameters, "verilator", environment)


def _dot_fp6(target: str, lanes: int) -> Bench:
    parameters = {"Target": TARGETS[target], "Lanes": lanes}
    environment = {"LANES": str(lanes)}
    return Bench(f"dot-fp6-{target}-{lanes}", "fpq_dot_fp6_dsp", "test_dot_fp6", parameters, "verilator", environment)


def _tables(target: str, rows: int, columns: int, lanes: int) -> Bench:
    shape = {"Rows": rows, "Columns": columns, "Lanes": lanes}
    environment = {"SHAPE": json.dumps(shape)}
    parameters = shape | {"Target": TARGETS[target]}
    name = f"tables-fp6-{target}-{lanes}"
    return Bench(name, "fpq_array_fp6_tables", "test_fp6_tables", parameters, "verilator", environment)


BANK_BENCHES = [
    _dot_fp6("ultrascale", 32),
    _dot_fp6("series7", 64),
    _dot_fp6("generic", 128),
    _tables("generic", 2, 2, 128),
    _tables("ultrascale", 1, 1, 128),
    _tables("series7", 1, 1, 130),
    _array("fp4", "generic", 1, 2, 32),
    _array("fp4", "ultrascale", 1, 2, 32),
    _array("fp4", "ultrascale", 1, 1, 64),
    _array("fp4", "ultrascale", 1, 1, 128),
    _array("fp4", "series7", 1, 1, 128),
    _array("fp6", "generic", 1, 2, 32),
    _array("fp6", "ultrascale", 2, 4, 32, dsp=True),
    _array("fp6", "ultrascale", 1, 2, 128, dsp=True),
    _array("fp6", "series7", 1, 2, 64, dsp=True),
    _array("fp6", "series7", 1, 2, 64),
    _array("fp6", "ultrascale", 1, 1, 128),
    _unit("to_fp16", "fpq_to_fp16"),
    _unit("scale", "fpq_bank_scale"),
    _unit("bias", "fpq_bias"),
    _add("generic"),
    _add("ultrascale"),
    _add("series7"),
    _term("fp4", "generic"),
    _term("fp4", "ultrascale"),
    _term("fp6", "series7"),
    _term("int8", "generic"),
    _bank("fp4", "generic", 4, 8, 32, 4, 8, 4),
    _bank("fp4", "generic", 8, 8, 64, 2, 4, 8),
    _bank("fp4", "generic", 4, 4, 128, 1, 32, 4),
    _bank("fp4", "ultrascale", 2, 4, 32, 4, 8, 4),
    _bank("fp4", "series7", 1, 4, 64, 2, 8, 4),
    _bank("fp4", "ultrascale", 1, 4, 128, 1, 32, 4),
    _bank("fp6", "generic", 4, 4, 32, 4, 8, 4),
    _bank("fp6", "ultrascale", 2, 4, 32, 4, 8, 4, dsp=True),
    _bank("fp6", "series7", 1, 4, 32, 4, 8, 4),
    _bank("int4", "generic", 2, 12, 32, 4, 8, 4),
    _bank("int8", "generic", 4, 4, 32, 8, 8, 4),
]
