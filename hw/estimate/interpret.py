# SPDX-License-Identifier: Apache-2.0
"""Writes a netlist for the interpreter of lockstep/main.cpp: tables in their order, then registers.

Carry chains and multiplexers are tables too; a shift register of fixed length is a row of registers. A netlist with
anything else (memory, DSP slices, stubs) is compiled instead: see emit.py.
"""

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

from .depth import is_lut

__all__ = ["interpretable", "program"]

Cell = Mapping[str, Any]
Table = tuple[int, int, list[int]]  # output, table, inputs
SHIFTS = ("SRL16E", "SRLC32E")
REGISTERS = {"FDRE": ("R", 0), "FDSE": ("S", 1)}
MULTIPLEX, CARRY, SUM = 0b11001010, 0b11001010, 0b0110  # of I0, I1, S; of DI, carry, S; of S, carry


def _address(cell: Cell) -> list[int | str]:
    pins = cell["connections"]
    return list(pins["A"]) if "A" in pins else [pins[f"A{i}"][0] for i in range(4)]


def interpretable(module: Mapping[str, Any]) -> bool:
    """Whether tables and registers suffice."""
    for cell in module["cells"].values():
        kind = cell["type"]
        if kind in SHIFTS:
            if any(isinstance(bit, int) for bit in _address(cell)) or "Q31" in cell["connections"]:
                return False
        elif not (is_lut(kind) or kind in REGISTERS or kind.startswith(("CARRY", "MUXF")) or kind == "LUT6_2"):
            return False
        if any("INVERTED" in name and "1" in str(value) for name, value in cell["parameters"].items()):
            return False
    return True


def _index(bit: int | str) -> int:
    """A net's place; 0 and 1 are the constants', what is undefined is 0."""
    return bit if isinstance(bit, int) else int(bit == "1")


def _tables(cell: Cell, fresh: Iterator[int]) -> Iterator[Table]:
    kind, pins = cell["type"], cell["connections"]

    def nets(*ports: str) -> list[int]:
        return [_index(pins[port][0]) for port in ports]

    def out(port: str) -> int:
        return _index(pins[port][0]) if pins.get(port) else 0

    init = int(str(cell["parameters"].get("INIT", "01")).replace("x", "0"), 2)
    if kind == "LUT6_2":
        yield out("O6"), init, nets(*(f"I{i}" for i in range(6)))
        yield out("O5"), init & 0xFFFFFFFF, nets(*(f"I{i}" for i in range(5)))
    elif kind == "INV":
        yield out("O"), 0b01, nets("I")
    elif is_lut(kind):
        yield out("O"), init, nets(*(f"I{i}" for i in range(int(kind[3]))))
    elif kind.startswith("MUXF"):
        yield out("O"), MULTIPLEX, nets("I0", "I1", "S")
    elif kind.startswith("CARRY"):
        first = next(fresh)
        starts = [_index(pins[port][0]) for port in ("CI", "CYINIT") if pins.get(port)]
        yield first, 0b1110 if len(starts) == 2 else 0b10, starts
        for i, (select, data) in enumerate(zip(pins["S"], pins["DI"], strict=True)):
            if i < len(pins.get("O", [])):
                yield _index(pins["O"][i]), SUM, [_index(select), first]
            carry = next(fresh)
            yield carry, CARRY, [_index(data), first, _index(select)]
            if i < len(pins.get("CO", [])):
                yield _index(pins["CO"][i]), 0b10, [carry]
            first = carry


def _registers(cell: Cell, fresh: Iterator[int]) -> Iterator[tuple[int, int, int, int, int, int]]:
    """q, d, enable, reset, value of the reset, value at the start."""
    kind, pins = cell["type"], cell["connections"]
    start = str(cell["parameters"].get("INIT", "x"))
    if kind in REGISTERS:
        port, value = REGISTERS[kind]
        q, d, enable, reset = (_index(pins[name][0]) for name in ("Q", "D", "CE", port))
        yield q, d, enable, reset, value, int(start[-1] == "1")
    elif kind in SHIFTS:
        length = 1 + sum(_index(bit) << i for i, bit in enumerate(_address(cell)))
        d, enable = _index(pins["D"][0]), _index(pins["CE"][0])
        for i in range(length):
            q = _index(pins["Q"][0]) if i == length - 1 else next(fresh)
            yield q, d, enable, 0, 0, int(start[-1 - i : len(start) - i] == "1")
            d = q


def program(module: Mapping[str, Any]) -> str:
    """The netlist as numbers: nets; tables (output, table, inputs); registers; input and output nets in port order."""
    used = [bit for cell in module["cells"].values() for bits in cell["connections"].values() for bit in bits]
    ports = [bit for port in module["ports"].values() for bit in port["bits"]]
    top = max((bit for bit in [*used, *ports] if isinstance(bit, int)), default=1) + 1
    nets = iter(range(top, 1 << 30))
    tables = {
        table[0]: table for cell in module["cells"].values() for table in _tables(cell, nets) if table[0] > 1
    }  # what drives nothing has net 0
    registers = [register for cell in module["cells"].values() for register in _registers(cell, nets)]
    order = TopologicalSorter({out: inputs for out, (_, _, inputs) in tables.items()}).static_order()
    steps = [tables[net] for net in order if net in tables]
    lines = [str(next(nets)), str(len(steps))]
    lines += [" ".join(map(str, (out, table, len(inputs), *inputs))) for out, table, inputs in steps]
    lines += [str(len(registers)), *(" ".join(map(str, register)) for register in registers)]
    for direction in ("input", "output"):
        places = [
            _index(bit)
            for name, port in module["ports"].items()
            if port["direction"] == direction and name not in ("clk_i", "ap_clk")
            for bit in port["bits"]
        ]
        lines.append(" ".join(map(str, (len(places), *places))))
    return "\n".join([*lines, ""])
