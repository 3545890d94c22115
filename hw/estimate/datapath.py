# SPDX-License-Identifier: Apache-2.0
"""How deep the data path is: its modules as a KV260 has them (FP4), and the LUT levels and carry chains each may have.

The aim is at most three LUT levels and one carry chain between registers. What is deeper has an entry in DEEPER, with
the reason; it may become leaner, never deeper.
"""

from collections.abc import Sequence

from rich.table import Table

from .boards import spec_geometry
from .catalog import Unit
from .measure import Row
from .synthesis import Design

__all__ = ["AIM", "DEEPER", "allowed", "datapath_table", "datapath_units", "deeper"]

AIM = (3, 1)  # LUT levels, carry chains
# Yosys recovers area wherever a longer path leaves time, which makes ways of small LUTs deeper than they need be.
DEEPER = {
    "fpq_store": ((5, 1), "flags of queues behind one another; its 64-bit addresses leave Yosys the time for it"),
}


def datapath_units() -> list[Unit]:
    """Every module that a value of X, W or Y goes through, with a KV260's parameters, in the order of its way."""
    size = spec_geometry("kv260", "fp4")
    words, groups = size.bus_bits // 16, 16 * 128 // size.lanes // 4
    chunk = {"BusBits": size.bus_bits, "Columns": size.columns, "ChunkBits": size.columns * size.lanes * 4}
    bank = {"Rows": size.rows, "Columns": size.columns}
    designs: list[tuple[str, dict[str, int]]] = [
        ("fpq_fifo", {}),
        ("fpq_slice", {}),
        ("fpq_x_read", {"BusBits": size.bus_bits}),
        ("fpq_realign", {"BusBits": size.bus_bits}),
        ("fpq_row_marks", {"Words": words}),
        ("fpq_exponent_max", {"Words": words}),
        ("fpq_block_buffer", {"Words": words}),
        ("fpq_align", {}),
        ("fpq_hadamard", {"Words": words}),
        ("fpq_extremes", {"Words": words}),
        ("fpq_group_max", {"Channels": 2}),
        ("fpq_scale", {}),
        ("fpq_absmax", {"Words": words}),
        ("fpq_threshold", {}),
        ("fpq_thresholds", {}),
        ("fpq_search", {}),
        ("fpq_quantizer", {"Words": words}),
        ("fpq_row_buffer", {"Width": 188, "Depth": 1280}),
        ("fpq_prologue_room", {}),
        ("fpq_pack", {"Words": words, "Lanes": size.lanes}),
        ("fpq_prologue", {"Words": words, "Lanes": size.lanes}),
        ("fpq_act_buffer", {"Rows": size.rows, "CodesWidth": size.lanes * 4, "ActDepth": size.act_depth, "Ultra": 1}),
        ("fpq_w_unpack", chunk),
        ("fpq_weights", chunk),
        ("fpq_dot_fp4_dsp", {"Lanes": size.lanes}),
        ("fpq_array_fp4", {"Rows": 2, "Columns": 4, "Lanes": size.lanes}),
        ("fpq_bank_scales", {**bank, "Share": 4}),
        ("fpq_turns", {}),
        ("fpq_normalize", {}),
        ("fpq_term", {}),
        ("fpq_add", {}),
        ("fpq_float_unit", {"Slots": groups}),
        ("fpq_bias", {}),
        ("fpq_to_fp16", {}),
        ("fpq_drain", {**bank, "Share": 4, "Slots": groups}),
        ("fpq_store_walk", {"Rows": size.rows, "Columns": 2 * size.columns, "Banks": size.banks // 2}),
        ("fpq_store_pack", {"BusBits": size.bus_bits, "Columns": 2 * size.columns, "OutWidth": 2 * size.columns,
                            "Banks": size.banks // 2}),
        ("fpq_axi_write", {"BusBits": size.bus_bits, "DataDepth": 8}),
        ("fpq_store", {**bank, "Banks": size.banks, "BusBits": size.bus_bits}),
    ]  # fmt: skip
    return [Unit(top, Design(top, parameters), "module") for top, parameters in designs]


def allowed(top: str) -> tuple[int, int]:
    """LUT levels and carry chains that a module may have."""
    return DEEPER[top][0] if top in DEEPER else AIM


def deeper(rows: Sequence[Row]) -> list[str]:
    """A sentence for each module that is deeper than it may be."""
    found = []
    for row in rows:
        levels, chains = allowed(row.unit.design.top)
        if row.depth.levels > levels or row.depth.chains > chains:
            found.append(
                f"{row.unit.design.top}: {row.depth.levels} LUT levels, {row.depth.chains} carry chains "
                f"from {row.depth.start} to {row.depth.end}; at most {levels} and {chains}: cut the way with a register"
            )
    return found


def datapath_table(rows: Sequence[Row]) -> Table:
    """Each module's depth, and why it is deeper than the aim where it is."""
    table = Table(title=f"Depth of the data path (aim: {AIM[0]} LUT levels, {AIM[1]} chain)", title_justify="left")
    for name in ("module", "LUT", "FF", "LUT levels", "chains", "deeper than the aim"):
        table.add_column(name)
    for row in rows:
        top, depth = row.unit.design.top, row.depth
        over = depth.levels > AIM[0] or depth.chains > AIM[1]
        reason = (DEEPER[top][1] if top in DEEPER else "not allowed") if over else ""
        table.add_row(top, f"{row.count.sites:,}", f"{row.count.ff:,}", str(depth.levels), str(depth.chains), reason)
    return table
