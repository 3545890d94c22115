# SPDX-License-Identifier: Apache-2.0
"""What the simulated devices share: memory in this process, and an engine call that runs in a thread of its own."""

import threading
from abc import abstractmethod
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from host.device import DEFAULT_TIMEOUT, Buffer, Device, DeviceTimeout, EngineInfo, RunResult
from host.memory import Memory
from sw_quant.errors import FpqvarError

__all__ = ["DEFAULT_MEMORY_BYTES", "SimulatedDevice"]

DEFAULT_MEMORY_BYTES = 1 << 28
CLOSE_TIMEOUT = 10.0  # seconds


class _Buffer(Buffer):
    def __init__(self, memory: Memory, nbytes: int) -> None:
        self._memory = memory
        self.address = memory.allocate(nbytes)
        self.nbytes = nbytes

    def write(self, array: npt.NDArray[Any], offset: int = 0) -> None:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._check_range(len(data), offset)
        self._memory.write(self.address + offset, data)

    def read(self, nbytes: int, offset: int = 0) -> npt.NDArray[np.uint8]:
        self._check_range(nbytes, offset)
        return self._memory.view(self.address + offset, nbytes).copy()

    def free(self) -> None:
        self._memory.free(self.address)


class SimulatedDevice(Device):
    """A device in this process. A subclass says in `_execute` what its engine does to `memory.data`."""

    def __init__(self, info: EngineInfo, memory_bytes: int = DEFAULT_MEMORY_BYTES, memory_base: int = 0) -> None:
        self.info = info
        self.memory = Memory(memory_bytes, memory_base)
        self._lists: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running = False
        self._done = threading.Event()
        self._registers: Mapping[str, int] = {}
        self._failure: BaseException | None = None

    @abstractmethod
    def _execute(self, list_address: int, count: int) -> Mapping[str, int]:
        """Run `count` commands and return the `out` registers by name. Always called in the same thread."""

    def execute(self, list_address: int, count: int) -> Mapping[str, int]:
        """Run a list here and now, not in the engine's thread, and return the `out` registers as they are, by name."""
        return self._execute(list_address, count)

    def allocate(self, nbytes: int) -> Buffer:
        """A buffer in `memory`."""
        return _Buffer(self.memory, nbytes)

    def free_bytes(self) -> int:
        """What is left of `memory`."""
        return self.memory.free_bytes

    def start(self, list_address: int, count: int) -> None:
        """Let the engine's thread run the list."""
        if self._running:
            raise FpqvarError(f"{self.info.backend} engine: a run is under way; wait for it before starting another")
        if self._thread is None:
            # One thread for good, because torch's own threads belong to the thread that calls it. A daemon, because a
            # simulation that never ends must not keep the process alive after its time-out was reported.
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._running = True
        self._done.clear()
        self._lists.put((list_address, count))

    def _work(self) -> None:
        while (item := self._lists.get()) is not None:
            self._failure = None
            try:
                self._registers = self._execute(*item)
            except BaseException as error:  # handed to whoever waits
                self._failure = error
            self._done.set()

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> RunResult:
        """Wait for the engine's thread; what it raised is raised here."""
        if not self._running:
            raise FpqvarError(f"{self.info.backend} engine: nothing was started, so there is nothing to wait for")
        if not self._done.wait(timeout):
            raise DeviceTimeout(
                f"{self.info.backend} engine: not done after {timeout:g} s; allow it more time, or take a smaller run"
            )
        self._running = False
        if self._failure is not None:
            raise self._failure
        return RunResult.from_registers(self._registers)

    def close(self) -> None:
        """End the thread; wait a little for a run that is under way."""
        if self._thread is not None:
            self._lists.put(None)
            self._thread.join(CLOSE_TIMEOUT)
            self._thread = None
