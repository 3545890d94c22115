# SPDX-License-Identifier: Apache-2.0
"""What differs between device families, as far as Python needs it. The block designs are in hw/boards/<family>.tcl."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PLATFORMS", "Platform", "Window"]

GIB = 1 << 30


@dataclass(frozen=True)
class Window:
    """A piece of the address map behind which memory lies; `name` is what the family's script knows it by."""

    name: str
    offset: int  # device address
    size: int  # bytes


@dataclass(frozen=True)
class Platform:
    """A device family.

    `macro` chooses the primitives of hw/rtl; without one the tool infers them. On Versal that is the choice: its carry
    chains (LOOKAHEAD8) and DSP58 are other primitives than those that the modules name. Its releases begin with the one
    that splits the image into a part for boot and one for programmable logic (segmented configuration).
    """

    title: str
    macro: str | None
    bus_bits: int  # the widest memory port that the processor side takes
    masters: int  # memory masters that find a port, more than one on a port included
    control_base: int  # where the processor sees the first register
    image: str  # suffix of the configuration image
    low: int  # bytes of memory below 4 GiB
    vivado: tuple[int, int]  # the oldest release that will do
    extra: tuple[Window, ...] = ()  # memory beyond the board's `memory_mib`

    @property
    def images(self) -> tuple[str, ...]:
        """Endings of what the image stage leaves: configuration, hardware platform, on Versal the part for boot."""
        return f".{self.image}", ".xsa", *(("_boot.pdi",) if self.image == "pdi" else ())

    def windows(self, memory_mib: int) -> tuple[Window, ...]:
        """Where the board's memory lies: up to `low` bytes from 0 on, the rest at 32 GiB."""
        total = memory_mib << 20
        found = [Window("low", 0, min(total, self.low))]
        if total > self.low:
            found.append(Window("high", 32 * GIB, total - self.low))
        return (*found, *self.extra)


# UG585, UG1085 and AM011 give the address maps.
PLATFORMS: Mapping[str, Platform] = {
    "zynq7": Platform("Zynq-7000", "FPQ_SERIES7", 64, 6, 0x4000_0000, "bit", 1 * GIB, (2022, 2)),
    "zynqmp": Platform("Zynq UltraScale+", "FPQ_ULTRASCALE", 128, 6, 0xA000_0000, "bit", 2 * GIB, (2022, 2)),
    "versal": Platform(
        "Versal", None, 512, 6, 0xA400_0000, "pdi", 2 * GIB, (2024, 2), (Window("lpddr", 0x500_0000_0000, 8 * GIB),)
    ),
}
