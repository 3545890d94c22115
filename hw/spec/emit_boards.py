# SPDX-License-Identifier: Apache-2.0
"""The page about the boards: its tables are hw/spec/boards.toml."""

from collections.abc import Iterable, Sequence

from .schema import Board, Spec
from .text import LICENCE, NOTICE

FAMILY_NAMES = ("zynq7", "Zynq-7000"), ("zynqmp", "Zynq UltraScale+"), ("versal", "Versal AI Core")

HEAD = """\
<!-- {licence} -->
<!-- {notice} -->
# Boards

Five boards, each with an engine for FP4 and one for FP6. `make synth BOARD=… FORMAT=… CORE=…` builds a bitstream
([bitstreams/README.md](../bitstreams/README.md)); **none of them has been built or run yet**: there was no Vivado and
no board where this was written. The geometries, and all that follows from them, are estimates.

## The devices

From AMD's data sheets. Bandwidth is that of the memory chips, which no design reaches in full.
"""

ENGINES = """
## The engines

R x C x L multiply-accumulates at a time in every bank; each bank has a memory port for weights of its own. The peak is
reached while the buffers are fed; a layer of few rows is bound by memory. [rtl.md](rtl.md) describes the parts.
"""

SOFTWARE = """
## What a board boots, and what builds its bitstream
"""

NOTES = """
* **PYNQ-Z2**: PYNQ 4.0 left Zynq-7000 boards behind; 3.1 is their last image. Half a GiB of memory is little for a
  model's weights. Vivado does not ship this board's files, and the flow does not need them.
* **KV260**: Kria boards have an installer of their own, Kria-PYNQ, on top of Ubuntu 22.04. There is none for PYNQ 4.0.
* **ZCU104** is PYNQ's reference board, and a bitstream for it needs no licence.
* **ZCU102**: there is no ready image; PYNQ's `sdbuild` makes one from AMD's BSP for the board.
* **VCK190**: a Versal device sets up its network-on-chip and its memory controllers at boot, so an image for the
  programmable logic fits only the boot image that it was built with. See "Versal" in
  [bitstreams/README.md](../bitstreams/README.md).

Standard is the edition of Vivado that is free of charge. Without a licence a build for an Enterprise device ends at
synthesis; the flow recognises that and says so.

## Adding a board

Add it to `hw/spec/boards.toml` with a geometry for each family, run `make gen`, and try `make test`: its block designs
are then made under a stand-in for Vivado, with every connection and address checked. A device family other than these
three needs a platform script in `hw/boards/` and an entry in `hw/synth/platforms.py`.
"""


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in (headings, ["---"] * len(headings), *rows)]


def _devices(boards: dict[str, Board]) -> list[str]:
    names = dict(FAMILY_NAMES)
    rows = [
        (
            f"`{name}`",
            f"`{board.part}`",
            names[board.device],
            f"{board.luts:,}",
            f"{board.dsps:,}",
            f"{board.bram36}",
            f"{board.uram}",
            f"{board.memory_mib / 1024:g} GiB",
            f"{board.bandwidth_gbps:g} GB/s",
        )
        for name, board in boards.items()
    ]
    return _table(("board", "part", "family", "LUTs", "DSPs", "BRAM36", "URAM", "memory", "bandwidth"), rows)


def _engines(boards: dict[str, Board]) -> list[str]:
    rows = []
    for name, board in boards.items():
        for family, size in board.geometry.items():
            macs = size.rows * size.columns * size.lanes * size.banks
            shape = f"{size.rows} x {size.columns} x {size.lanes}"
            peak = macs * board.clock_mhz / 1000
            rows.append(
                (
                    f"`{name}`",
                    family,
                    shape,
                    size.banks,
                    f"{macs:,}",
                    board.clock_mhz,
                    f"{peak:,.0f}",
                    f"{size.act_depth:,}",
                    size.bus_bits,
                )
            )
    headings = (
        "board",
        "format",
        "R x C x L",
        "banks",
        "MAC/cycle",
        "MHz asked for",
        "peak GMAC/s",
        "activation chunks",
        "AXI bits",
    )
    return _table(headings, rows)


def _software(boards: dict[str, Board]) -> list[str]:
    rows = [(f"`{name}`", board.image, board.python, board.vivado) for name, board in boards.items()]
    return _table(("board", "image", "Python", "Vivado edition, at least"), rows)


def emit_boards(spec: Spec) -> str:
    """Text of `docs/boards.md`."""
    boards = spec.boards.boards
    lines = [HEAD.format(licence=LICENCE, notice=NOTICE), *_devices(boards)]
    lines += [ENGINES, *_engines(boards), SOFTWARE, *_software(boards), NOTES.rstrip("\n"), ""]
    return "\n".join(lines)
