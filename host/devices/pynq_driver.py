# SPDX-License-Identifier: Apache-2.0
"""The engine's PYNQ driver: pynq binds it to the block by its VLNV when an overlay is loaded.

It knows nothing of models. `host.devices.pynq.PynqDevice` is what a user opens. Needs the package pynq.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from pynq import DefaultIP

from host._generated import IP_VLNV, REGISTERS
from host.registers import register_words
from sw_quant.errors import FpqvarError

__all__ = ["FpqAccel"]

_AP_START, _AP_DONE, _AP_IDLE = (1 << REGISTERS["ctrl"].fields[name].lsb for name in ("ap_start", "ap_done", "ap_idle"))
_DONE = 1  # of ip_ier and ip_isr
_MASK = 0xFFFFFFFF
SHORTEST_SLEEP, LONGEST_SLEEP = 20e-6, 2e-3  # seconds between two looks at ap_done
INTERRUPT_SLICE = 1.0  # seconds after which ap_done is looked at all the same


class FpqAccel(DefaultIP):  # type: ignore[misc]  # pynq is not typed
    """Starts a command list and reads what became of it.

    Offsets come from the hardware handoff (.hwh), not from this package, so that a block whose registers lie elsewhere
    is found out. ap_done is clear-on-read: nothing but `is_done` may read the control register of a running engine, and
    it is written whole, never read, changed and written back.

    Raises FpqvarError when the handoff lacks a register.
    """

    bindto = [*IP_VLNV.values()]  # noqa: RUF012  # pynq's name and type

    def __init__(self, description: Mapping[str, Any]) -> None:
        super().__init__(description=description)
        found = description.get("registers") or {}
        self._offsets: dict[str, int] = {}
        for register in REGISTERS.values():
            for word in register_words(register):
                if word.name not in found:
                    raise FpqvarError(
                        f"{description.get('fullpath', 'the engine')}: the .hwh has no register {word.name!r}; it is "
                        "not of this bitstream or of another contract: copy the .bit and the .hwh of one build together"
                    )
                self._offsets[word.name] = int(found[word.name]["address_offset"])
        self._done = False

    def start(self, list_address: int, count: int) -> None:
        """Start the `count` commands at `list_address`; raises FpqvarError if the engine is not idle."""
        if not self.is_idle():
            raise FpqvarError("pynq engine: a run is under way; wait for it before starting another")
        self._done = False
        self._set("list_address", list_address)
        self._set("count", count)
        if self._interrupt() is not None:
            self.write(self._offsets["GIER"], 1)
            self.write(self._offsets["IP_IER"], _DONE)
        self.write(self._offsets["CTRL"], _AP_START)

    def is_idle(self) -> bool:
        """Whether nothing runs. The reading takes ap_done away, so it is kept."""
        control = self.read(self._offsets["CTRL"])
        self._done |= bool(control & _AP_DONE)
        return bool(control & _AP_IDLE)

    def is_done(self) -> bool:
        """Whether the run that was started last has ended."""
        self.is_idle()
        return self._done

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the run to end: by the interrupt where the overlay has it wired and no
        event loop runs in this thread (in a notebook one does), else by looking at ap_done. Returns whether it has."""
        deadline = time.monotonic() + timeout
        interrupt = self._interrupt()
        pause = SHORTEST_SLEEP
        while not self.is_done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if interrupt is not None:
                _wait_for(interrupt, min(left, INTERRUPT_SLICE))
                if self.read(self._offsets["IP_ISR"]) & _DONE:
                    self.write(self._offsets["IP_ISR"], _DONE)  # toggles the bit back
            else:
                time.sleep(min(pause, left))
                pause = min(2 * pause, LONGEST_SLEEP)
        return True

    def _interrupt(self) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return getattr(self, "interrupt", None)
        return None

    def registers_out(self) -> dict[str, int]:
        """The `out` registers by their names in hw/spec/registers.toml."""
        return {name: self._get(name) for name, register in REGISTERS.items() if register.access == "out"}

    def _get(self, name: str) -> int:
        words = register_words(REGISTERS[name])
        return sum((self.read(self._offsets[word.name]) & _MASK) << 32 * i for i, word in enumerate(words))

    def _set(self, name: str, value: int) -> None:
        for i, word in enumerate(register_words(REGISTERS[name])):
            self.write(self._offsets[word.name], int(value) >> 32 * i & _MASK)


def _wait_for(interrupt: Any, seconds: float) -> None:
    async def wait() -> None:
        with contextlib.suppress(asyncio.TimeoutError):  # on Python 3.10 this is not the built-in TimeoutError
            await asyncio.wait_for(interrupt.wait(), seconds)

    asyncio.get_event_loop().run_until_complete(wait())
