# SPDX-License-Identifier: Apache-2.0
"""The engine's depth between registers, by open synthesis."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyosys")

from rich.console import Console

from hw.estimate.catalog import Unit
from hw.estimate.core import flat
from hw.estimate.datapath import datapath_table, datapath_units, deeper
from hw.estimate.depth import Depth
from hw.estimate.measure import Row, measure
from hw.estimate.netlist import Count
from hw.estimate.report import FLAT
from hw.estimate.synthesis import DEVICES, RTL, Design, overridable

XCUP = DEVICES["ultrascale"]
QUICK = ("fpq_slice", "fpq_to_fp16")  # seconds each
COUNT = Count(440, 450, 500, 190, 0, 2, 0, 0, 2, 1)


def test_every_module_is_there_with_parameters_that_it_has() -> None:
    units = datapath_units()
    for unit in units:
        assert (RTL / f"{unit.design.top}.sv").exists()
        assert set(unit.design.parameters) <= set(overridable(unit.design.top)), unit.design.top
    assert len({unit.name for unit in units}) == len(units)


def test_a_deeper_module_is_told() -> None:
    row = Row(
        Unit("m", Design("fpq_slice"), "module"), XCUP.name, COUNT, Depth(3, 1, "a_q", "b"), "", 0.0, 1.0, False, Path()
    )
    assert deeper([row]) == []
    assert deeper([replace(row, depth=Depth(4, 1, "a_q", "b"))]) == [
        "m: 4 LUT levels, 1 carry chains from a_q to b; at most 3 and 1: cut the way with a register"
    ]
    assert len(deeper([replace(row, depth=Depth(3, 2))])) == 1
    console = Console(width=170, record=True)
    console.print(datapath_table([row, replace(row, depth=Depth(4, 1))]))
    assert console.export_text().count("too deep") == 1


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(unit, id=unit.name, marks=() if unit.design.top in QUICK else pytest.mark.slow)
        for unit in datapath_units()
    ],
)
def test_no_module_is_deeper_than_it_may_be(unit: Unit) -> None:
    assert not deeper([measure(unit, XCUP, check=False)])


@pytest.mark.slow
def test_no_way_across_modules_is_deeper() -> None:
    assert not deeper([flat("fp4", FLAT, XCUP, check=False)])
