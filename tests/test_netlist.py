# SPDX-License-Identifier: Apache-2.0
"""make estimate on small netlists made by hand: the counting rules, depth, the floor."""

from typing import Any

import pytest

pytest.importorskip("pyosys")

from hw.estimate.catalog import Unit
from hw.estimate.depth import depth, support
from hw.estimate.measure import sane
from hw.estimate.netlist import Count, Netlist
from hw.estimate.synthesis import Design
from sw_quant.errors import FpqvarError


class Builder:
    """A netlist as Yosys's JSON has it, of named nets."""

    def __init__(self, inputs: str, outputs: str) -> None:
        self.nets: dict[str, int] = {}
        self.cells: dict[str, Any] = {}
        self.ports = {name: {"direction": "input", "bits": [self.net(name)]} for name in inputs.split()}
        self.ports |= {name: {"direction": "output", "bits": [self.net(name)]} for name in outputs.split()}

    def net(self, name: str) -> int | str:
        return name if name in ("0", "1") else self.nets.setdefault(name, len(self.nets) + 2)

    def cell(self, kind: str, parameters: dict[str, str], outputs: dict[str, str], inputs: dict[str, str]) -> None:
        pins = {port: [self.net(name) for name in nets.split()] for port, nets in (inputs | outputs).items()}
        directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
        self.cells[f"u{len(self.cells)}"] = {
            "type": kind, "parameters": parameters, "connections": pins, "port_directions": directions
        }  # fmt: skip

    def lut(self, output: str, inputs: str) -> None:
        """An XOR of all inputs."""
        names = inputs.split()
        table = "".join(str(bin(k).count("1") & 1) for k in reversed(range(1 << len(names))))
        pins = {f"I{i}": name for i, name in enumerate(names)}
        self.cell(f"LUT{len(names)}", {"INIT": table}, {"O": output}, pins)

    def register(self, q: str, d: str) -> None:
        self.cell("FDRE", {"INIT": "x"}, {"Q": q}, {"C": "clk", "CE": "1", "D": d, "R": "0"})

    @property
    def module(self) -> dict[str, Any]:
        names = {name: {"bits": [net]} for name, net in self.nets.items()}
        return {"ports": self.ports, "cells": self.cells, "netnames": names}

    def count(self) -> Count:
        return Netlist(self.module).count()


def test_luts_pair_by_five_inputs() -> None:
    b = Builder("a b c d e f g", "x y")
    b.lut("x", "a b c d")
    b.lut("y", "a b c e")  # five inputs together, some shared
    assert (b.count().strict, b.count().sites) == (1, 1)
    c = Builder("a b c d e f g", "x y")
    c.lut("x", "a b c d")
    c.lut("y", "a b e f")  # six
    assert (c.count().strict, c.count().sites) == (2, 2)


def test_unrelated_luts_pair_in_the_packed_count_only() -> None:
    b = Builder("a b c d", "x y")
    b.lut("x", "a b")
    b.lut("y", "c d")
    assert (b.count().strict, b.count().sites) == (2, 1)


def test_a_six_input_lut_stands_alone() -> None:
    b = Builder("a b c d e f", "x y")
    b.lut("x", "a b c d e f")
    b.lut("y", "a b")
    assert (b.count().strict, b.count().sites) == (2, 2)


def test_memory_and_shift_registers() -> None:
    b = Builder("clk a we", "q r s")
    address = {f"A{i}": "0" for i in range(4)}
    for out in "qr":
        b.cell("SRL16E", {"INIT": "x"}, {"Q": out}, {"D": "a", "CE": "1", "CLK": "clk", **address})
    b.cell("RAM32M16", {}, {"DOA": "s t"}, {"ADDRA": "a a a a a", "DIA": "a a", "WCLK": "clk", "WE": "we"})
    assert (b.count().strict, b.count().sites, b.count().ram_sites) == (10, 9, 9)


def test_a_carry_bit_without_a_lut_takes_one() -> None:
    b = Builder("a b c d", "s")
    b.lut("p", "a b")
    pins = {"CI": "0", "CYINIT": "0", "S": "p c 0 0", "DI": "a c 0 0"}
    b.cell("CARRY4", {}, {"O": "x s u v", "CO": "e f g h"}, pins)
    assert (b.count().carry, b.count().sites) == (2, 2)  # the second bit's select is not a LUT


def test_depth_follows_what_a_table_depends_on() -> None:
    b = Builder("clk a b c d", "q")
    majority, parity = "10001000111010001000100011101000", "10010110011010010110100110010110"
    # The O5 of the upper LUT does not depend on I4, where the lower LUT's O5 enters.
    for i, (low, out) in enumerate((("0", "m0"), ("m0", "m1"), ("m1", "m2"))):
        pins = {"I0": "a", "I1": "b", "I2": "c", "I3": "0", "I4": low, "I5": "1"}
        b.cell("LUT6_2", {"INIT": parity + majority}, {"O5": out, "O6": f"p{i}"}, pins)
    b.register("q", "p2")
    assert depth(b.module).levels == 2
    assert 4 not in support(majority, 5)
    assert support("0110", 2) == (0, 1)
    assert support("1010", 2) == (0,)


def test_depth_counts_chains_and_ends_at_registers() -> None:
    b = Builder("clk a b c", "q")
    b.register("a_q", "a")
    b.lut("x", "a_q b")
    b.cell("CARRY8", {}, {"O": "s t", "CO": "d e"}, {"CI": "0", "CI_TOP": "0", "S": "x x", "DI": "a b"})
    b.lut("y", "t c")
    b.register("q", "y")
    found = depth(b.module)
    assert (found.levels, found.chains) == (2, 1)
    b.lut("c", "y a")  # a loop
    with pytest.raises(FpqvarError, match="combinational loop"):
        depth(b.module)


def unit(macs: int = 0) -> Unit:
    return Unit("a unit", Design("fpq_dot_fp4"), "dot", "fp4", macs)


def test_dropped_logic_is_refused() -> None:
    empty = Builder("a b", "x y")
    with pytest.raises(FpqvarError, match="nothing is left"):
        sane(unit(), empty.module, empty.count())
    undriven = Builder("a b", "x y z")
    undriven.lut("x", "a b")
    with pytest.raises(FpqvarError, match="1 of 3 output bits"):
        sane(unit(), undriven.module, undriven.count())
    unread = Builder("a b c d e", "x")
    unread.lut("x", "a b")
    with pytest.raises(FpqvarError, match="2 of 5 input bits"):
        sane(unit(), unread.module, unread.count())
    small = Builder("a b", "x")
    small.lut("x", "a b")
    sane(unit(), small.module, small.count())
    with pytest.raises(FpqvarError, match="less than 128"):
        sane(unit(macs=32), small.module, small.count())
