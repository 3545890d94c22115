# SPDX-License-Identifier: Apache-2.0
"""Counts what a synthesized module takes of a device, and how many LUTs stand between registers.

A LUT site (LUT6 with outputs O5 and O6) holds one LUT of six inputs, or two that have five inputs together. Which
pairs the placer makes is not known here, so two counts are given: `strict` pairs LUTs that share an input, as many as
can be (a maximum matching); `packed` also pairs what is left of unrelated small ones. A LUT that drives a carry chain's
select input pairs only with the one that drives the same bit's data input; a chain bit without a LUT before it takes
one as a wire.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx

from .depth import depth, is_lut

__all__ = ["Count", "Netlist"]

SITES = {
    "LUT6_2": 1, "RAM32M16": 8, "RAM64M8": 8, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM32X1S": 1,
    "RAM64X1S": 1, "RAM128X1D": 4, "RAM256X1D": 8, "SRLC32E": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Count:
    """Resources of a module. `sites` is the packed count, `strict` the strict one."""

    sites: int
    strict: int
    ff: int
    carry: int  # bits of carry chains
    dsp: int
    ram_sites: int  # of the sites, those that are memory or shift registers
    bram: int
    uram: int
    levels: int  # LUTs one after the other between registers
    chains: int  # carry chains one after the other between registers


class Netlist:
    """A flat module of Xilinx primitives, from Yosys's JSON."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self.module = module
        self.cells: Mapping[str, Any] = module["cells"]

    @cached_property
    def drivers(self) -> dict[int, str]:
        """The cell that drives each net."""
        return {bit: name for name, port, bit in self._pins("output")}

    @cached_property
    def fanout(self) -> Counter[int]:
        """How many pins and output ports read each net."""
        count = Counter(bit for _, _, bit in self._pins("input"))
        for port in self.module["ports"].values():
            if port["direction"] != "input":
                count.update(bit for bit in port["bits"] if isinstance(bit, int))
        return count

    def _pins(self, direction: str) -> Iterator[tuple[str, str, int]]:
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"].get(port) == direction:
                    yield from ((name, port, bit) for bit in bits if isinstance(bit, int))

    def inputs(self, name: str) -> frozenset[int]:
        """The nets that a cell reads."""
        cell = self.cells[name]
        return frozenset(
            bit
            for port, bits in cell["connections"].items()
            if cell["port_directions"].get(port) == "input"
            for bit in bits
            if isinstance(bit, int)
        )

    def count(self) -> Count:
        """Add everything up."""
        kinds = Counter(cell["type"] for cell in self.cells.values())
        wires, bound, carry = self._carries()
        luts = {name: self.inputs(name) for name, cell in self.cells.items() if is_lut(cell["type"])}
        free = {name: nets for name, nets in luts.items() if name not in bound and len(nets) <= 5}
        alone = len([name for name in luts if name not in bound and name not in free])
        pairs, left = _pair(free)
        shifts = self._shift_registers()
        memory = sum(SITES[kind] * number for kind, number in kinds.items() if kind in SITES and kind != "LUT6_2")
        strict = (
            kinds["LUT6_2"] + memory + kinds["SRL16E"] + wires + len(set(bound.values())) + alone + len(free) - pairs
        )
        ways = depth(self.module)
        return Count(
            sites=strict - _pair_rest(left) - (kinds["SRL16E"] - shifts),
            strict=strict,
            ff=sum(number for kind, number in kinds.items() if kind.startswith("FD")),
            carry=carry,
            dsp=sum(number for kind, number in kinds.items() if kind.startswith("DSP")),
            ram_sites=memory + shifts,
            bram=sum(number * (2 if "36" in kind else 1) for kind, number in kinds.items() if kind.startswith("RAMB")),
            uram=sum(number for kind, number in kinds.items() if kind.startswith("URAM")),
            levels=ways.levels,
            chains=ways.chains,
        )

    def _shift_registers(self) -> int:
        """Sites of SRL16Es: two of the same length share one."""
        lengths = Counter(
            tuple(cell["connections"][f"A{i}"][0] for i in range(4))
            for cell in self.cells.values()
            if cell["type"] == "SRL16E"
        )
        return sum((number + 1) // 2 for number in lengths.values())

    def _carries(self) -> tuple[int, dict[str, int], int]:
        """LUTs that only lead a net into a chain; the LUTs bound to chain bits, by site; used chain bits."""
        wires, carry, bound = 0, 0, dict[str, int]()
        for cell in self.cells.values():
            if not cell["type"].startswith("CARRY"):
                continue
            pins = cell["connections"]
            used = [
                i
                for i, bits in enumerate(zip(pins.get("O", []), pins.get("CO", []), strict=True))
                if any(self.fanout[bit] for bit in bits if isinstance(bit, int))
            ]
            for i in range(max(used, default=-1) + 1):
                carry += 1
                select = self.drivers.get(pins["S"][i])
                data = self.drivers.get(pins["DI"][i])
                if select is None or select in bound:
                    wires += 1
                elif self.cells[select]["type"] == "LUT6_2":
                    continue
                elif not is_lut(self.cells[select]["type"]):
                    wires += 1
                else:
                    bound[select] = carry
                    pairable = data is not None and data not in bound and is_lut(self.cells[data]["type"])
                    if pairable and data and len(self.inputs(select) | self.inputs(data)) <= 5:
                        bound[data] = carry
        return wires, bound, carry


def _pair(luts: Mapping[str, frozenset[int]]) -> tuple[int, list[int]]:
    """How many pairs of LUTs share an input and fit a site; the numbers of inputs of those left."""
    by_net = defaultdict[int, list[str]](list)
    for name, nets in luts.items():
        for net in nets:
            by_net[net].append(name)
    graph = networkx.Graph()
    for names in by_net.values():
        for i, one in enumerate(names[:400]):
            graph.add_edges_from((one, other) for other in names[:i] if len(luts[one] | luts[other]) <= 5)
    # A maximum matching is slow on large graphs: there a maximal one, the LUTs with fewest partners first.
    matching = networkx.max_weight_matching(graph, maxcardinality=True) if len(graph) <= 600 else _greedy(graph)
    taken = {name for pair in matching for name in pair}
    return len(matching), sorted(len(nets) for name, nets in luts.items() if name not in taken)


def _greedy(graph: "networkx.Graph[str]") -> set[tuple[str, str]]:
    matching, taken = set[tuple[str, str]](), set[str]()
    for one in sorted(graph, key=graph.degree):
        partners = [other for other in graph[one] if other not in taken]
        if one not in taken and partners:
            other = min(partners, key=graph.degree)
            matching.add((one, other))
            taken |= {one, other}
    return matching


def _pair_rest(sizes: list[int]) -> int:
    """Pairs of unrelated LUTs with five inputs together: the largest that still fits goes with the smallest."""
    low, high, pairs = 0, len(sizes) - 1, 0
    while low < high:
        if sizes[low] + sizes[high] <= 5:
            low, pairs = low + 1, pairs + 1
        high -= 1
    return pairs
