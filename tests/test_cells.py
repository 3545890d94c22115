# SPDX-License-Identifier: Apache-2.0
"""The FP4 multipliers as they stand in hw/rtl: their text is read back and every pair of codes is multiplied."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from hw.cells.fp4 import DUAL, PLAIN
from hw.cells.model import Cell
from hw.cells.outputs import render
from sw_quant._generated import FORMATS
from sw_quant.codes import signed_units

RTL = Path(__file__).parents[1] / "hw" / "rtl"
Evaluate = Callable[[int, int], int]


def _number(text: str) -> int:
    return int(text.partition("'h")[2], 16)


def _recode(name: str) -> Callable[[int], int]:
    """A recoding module as a function from its code to its classes."""
    text = (RTL / f"{name}.sv").read_text()
    tables = {key: _number(value) for key, value in re.findall(r"localparam logic \[\d+:0\] (\w+) = (\d+'h\w+);", text)}
    first = sorted(key for key in tables if key.startswith("First"))
    top = len(first) - 1

    def evaluate(code: int) -> int:
        step = sum((tables[key] >> code & 1) << int(key[5:]) for key in first)
        classes = 0
        for place, key, high, low in re.findall(r"classes_o\[(\d+)\] <= (\w+)\[first_q\[(\d+):(\d+)\]\];", text):
            assert (int(high), int(low)) == (top - 1, 0)
            classes |= (tables[key] >> (step & (1 << top) - 1) & 1) << int(place)
        sign = re.search(r"classes_o\[(\d+)\] <= first_q\[(\d+)\];", text)
        assert sign is not None
        return classes | (step >> int(sign[2]) & 1) << int(sign[1])

    return evaluate


def _multiplier(name: str) -> Evaluate:
    """A product module as a function from two operands' classes to its product, by its LUTs."""
    text = (RTL / f"{name}.sv").read_text()
    sign = re.search(r"assign sign  = a_i\[(\d+)\] \^ b_i\[(\d+)\];", text)
    assert sign is not None
    luts = []
    for init, body in re.findall(r"LUT6_2 #\(\.INIT\((\d+'h\w+)\)\) \w+ \((.*?)\);", text, re.DOTALL):
        luts.append((_number(init), dict(re.findall(r"\.(\w+)\(([^)]*)\)", body))))
    assert 6 <= len(luts) <= 7

    def evaluate(a: int, b: int) -> int:
        nets = {f"a_i[{i}]": a >> i & 1 for i in range(16)} | {f"b_i[{i}]": b >> i & 1 for i in range(16)}
        nets |= {"sign": nets[f"a_i[{sign[1]}]"] ^ nets[f"b_i[{sign[2]}]"], "1'b0": 0, "1'b1": 1}
        for init, pins in luts:
            index = sum(nets[pins[f"I{i}"]] << i for i in range(6))
            if pins["O5"]:
                assert pins["I5"] == "1'b1"  # two outputs: the lower half is O5's
                nets[pins["O5"]] = init >> (index & 31) & 1
            nets[pins["O6"]] = init >> index & 1
        bits = sum(nets[f"product_o[{i}]"] << i for i in range(8))
        one = nets["sign"]
        return (bits | (1 - one) << 8) - 256 + one  # what the adders make of it

    return evaluate


@pytest.mark.parametrize("pass_", [0, 1, 2])
def test_every_pair_of_codes_with_the_dual_format(pass_: int) -> None:
    """Plain; and the dual format's two passes, in which the elements of the other sign count as zero."""
    recode_a, recode_w, multiply = (
        _recode("fpq_recode_a_fp4"), _recode("fpq_recode_w_fp4"), _multiplier("fpq_product_fp4"),
    )  # fmt: skip
    weights, plain, dual = (signed_units(FORMATS[name]) for name in ("e2m1", "e2m1", "dual4"))
    for a, w in product(range(16), range(16)):
        value = plain[a] if pass_ == 0 else dual[a]
        if (pass_ == 1 and value < 0) or (pass_ == 2 and value > 0):
            value = 0
        assert multiply(recode_a(pass_ << 4 | a), recode_w(w)) == value * weights[w], (pass_, a, w)


def test_every_pair_of_codes_without() -> None:
    recode_a, recode_w, multiply = (
        _recode("fpq_recode_a_e2m1"), _recode("fpq_recode_w_e2m1"), _multiplier("fpq_product_e2m1"),
    )  # fmt: skip
    units = signed_units(FORMATS["e2m1"])
    for a, w in product(range(16), range(16)):
        assert multiply(recode_a(a), recode_w(w)) == units[a] * units[w], (a, w)


def test_the_text_is_what_the_cells_say() -> None:
    for path, text in render().items():
        assert (RTL.parents[1] / path).read_text() == text, path


@pytest.mark.parametrize(("cell", "sites"), [(PLAIN, 6.5), (DUAL, 7.5)])
def test_cells(cell: Cell, sites: float) -> None:
    cell.check()
    assert cell.sites == sites
