# SPDX-License-Identifier: Apache-2.0
"""How deep the engine is: the modules that values and commands go through, as a KV260 has them (FP4); the prologue of a
VCK190's wide bus, too.

Between registers there may be three LUT levels and one carry chain at most.
"""

from collections.abc import Sequence

from rich.table import Table

from .boards import spec_geometry
from .catalog import Unit
from .measure import Row
from .synthesis import Design

__all__ = ["AIM", "datapath_table", "datapath_units", "deeper"]

AIM = (3, 1)  # LUT levels, carry chains


def datapath_units() -> list[Unit]:
    """Every module that a value of X, W or Y goes through, in the order of its way; then those that steer them."""
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
        ("fpq_x_loader", {"Rows": size.rows, "ActDepth": size.act_depth}),
        ("fpq_w_loader", {"Columns": size.columns}),
        ("fpq_issue", {"Rows": size.rows, "Columns": size.columns, "Banks": size.banks, "Slots": groups}),
        ("fpq_plan", {"Rows": size.rows, "Columns": size.columns}),
        ("fpq_commands", {**bank, "Banks": size.banks, "ActDepth": size.act_depth, "BusBits": size.bus_bits}),
        ("fpq_run", {"Banks": size.banks}),
        ("fpq_control", {}),
    ]  # fmt: skip
    wide = spec_geometry("vck190", "fp4")
    prologue = Design("fpq_prologue", {"Words": wide.bus_bits // 16, "Lanes": wide.lanes})
    return [
        *(Unit(top, Design(top, parameters), "module") for top, parameters in designs),
        Unit(f"fpq_prologue, {wide.bus_bits}-bit bus", prologue, "module"),
    ]


def deeper(rows: Sequence[Row]) -> list[str]:
    """A sentence for each module that is deeper than it may be."""
    return [
        f"{row.unit.name}: {row.depth.levels} LUT levels, {row.depth.chains} carry chains "
        f"from {row.depth.start} to {row.depth.end}; at most {AIM[0]} and {AIM[1]}: cut the way with a register"
        for row in rows
        if _over(row)
    ]


def _over(row: Row) -> bool:
    return row.depth.levels > AIM[0] or row.depth.chains > AIM[1]


def datapath_table(rows: Sequence[Row]) -> Table:
    """Each module's depth, and whether it is over the aim."""
    table = Table(title=f"Depth (aim: {AIM[0]} LUT levels, {AIM[1]} chain)", title_justify="left")
    for name in ("module", "LUT", "FF", "LUT levels", "chains", ""):
        table.add_column(name)
    for row in rows:
        depth, count = row.depth, row.count
        cells = (f"{count.sites:,}", f"{count.ff:,}", str(depth.levels), str(depth.chains))
        table.add_row(row.unit.name, *cells, "too deep" if _over(row) else "")
    return table
