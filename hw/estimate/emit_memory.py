# SPDX-License-Identifier: Apache-2.0
"""Plain SystemVerilog of a netlist's memories: shift registers, LUT memory, block memory."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sw_quant.errors import FpqvarError

__all__ = ["block_memory", "bus", "lut_memory", "net", "pin", "shift_register"]

Cell = Mapping[str, Any]


def net(bit: int | str) -> str:
    """A net's variable, or a constant; what is undefined is 0."""
    return f"n{bit}" if isinstance(bit, int) else "1'b1" if bit == "1" else "1'b0"


def bus(bits: Sequence[int | str], width: int = 0) -> str:
    """Nets side by side, the first lowest, filled with zeros up to `width`."""
    filled = [*bits, *["0"] * max(0, width - len(bits))]
    return "{" + ", ".join(net(bit) for bit in reversed(filled)) + "}"


def pin(cell: Cell, port: str) -> str:
    """What is connected to a port of one bit; 0 where nothing is."""
    return net(cell["connections"][port][0]) if cell["connections"].get(port) else "1'b0"


def _start_empty(cell: Cell) -> None:
    for name, value in cell["parameters"].items():
        if name.startswith("IN") and "INVERTED" not in name and "1" in str(value):
            raise FpqvarError(f"estimate: {cell['type']} with an initial value ({name}) is not foreseen")


def shift_register(number: int, cell: Cell) -> Iterator[str]:
    """SRL16E, SRLC32E."""
    _start_empty(cell)
    size = 32 if cell["type"] == "SRLC32E" else 16
    address = cell["connections"]["A"] if size == 32 else [cell["connections"][f"A{i}"][0] for i in range(4)]
    name = f"shift{number}"
    yield f"  logic [{size - 1}:0] {name} = '0;"
    yield (
        f"  always_ff @(posedge {pin(cell, 'CLK')}) if ({pin(cell, 'CE')}) "
        f"{name} <= {{{name}[{size - 2}:0], {pin(cell, 'D')}}};"
    )
    for port, value in (("Q", f"{name}[{bus(address)}]"), ("Q31", f"{name}[{size - 1}]")):
        if isinstance(cell["connections"].get(port, ["x"])[0], int):
            yield f"  assign {pin(cell, port)} = {value};"


def _address(cell: Cell, port: str) -> list[int | str]:
    """An address, a bus or single pins."""
    if port in cell["connections"]:
        return list(cell["connections"][port])
    names = [f"{port}{i}" for i in range(8)]
    return [cell["connections"][name][0] for name in names if name in cell["connections"]]


def lut_memory(number: int, cell: Cell) -> Iterator[str]:
    """RAM32M, RAM32M16, RAM64M, RAM64M8: the last port's address writes all; RAM<n>X1D and X1S."""
    _start_empty(cell)
    kind, pins, name = cell["type"], cell["connections"], f"ram{number}"
    depth = int(re.findall(r"\d+", kind)[0])
    if "X1" in kind:
        ports = [("", "A", "D", "SPO" if kind.endswith("D") else "O")]
        ports += [("r", "DPRA", "D", "DPO")] if kind.endswith("D") else []
        write = "A"
    else:
        letters = "ABCDEFGH" if "ADDRH" in pins else "ABCD"
        ports = [(letter, f"ADDR{letter}", f"DI{letter}", f"DO{letter}") for letter in letters]
        write = f"ADDR{letters[-1]}"
    for suffix, address, given, read in ports:
        outs = [bit for bit in pins.get(read, []) if isinstance(bit, int)]
        if not outs:
            continue
        width = len(pins[read])
        memory = f"{name}_{suffix}"
        yield f"  logic [{width - 1}:0] {memory} [{depth}] = '{{default: '0}};"
        yield (
            f"  always_ff @(posedge {pin(cell, 'WCLK')}) if ({pin(cell, 'WE')}) "
            f"{memory}[{bus(_address(cell, write))}] <= {bus(pins[given][:width])};"
        )
        for i, bit in enumerate(pins[read]):
            if isinstance(bit, int):
                yield f"  assign n{bit} = {memory}[{bus(_address(cell, address))}][{i}];"


def block_memory(number: int, cell: Cell) -> Iterator[str]:
    """RAMB18/36 E1/E2 as an instance of estimate_bram; ports of 72 (36 of a half) bits take both data buses."""
    _start_empty(cell)
    pins, name = cell["connections"], f"bram{number}"
    parameters = {
        key: int(value, 2) for key, value in cell["parameters"].items() if re.fullmatch(r"(READ|WRITE)_WIDTH_[AB]", key)
    }
    half = cell["type"].startswith("RAMB18")
    lane = 16 if half else 32
    e2 = cell["type"].endswith("E2")
    di = {"A": ("DINADIN", "DINPADINP"), "B": ("DINBDIN", "DINPBDINP")}
    do = {"A": ("DOUTADOUT", "DOUTPADOUTP"), "B": ("DOUTBDOUT", "DOUTPBDOUTP")}
    if not e2:
        di = {"A": ("DIADI", "DIPADIP"), "B": ("DIBDI", "DIPBDIP")}
        do = {"A": ("DOADO", "DOPADOP"), "B": ("DOBDO", "DOPBDOP")}

    def both(width: int) -> bool:
        return width == (36 if half else 72)

    def given(side: str) -> str:
        if both(parameters[f"WRITE_WIDTH_{side}"]):
            data, parity = ([*pins.get(di["A"][k], []), *pins.get(di["B"][k], [])] for k in (0, 1))
        else:
            data, parity = (list(pins.get(di[side][k], [])) for k in (0, 1))
        return "{" + f"{bus(parity, 8)}, {bus(data, 64)}" + "}"

    for side in "ab":
        yield f"  logic [71:0] {name}_{side};"
        upper = side.upper()
        if not parameters[f"READ_WIDTH_{upper}"]:
            continue
        wide = both(parameters[f"READ_WIDTH_{upper}"])
        sources = "AB" if wide else upper
        for at, source in enumerate(sources):
            for k, base in ((0, at * lane), (1, 64 + at * lane // 8)):
                for i, bit in enumerate(pins.get(do[source][k], [])):
                    if isinstance(bit, int):
                        yield f"  assign n{bit} = {name}_{side}[{base + i}];"
    enables = {"A": "ENARDEN", "B": "ENBWREN"}
    clocks = {"A": "CLKARDCLK", "B": "CLKBWRCLK"}
    addresses = {"A": "ADDRARDADDR", "B": "ADDRBWRADDR"}
    writes = {"A": "WEA", "B": "WEBWE"}
    settings = [f".Bits({16384 if half else 32768})"]
    settings += [
        f".{way}Width{side}({parameters[f'{way.upper()}_WIDTH_{side}']})" for way in ("Read", "Write") for side in "AB"
    ]
    settings += [f'.WriteMode{side}("{cell["parameters"].get(f"WRITE_MODE_{side}", "READ_FIRST")}")' for side in "AB"]
    ports = []
    for side in "AB":
        low = side.lower()
        ports += [
            f".clk_{low}({pin(cell, clocks[side])})",
            f".enable_{low}({pin(cell, enables[side])})",
            f".address_{low}({bus(pins[addresses[side]][:15], 15)})",
            f".write_{low}({bus(pins.get(writes[side], [])[:8], 8)})",
            f".data_{low}_i({given(side)})",
            f".data_{low}_o({name}_{low})",
        ]
    yield f"  estimate_bram #({', '.join(settings)}) {name} ({', '.join(ports)});"
