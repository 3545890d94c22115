# SPDX-License-Identifier: Apache-2.0
"""Writes a netlist as plain SystemVerilog for a simulator: a variable a net, an expression a LUT.

What the primitives mean is written here a second time, apart from Yosys's models; memories and DSP slices are
instances of the models in sim/models and hw/estimate/models. Simulators build this form many times faster than a
netlist of cells.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sw_quant.errors import FpqvarError

from .depth import is_lut, support
from .emit_memory import block_memory, bus, lut_memory, net, pin, shift_register

__all__ = ["plain_netlist"]

Cell = Mapping[str, Any]
REGISTERS = {"FDRE": ("0", False), "FDSE": ("1", False), "FDCE": ("0", True), "FDPE": ("1", True)}
RESET_PINS = {"FDRE": "R", "FDSE": "S", "FDCE": "CLR", "FDPE": "PRE"}


def _lut(cell: Cell, output: str, table: str, pins: Sequence[str]) -> Iterator[str]:
    """`output` as its table, indexed by the pins that it depends on."""
    out = cell["connections"].get(output, ["x"])[0]
    if not isinstance(out, int):
        return
    table = table.replace("x", "0").zfill(1 << len(pins))
    used = support(table, len(pins))
    entries = "".join(
        table[-1 - sum((k >> j & 1) << i for j, i in enumerate(used))] for k in reversed(range(1 << len(used)))
    )
    index = bus([cell["connections"][pins[i]][0] for i in used])
    yield f"  assign n{out} = " + (f"1'({len(entries)}'b{entries} >> {index});" if used else f"1'b{entries};")


def _carry(number: int, cell: Cell) -> Iterator[str]:
    pins = cell["connections"]
    carry = f"{pin(cell, 'CI')} | {pin(cell, 'CYINIT')}"
    for i, (select, data) in enumerate(zip(pins["S"], pins["DI"], strict=True)):
        name = f"carry{number}_{i}"
        yield f"  wire {name} = {carry};"
        carry = f"{net(select)} ? {name} : {net(data)}"
        for port, value in (("O", f"{net(select)} ^ {name}"), ("CO", carry)):
            out = pins.get(port, [])[i : i + 1]
            if out and isinstance(out[0], int):
                yield f"  assign n{out[0]} = {value};"


def _value(text: str | int) -> str:
    """A parameter: Yosys writes numbers in binary, and leaves text as it is."""
    if isinstance(text, str) and text and set(text) <= set("01xz"):
        return f"{len(text)}'b{text.replace('x', '0').replace('z', '0')}"
    return f'"{str(text).strip()}"'


def _instance(name: str, cell: Cell, allowed: Sequence[str] | None) -> Iterator[str]:
    pins = []
    for port, bits in cell["connections"].items():
        if cell["port_directions"].get(port) == "output":
            places = [net(bit) if isinstance(bit, int) else f"open_{name}_{port}_{i}" for i, bit in enumerate(bits)]
            yield from (f"  logic {place};" for place in places if place.startswith("open_"))
            pins.append(f".{port}({{{', '.join(reversed(places))}}})")
        else:
            pins.append(f".{port}({bus(bits)})")
    settings = [f".{k}({_value(v)})" for k, v in cell["parameters"].items() if allowed is None or k in allowed]
    # A net a line: Verilator takes 40,000 words in one, and an array of 48 columns has more.
    connected = ", ".join(pins).replace(", ", ",\n    ")
    yield f"  {cell['type']} " + (f"#({', '.join(settings)}) " if settings else "") + f"{name} ({connected});"


def _register(cell: Cell) -> tuple[str, str, str]:
    """A register's event, statement and initial value."""
    kind, parameters = cell["type"], cell["parameters"]
    value, asynchronous = REGISTERS[kind]
    q, d = pin(cell, "Q"), pin(cell, "D")
    reset, enable = pin(cell, RESET_PINS[kind]), pin(cell, "CE")
    for name in ("IS_C_INVERTED", "IS_D_INVERTED", f"IS_{RESET_PINS[kind]}_INVERTED"):
        if "1" in str(parameters.get(name, "0")):
            raise FpqvarError(f"estimate: {kind} with {name} is not foreseen")
    assign = f"if ({enable}) {q} <= {d};" if enable != "1'b1" else f"{q} <= {d};"
    if reset != "1'b0":
        assign = f"if ({reset}) {q} <= 1'b{value}; else {assign}"
    event = f"posedge {pin(cell, 'C')}" + (f" or posedge {reset}" if asynchronous and reset != "1'b0" else "")
    initial = str(parameters.get("INIT", "x"))[-1]
    return event, assign, f"{q} = 1'b{initial if initial in '01' else '0'};"


def plain_netlist(module: Mapping[str, Any], name: str, parameters: Mapping[str, Sequence[str]] | None = None) -> str:
    """The module as text, called `name`. `parameters` tells which of a black box's parameters may be set."""
    ports, assigns, nets = [], [], set[int]()
    for port, entry in module["ports"].items():
        width = len(entry["bits"])
        ports.append(f"  {entry['direction']} logic [{width - 1}:0] {port}")
        for i, bit in enumerate(entry["bits"]):
            if entry["direction"] == "output":
                assigns.append(f"  assign {port}[{i}] = {net(bit)};")
            elif isinstance(bit, int):
                assigns.append(f"  assign n{bit} = {port}[{i}];")
                nets.add(bit)
    blocks: dict[str, list[str]] = {}
    initial: list[str] = []
    body: list[str] = []
    for number, cell in enumerate(module["cells"].values()):
        kind = cell["type"]
        nets |= {bit for bits in cell["connections"].values() for bit in bits if isinstance(bit, int)}
        if kind in REGISTERS:
            event, assign, start = _register(cell)
            blocks.setdefault(event, []).append(assign)
            initial.append(start)
        elif kind == "LUT6_2":
            table = cell["parameters"]["INIT"].zfill(64)
            body += _lut(cell, "O6", table, [f"I{i}" for i in range(6)])
            body += _lut(cell, "O5", table[32:], [f"I{i}" for i in range(5)])
        elif kind == "INV":
            body += _lut(cell, "O", "01", ["I"])
        elif is_lut(kind):
            body += _lut(cell, "O", cell["parameters"]["INIT"], [f"I{i}" for i in range(int(kind[3]))])
        elif kind.startswith("CARRY"):
            body += _carry(number, cell)
        elif kind.startswith("MUXF"):
            body.append(f"  assign {pin(cell, 'O')} = {pin(cell, 'S')} ? {pin(cell, 'I1')} : {pin(cell, 'I0')};")
        elif kind in ("SRL16E", "SRLC32E"):
            body += shift_register(number, cell)
        elif kind.startswith("RAMB"):
            body += block_memory(number, cell)
        elif kind.startswith("RAM"):
            body += lut_memory(number, cell)
        elif kind in ("VCC", "GND"):
            body.append(f"  assign {pin(cell, 'P' if kind == 'VCC' else 'G')} = 1'b{int(kind == 'VCC')};")
        else:
            allowed = (parameters or {}).get(kind) if kind.startswith(("fpq_", "peer_")) else None
            body += _instance(f"u{number}", cell, allowed)
    lines = [f"module {name} (", ",\n".join(ports), ");"]
    lines += [f"  logic n{one};" for one in sorted(nets)]
    lines += assigns + body
    lines += [f"  initial begin\n    {chr(10).join(initial)}\n  end"] if initial else []
    for event, statements in blocks.items():
        lines += [f"  always_ff @({event}) begin", *(f"    {statement}" for statement in statements), "  end"]
    return "\n".join([*lines, "endmodule", ""])
