# SPDX-License-Identifier: Apache-2.0
"""fpq_plan: the same descriptors refused as the host refuses, with the same code; the sizes of the others."""

import json
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from host._generated import (
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    FAMILIES,
    SECTION_BYTES,
    CommandFlag,
    ErrorCode,
    Geometry,
    Opcode,
)
from host.command import check, decode_fields, encode_fields
from host.layout import StreamShape, chunk_count
from sim.bench import generator, start
from sim.jobs import ISSUE_JOB, STORE_JOB, W_JOB, X_JOB, members
from sw_quant._generated import FORMATS

FAMILY = os.environ["FAMILY"]
GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
HALF = DESCRIPTOR_BYTES // 2
STRUCTS = {"x": X_JOB, "w": W_JOB, "issue": ISSUE_JOB, "store": STORE_JOB}


def good_fields(rng: np.random.Generator) -> dict[str, int]:
    """A command that runs."""
    family, units = FAMILIES[FAMILY], int(rng.choice([1, 2, 3, 4, 12, 33, 60, 240, 288]))
    k, n = 32 * units, 32 * int(rng.integers(1, 400))
    group = 32 * int(rng.choice([1, 2, 3, 4, 5, 8, units, units + 1, 1 << 26]))
    most = GEOMETRY.act_depth // chunk_count(k, min(group, k), GEOMETRY.lanes)
    flags = int(CommandFlag.GHT) if k % 128 == 0 and rng.integers(2) else 0
    return {
        "opcode": int(Opcode.GEMM),
        "a_format": FORMATS[str(rng.choice(family.activations))].id,
        "w_format": FORMATS[family.weights].id,
        "flags": flags | (int(CommandFlag.FENCE) if rng.integers(2) else 0),
        "m": int(rng.integers(1, 1 << int(rng.integers(1, 33)))),
        "n": n,
        "k": k,
        "group": group,
        "row_tiles": int(rng.choice([1, most, rng.integers(1, most + 1)])),
        "x_stride": 2 * k + 8 * int(rng.integers(3)),
        "y_stride": 2 * n + 8 * int(rng.integers(3)),
        **{f"{name}_address": 64 * int(rng.integers(1 << 58)) for name in "xwy"},
    }


def damage(raw: bytes, rng: np.random.Generator) -> bytes:
    """A flipped bit, or a field at one of its edges."""
    data = bytearray(raw)
    if rng.integers(2):
        data[int(rng.integers(DESCRIPTOR_BYTES))] ^= 1 << int(rng.integers(8))
    else:
        field = DESCRIPTOR_FIELDS[int(rng.integers(len(DESCRIPTOR_FIELDS)))]
        depth, _size = GEOMETRY.act_depth, field.bits // 8
        value = int(rng.choice([0, 1, 8, 31, 32, 33, 128, depth, depth + 1, 9216, 9248, 0xFFFFFFFF]))
        data[field.offset : field.offset + field.bits // 8] = (value % (1 << field.bits)).to_bytes(
            field.bits // 8, "little"
        )
    return bytes(data)


def expected(raw: bytes, tag: int) -> dict[str, dict[str, int]]:
    """The jobs of a command that runs, as far as they differ from its fields."""
    field = decode_fields(raw)
    k, group = field["k"], min(field["group"], field["k"])
    bits = FORMATS[FAMILIES[FAMILY].weights].bits
    shape = StreamShape(GEOMETRY.columns, k, group, bits, GEOMETRY.columns, GEOMETRY.lanes)
    bias, scales, codes = shape.sections
    last = k - (shape.groups - 1) * group
    dual = FORMATS[next(f.name for f in FORMATS.values() if f.id == field["a_format"])].kind == "dual"
    common = {"m": field["m"], "n": field["n"], "block_rows": field["row_tiles"] * GEOMETRY.rows}
    counts = {"chunks": shape.chunks, "groups": shape.groups}
    flags = CommandFlag(field["flags"])
    return {
        "x": {
            "address": field["x_address"], "stride": field["x_stride"], "m": field["m"], "k": k, "group": group,
            "chunks": shape.chunks, "ght": CommandFlag.GHT in flags, "dual": dual, "fence": CommandFlag.FENCE in flags,
            "tag": tag,
        },
        "w": {
            "address": field["w_address"], **common, **counts, "tile_span": bias + scales + codes - SECTION_BYTES,
            "scale_beats": scales * 8 // GEOMETRY.bus_bits, "tag": tag,
        },
        "issue": {
            **common, **counts, "row_tiles": field["row_tiles"], "group_chunks": -(-group // GEOMETRY.lanes),
            "last_chunks": -(-last // GEOMETRY.lanes), "dual": dual,
        },
        "store": {"nop": 0, "address": field["y_address"], "stride": field["y_stride"], **common, "tag": tag},
    }  # fmt: skip


async def answer(dut: Any, raw: bytes, tag: int) -> tuple[ErrorCode, dict[str, dict[str, int]]]:
    """Offer a descriptor: what it is refused with, or its jobs."""
    dut.command_i.value = int.from_bytes(raw[:HALF], "little")
    dut.command_rest_i.value = any(raw[HALF:])
    dut.command_tag_i.value = tag
    dut.command_valid_i.value = 1
    for _ in range(1000):
        await ReadOnly()
        if int(dut.refuse_o.value):
            code = ErrorCode(int(dut.refuse_code_o.value))
            assert int(dut.refuse_tag_o.value) == tag
            await RisingEdge(dut.clk_i)
            dut.command_valid_i.value, dut.rst_ni.value = 0, 0
            await RisingEdge(dut.clk_i)
            dut.rst_ni.value = 1
            return code, {}
        if int(dut.command_ready_o.value):
            valid = [name for name in STRUCTS if int(getattr(dut, f"{name}_valid_o").value)]
            jobs = {name: members(int(getattr(dut, f"{name}_job_o").value), STRUCTS[name]) for name in valid}
            await RisingEdge(dut.clk_i)
            dut.command_valid_i.value = 0
            return ErrorCode.OK, jobs
        await RisingEdge(dut.clk_i)
    raise AssertionError("neither refused nor planned")


@cocotb.test()
async def checks_and_sizes(dut: Any) -> None:
    await start(dut, command_valid_i=0, jobs_ready_i=1)
    rng, met = generator(), set()
    for number in range(600):
        raw = encode_fields(good_fields(rng))
        if number % 3:
            raw = damage(damage(raw, rng) if rng.integers(3) == 0 else raw, rng)
        tag = int(rng.integers(16))
        code, jobs = await answer(dut, raw, tag)
        wanted = check(raw, FAMILY, GEOMETRY)
        met.add(wanted)
        assert code == wanted, f"{code.name}, not {wanted.name}: {decode_fields(raw)}"
        if code == ErrorCode.OK and decode_fields(raw)["opcode"] == Opcode.NOP:
            assert list(jobs) == ["store"]
            assert jobs["store"]["nop"]
            assert jobs["store"]["tag"] == tag
        elif code == ErrorCode.OK:
            assert jobs == expected(raw, tag), decode_fields(raw)
    assert met == set(ErrorCode) - {ErrorCode.READ, ErrorCode.WRITE}, f"only {met} were met"
