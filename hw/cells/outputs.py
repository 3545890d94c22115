# SPDX-License-Identifier: Apache-2.0
"""Which files are made of which cell."""

from sw_quant._generated import FORMATS, Format

from .emit import emit_product, emit_recode
from .fp4 import DUAL, PLAIN
from .model import Cell

__all__ = ["activation_rows", "render", "render_cell", "weight_rows"]

PASSES = ("plain", "positive", "negative")  # fpq_bank_pkg::pass_e


def _units(code: int, fmt: Format) -> int:
    """Signed magnitude of a code, in units; minus zero is zero."""
    top = 1 << (fmt.bits - 1)
    if code < top:
        return fmt.positive.magnitudes[code]
    return -fmt.negative.magnitudes[code - top + fmt.negative_offset]


def weight_rows(cell: Cell, fmt: Format) -> dict[int, tuple[int, int]]:
    """Magnitude's index and sign of each weight code."""
    return {code: (cell.b.index(abs(_units(code, fmt))), int(_units(code, fmt) < 0)) for code in range(1 << fmt.bits)}


def activation_rows(cell: Cell, plain: Format, dual: Format) -> dict[int, tuple[int, int]]:
    """The same of each activation code under each pass: the word is the pass above the code."""
    rows = {}
    for number, name in enumerate(PASSES):
        for code in range(1 << plain.bits):
            units = _units(code, plain if name == "plain" else dual)
            if name != "plain" and (units < 0) != (name == "negative"):
                units = 0
            rows[number << plain.bits | code] = (cell.a.index(abs(units)), int(units < 0))
    return rows


def render_cell(cell: Cell, suffix: str, dual: bool) -> dict[str, str]:
    """The three modules of an FP4 cell, by file name; without `dual` the activations have one pass."""
    plain, both = FORMATS["e2m1"], FORMATS["dual4"]
    rows = activation_rows(cell, plain, both) if dual else weight_rows(Cell(**vars(cell) | {"b": cell.a}), plain)
    return {
        f"fpq_product_{suffix}.sv": emit_product(cell, f"fpq_product_{suffix}"),
        f"fpq_recode_a_{suffix}.sv": emit_recode(
            cell,
            "a",
            f"fpq_recode_a_{suffix}",
            rows,
            6 if dual else 4,
            "Recodes an FP4 activation; the pass is above its code.",
        ),
        f"fpq_recode_w_{suffix}.sv": emit_recode(
            cell, "b", f"fpq_recode_w_{suffix}", weight_rows(cell, plain), 4, "Recodes an FP4 weight."
        ),
    }


def render() -> dict[str, str]:
    """Every file that is kept, by its path from the repository's root."""
    files = render_cell(DUAL, "fp4", dual=True) | {
        "fpq_product_e2m1.sv": emit_product(PLAIN, "fpq_product_e2m1"),
        "fpq_recode_a_e2m1.sv": emit_recode(
            PLAIN, "a", "fpq_recode_a_e2m1", weight_rows(Cell(**vars(PLAIN) | {"b": PLAIN.a}), FORMATS["e2m1"]), 4,
            "Recodes an E2M1 activation, for an array without the dual format.",
        ),
        "fpq_recode_w_e2m1.sv": emit_recode(
            PLAIN, "b", "fpq_recode_w_e2m1", weight_rows(PLAIN, FORMATS["e2m1"]), 4,
            "Recodes an E2M1 weight, for an array without the dual format.",
        ),
    }  # fmt: skip
    return {f"hw/rtl/{name}": text for name, text in files.items()}
