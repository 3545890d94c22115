# SPDX-License-Identifier: Apache-2.0
"""What the cocotb modules share: clock and reset, vectors through a pipeline, seeded random numbers."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

__all__ = ["CLOCK_NS", "expect", "generator", "join", "pipeline", "split", "start"]

CLOCK_NS = 10


def generator() -> np.random.Generator:
    """Random numbers of this test; cocotb prints the seed and seeds `random` from it."""
    return np.random.default_rng(random.getrandbits(64))


async def start(dut: Any, **initial: int) -> None:
    """Start the clock, set inputs, and leave reset (if the design has one) after some cycles."""
    for name, value in initial.items():
        getattr(dut, name).value = value
    Clock(dut.clk_i, CLOCK_NS, "ns").start()
    if hasattr(dut, "rst_ni"):
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 4)
        dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)


def join(values: Iterable[int], bits: int) -> int:
    """Values side by side, the first lowest."""
    word = 0
    for place, value in enumerate(values):
        word |= (int(value) & (1 << bits) - 1) << place * bits
    return word


def split(word: int, bits: int, count: int) -> list[int]:
    """The opposite of `join`."""
    return [word >> place * bits & (1 << bits) - 1 for place in range(count)]


async def pipeline(
    dut: Any, latency: int, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]
) -> list[npt.NDArray[np.int64]]:
    """Send one set of inputs a cycle through a design of fixed latency; the outputs that answer them, as integers."""
    clock = RisingEdge(dut.clk_i)
    drives = [getattr(dut, name) for name in inputs]
    reads = [getattr(dut, name) for name in outputs]
    answers: list[list[int]] = [[] for _ in outputs]
    for index, values in enumerate(zip(*inputs.values(), strict=True)):
        for handle, value in zip(drives, values, strict=True):
            handle.value = int(value)
        await clock
        if index >= latency:
            for answer, handle in zip(answers, reads, strict=True):
                answer.append(int(handle.value))
    for _ in range(latency):
        await clock
        for answer, handle in zip(answers, reads, strict=True):
            answer.append(int(handle.value))
    return [np.array(answer, np.int64) for answer in answers]


def expect(
    found: npt.NDArray[Any], wanted: npt.NDArray[Any], inputs: Mapping[str, Sequence[int] | npt.NDArray[Any]]
) -> None:
    """All equal; else AssertionError that shows the first inputs that gave something else."""
    wrong = np.flatnonzero(np.asarray(found) != np.asarray(wanted))
    if len(wrong):
        at = wrong[0]
        given = ", ".join(f"{name}={int(values[at]):#x}" for name, values in inputs.items())
        what = f"{given} gave {int(found[at]):#x}, not {int(wanted[at]):#x}"
        raise AssertionError(f"{len(wrong)} of {len(found)} differ; first at {at}: {what}")
