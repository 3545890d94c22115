# SPDX-License-Identifier: Apache-2.0
"""How many LUTs and carry chains stand one after the other between registers, followed net by net.

A LUT's output waits only for the inputs that its table really depends on: the O5 of a ternary adder's LUT does not
wait for the place below. Pins of modules that were left as black boxes count as registers; so does what memories and
DSP slices give, all of which are read through registers here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sw_quant.errors import FpqvarError

__all__ = ["Depth", "depth", "is_lut"]


@dataclass(frozen=True)
class Depth:
    """The most LUTs, and the most carry chains, on a way from register to register; the ends of the longest way."""

    levels: int
    chains: int
    start: str = ""
    end: str = ""


@dataclass(frozen=True)
class _Arc:
    """From a net to a net of the same cell."""

    net: int
    luts: int
    chain: bool  # the way enters a carry chain here


def is_lut(kind: str) -> bool:
    """Whether a cell is a LUT with one output."""
    return kind in {"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV"}


@cache
def support(init: str, inputs: int) -> tuple[int, ...]:
    """Which inputs a table depends on; `init` is the table in binary, the last entry first."""
    table, size = int(init.replace("x", "0"), 2), 1 << inputs
    found = []
    for i in range(inputs):
        low = sum(1 << k for k in range(size) if not k >> i & 1)
        if (table >> (1 << i)) & low != table & low:
            found.append(i)
    return tuple(found)


def _nets(cell: Mapping[str, Any], ports: list[str]) -> list[int]:
    return [bit for port in ports for bit in cell["connections"].get(port, ()) if isinstance(bit, int)]


def _arcs(cell: Mapping[str, Any], carried: frozenset[int]) -> Iterator[tuple[int, list[_Arc]]]:
    """The combinational outputs of a cell, each with the nets that it waits for."""
    kind, pins = cell["type"], cell["connections"]
    if kind == "LUT6_2":
        init = cell["parameters"]["INIT"].zfill(64)
        for port, table, count in (("O5", init[32:], 5), ("O6", init, 6)):
            inputs = _nets(cell, [f"I{i}" for i in support(table, count)])
            yield from ((out, [_Arc(net, 1, False) for net in inputs]) for out in _nets(cell, [port]))
    elif is_lut(kind):
        count = 1 if kind == "INV" else int(kind[3])
        names = ["I"] if kind == "INV" else [f"I{i}" for i in range(count)]
        table = cell["parameters"].get("INIT", "01").zfill(1 << count)
        inputs = _nets(cell, [names[i] for i in support(table, count)])
        yield from ((out, [_Arc(net, int(kind != "INV"), False) for net in inputs]) for out in _nets(cell, ["O"]))
    elif kind.startswith("CARRY"):
        before = [_Arc(net, 0, net not in carried) for net in _nets(cell, ["CI", "CYINIT", "CI_TOP"])]
        for i, (select, data) in enumerate(zip(pins["S"], pins["DI"], strict=True)):
            before += [_Arc(select, 0, True)] if isinstance(select, int) else []
            yield from ((out, list(before)) for out in pins.get("O", [])[i : i + 1] if isinstance(out, int))
            before += [_Arc(data, 0, True)] if isinstance(data, int) else []
            yield from ((out, list(before)) for out in pins.get("CO", [])[i : i + 1] if isinstance(out, int))
    elif kind.startswith("MUXF"):
        inputs = _nets(cell, ["I0", "I1", "S"])
        yield from ((out, [_Arc(net, 0, False) for net in inputs]) for out in _nets(cell, ["O"]))
    elif kind.startswith(("RAM32", "RAM64", "RAM128", "RAM256")):
        for port in pins:
            if cell["port_directions"].get(port) == "output":
                letter = port[2:] if port.startswith("DO") else ""
                names = [f"ADDR{letter}"] if letter else [p for p in pins if p.startswith(("A", "DPRA"))]
                inputs = _nets(cell, names)
                yield from ((out, [_Arc(net, 1, False) for net in inputs]) for out in _nets(cell, [port]))


def depth(module: Mapping[str, Any]) -> Depth:
    """Follow every way through a module of Yosys's JSON; raises FpqvarError for a combinational loop."""
    cells = module["cells"].values()
    carried = frozenset(
        bit
        for cell in cells
        if cell["type"].startswith("CARRY")
        for bit in cell["connections"].get("CO", ())
        if isinstance(bit, int)
    )
    arcs = {out: arcs for cell in cells for out, arcs in _arcs(cell, carried)}
    luts, chains, origin = dict[int, int](), dict[int, int](), dict[int, int]()
    try:
        order = TopologicalSorter({net: [arc.net for arc in ways] for net, ways in arcs.items()}).static_order()
        for net in order:
            ways = arcs.get(net, [])
            longest = max(ways, key=lambda arc: luts[arc.net] + arc.luts, default=None)
            luts[net] = 0 if longest is None else luts[longest.net] + longest.luts
            origin[net] = net if longest is None else origin[longest.net]
            chains[net] = max((chains[arc.net] + arc.chain for arc in ways), default=0)
    except CycleError as error:
        names = ", ".join(_name(module, net) for net in error.args[1][:4])
        raise FpqvarError(f"estimate: a combinational loop through {names}") from error
    if not luts:
        return Depth(0, 0)
    end = max(luts, key=lambda net: luts[net])
    return Depth(luts[end], max(chains.values()), _name(module, origin[end]), _name(module, end))


def _name(module: Mapping[str, Any], net: int) -> str:
    """A name of the net, one of the source's if there is one."""
    found = [
        f"{name}[{entry['bits'].index(net)}]" if len(entry["bits"]) > 1 else name
        for name, entry in module.get("netnames", {}).items()
        if net in entry["bits"]
    ]
    return min(found, key=lambda name: (name.startswith("$"), len(name)), default=f"net {net}")
