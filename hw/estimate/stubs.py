# SPDX-License-Identifier: Apache-2.0
"""What stands for the parts that a netlist leaves out, when it runs in lockstep with its source.

Both sides get the same stub: its outputs are registered hashes of all its inputs of the last cycles, so that a part
that is given something else by the netlist answers something else. The part itself is verified by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sw_quant.errors import FpqvarError

from .synthesis import overridable

__all__ = ["stub_modules"]

CLOCKS = ("clk_i", "ap_clk")


def _ports(cell: Mapping[str, Any]) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted((cell["port_directions"][port], port, len(bits)) for port, bits in cell["connections"].items()))


def _stub(kind: str, ports: Sequence[tuple[str, str, int]], sources: Sequence[Any]) -> str:
    names = overridable(kind, sources)
    head = f" #({', '.join(f'parameter {name} = 0' for name in names)})" if names else ""
    inputs = [(name, width) for way, name, width in ports if way == "input" and name not in CLOCKS]
    outputs = [(name, width) for way, name, width in ports if way == "output"]
    clock = next((name for _, name, _ in ports if name in CLOCKS), None)
    width = sum(width for _, width in inputs)
    total = sum(width for _, width in outputs)
    words = (width + 63) // 64
    lines = [f"module {kind}{head} ("]
    lines.append(",\n".join(f"  {way} logic [{w - 1}:0] {name}" for way, name, w in ports))
    lines += [
        ");",
        f"  logic [{64 * words - 1}:0] given;",
        f"  assign given = {64 * words}'({{{', '.join(name for name, _ in inputs)}}});",
        "  logic [63:0] hash, one_q, two_q;",
        "  always_comb begin",
        "    hash = 64'd1;",
        f"    for (int i = 0; i < {words}; i++) hash = (hash ^ given[64*i+:64]) * 64'h9e3779b97f4a7c15;",
        "  end",
    ]
    state = "one_q ^ (two_q >> 7)"
    if clock is None:
        state = "hash ^ (hash >> 7)"
    else:
        lines.append(f"  always_ff @(posedge {clock}) {{one_q, two_q}} <= {{hash ^ (hash >> 31), one_q}};")
    lines += [f"  logic [{total - 1}:0] answer;", "  logic [63:0] mixed;", f"  assign mixed = {state};"]
    # Word by word: Verilator unrolls no loop of more than 16,384 turns.
    lines += [
        f"  for (genvar i = 0; i < {(total + 63) // 64}; i++) begin : gen_words",
        f"    for (genvar j = 0; j < 64 && 64 * i + j < {total}; j++) assign answer[64*i+j] = mixed[(j*29+i)%64];",
        "  end",
    ]
    lines.append(f"  assign {{{', '.join(name for name, _ in outputs)}}} = answer;")
    return "\n".join([*lines, "endmodule", ""])


def stub_modules(keep: Sequence[str], module: Mapping[str, Any], sources: Sequence[Any]) -> str:
    """SystemVerilog of a stub for each kind of part in a netlist.

    Raises FpqvarError where two parts of a kind differ in their ports' widths.
    """
    found: dict[str, tuple[tuple[str, str, int], ...]] = {}
    for cell in module["cells"].values():
        if cell["type"] in keep and found.setdefault(cell["type"], _ports(cell)) != _ports(cell):
            raise FpqvarError(f"estimate: {cell['type']} stands in one design with different widths; leave it inside")
    return "\n".join(_stub(kind, ports, sources) for kind, ports in found.items())
