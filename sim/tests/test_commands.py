# SPDX-License-Identifier: Apache-2.0
"""fpq_commands: lists from memory to the units' queues under random stalls; refusals and failed reads end them."""

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from host._generated import DESCRIPTOR_BYTES, ErrorCode, Opcode
from host.command import check, decode_fields, encode_fields
from sim.bench import generator, start
from sim.jobs import members
from sim.tests.test_plan import FAMILY, GEOMETRY, STRUCTS, damage, expected, good_fields

BEATS = DESCRIPTOR_BYTES * 8 // GEOMETRY.bus_bits
BEAT_BYTES = GEOMETRY.bus_bits // 8
QUIET = 60  # cycles after the end in which nothing more may come
Job = dict[str, int]


class Run:
    """One list on the device under test: memory, queues, and all that was seen."""

    def __init__(self, dut: Any, rng: np.random.Generator, commands: list[bytes], fault: int | None) -> None:
        self.dut, self.rng, self.commands, self.fault = dut, rng, commands, fault
        self.base = 64 * int(rng.integers(1 << 50))
        self.pause = float(rng.choice([0.0, 0.3, 0.8]))
        self.beats: deque[tuple[int, bool]] = deque()
        self.asked = 0
        self.found: dict[str, list[Job]] = {name: [] for name in self.queues()}
        self.refused: tuple[ErrorCode, int] | None = None
        self.failed: int | None = None

    @staticmethod
    def queues() -> list[str]:
        return ["x", *(f"w{bank}" for bank in range(GEOMETRY.banks)), "issue", "store"]

    def struct(self, queue: str) -> dict[str, int]:
        return STRUCTS["w" if queue[0] == "w" else queue]

    def wants(self) -> bool:
        return bool(self.rng.random() >= self.pause)

    async def cycle(self, first: bool) -> None:
        dut, ready = self.dut, {name: self.wants() for name in self.found}
        dut.start_i.value = first
        dut.room_i.value = self.wants()
        dut.fetch_ready_i.value = may_ask = not self.beats and self.wants()
        beat = self.beats.popleft() if self.beats and self.wants() else None
        dut.beat_valid_i.value = beat is not None
        dut.beat_data_i.value, dut.beat_error_i.value = beat or (0, False)
        for name in ("x", "issue", "store"):
            getattr(dut, f"{name}_ready_i").value = ready[name]
        dut.w_ready_i.value = sum(ready[f"w{bank}"] << bank for bank in range(GEOMETRY.banks))
        await ReadOnly()
        if may_ask and int(dut.fetch_valid_o.value):
            self.ask(int(dut.fetch_addr_o.value), int(dut.fetch_tag_o.value))
        for name, jobs in self.found.items():
            bank = int(name[1:]) if name[0] == "w" else 0
            port = name.rstrip("0123456789")
            if ready[name] and int(getattr(dut, f"{port}_valid_o").value) >> bank & 1:
                bits = sum(self.struct(name).values())
                word = int(getattr(dut, f"{port}_job_o").value) >> bank * bits & (1 << bits) - 1
                jobs.append(members(word, self.struct(name)))
        if int(dut.refuse_o.value):
            self.refused = ErrorCode(int(dut.refuse_code_o.value)), int(dut.refuse_tag_o.value)
        if int(dut.error_o.value):
            self.failed = int(dut.error_tag_o.value)
        await RisingEdge(dut.clk_i)

    def ask(self, address: int, tag: int) -> None:
        """Descriptors are asked for in order, with their index as tag."""
        assert self.asked < len(self.commands), "a descriptor beyond the list was asked for"
        assert address == self.base + self.asked * DESCRIPTOR_BYTES
        assert tag == self.asked % 16
        raw = self.commands[self.asked]
        bad = int(self.rng.integers(BEATS)) if self.asked == self.fault else -1
        for beat in range(BEATS):
            data = raw[beat * BEAT_BYTES : (beat + 1) * BEAT_BYTES]
            self.beats.append((int.from_bytes(data, "little"), beat == bad))
        self.asked += 1


async def play(dut: Any, rng: np.random.Generator, commands: list[bytes], fault: int | None) -> ErrorCode:
    """Run a list; what comes must be what the host makes of it."""
    run = Run(dut, rng, commands, fault)
    codes = [check(raw, FAMILY, GEOMETRY) for raw in commands]
    end = next((i for i, code in enumerate(codes) if i == fault or code != ErrorCode.OK), len(commands))
    wanted: dict[str, list[Job]] = {name: [] for name in run.found}
    for index, raw in enumerate(commands[:end]):
        tag = index % 16
        nop = decode_fields(raw)["opcode"] == Opcode.NOP
        jobs = {} if nop else expected(raw, tag)
        for name in wanted if not nop else ():
            wanted[name].append(jobs["w" if name[0] == "w" else name])
        if nop:
            wanted["store"].append({"nop": 1, "tag": tag})
    dut.rst_ni.value = 0
    await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    dut.list_addr_i.value, dut.count_i.value = run.base, len(commands)
    await run.cycle(True)
    quiet = 0
    for _ in range(40_000):
        before = sum(map(len, run.found.values()))
        await run.cycle(False)
        over = run.refused is not None or run.failed is not None or run.asked == len(commands)
        complete = all(len(run.found[name]) >= len(wanted[name]) for name in wanted)
        quiet = quiet + 1 if over and complete and before == sum(map(len, run.found.values())) else 0
        stopped = end == len(commands) or run.refused is not None or run.failed is not None
        if quiet > QUIET and stopped:
            break
    for job in run.found["store"]:
        if job["nop"]:
            for name in set(job) - {"nop", "tag"}:
                del job[name]
    assert run.found == wanted
    if end < len(commands):
        assert run.asked == end + 1, "a descriptor behind the one that ended the list was read"
    if end == fault:
        assert (run.failed, run.refused) == (end % 16, None)
        return ErrorCode.READ
    assert run.failed is None
    assert run.refused == (None if end == len(commands) else (codes[end], end % 16))
    return ErrorCode.OK if end == len(commands) else codes[end]


def nop() -> bytes:
    return encode_fields(dict.fromkeys(decode_fields(bytes(DESCRIPTOR_BYTES)), 0))


@cocotb.test()
async def lists(dut: Any) -> None:
    """Good ones, damaged ones, ones that memory fails; longer ones than tags go."""
    rng, met = generator(), set()
    await start(dut, start_i=0, room_i=0, fetch_ready_i=0, beat_valid_i=0, x_ready_i=0, w_ready_i=0)
    for number in range(40):
        count = int(rng.integers(1, 7)) if number else 20
        commands = [encode_fields(good_fields(rng)) if rng.integers(6) else nop() for _ in range(count)]
        at = int(rng.integers(count))
        if number % 3 == 1:
            commands[at] = damage(commands[at], rng)
        met.add(await play(dut, rng, commands, at if number % 3 == 2 else None))
    assert {ErrorCode.OK, ErrorCode.READ} < met, f"only {met} were met"
