# SPDX-License-Identifier: Apache-2.0
"""Random command lists in a memory image, and what the golden device makes of them.

The whole image is compared afterwards, so every byte round X, W, Y and the list is a guard byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from host._generated import (
    DESCRIPTOR_BYTES,
    FAMILIES,
    SECTION_BYTES,
    STRIDE_MULTIPLE,
    ErrorCode,
    Geometry,
    Opcode,
)
from host.command import Gemm, check, decode_fields, encode_fields, fit_row_tiles
from host.devices.golden import GoldenDevice
from host.layout import StreamShape, chunk_count, pack, round_up
from sim.vectors import halves
from sw_quant._generated import FORMATS
from sw_quant.errors import FpqvarError

__all__ = ["COMPARED", "Form", "Scene", "all_forms", "check_survivors", "golden_run", "owner"]

Image = npt.NDArray[np.uint8]

# Registers that must be the golden device's.
COMPARED = ("status", "error_index", "flags", "overflow_index", "nonfinite_index")


@dataclass(frozen=True)
class Form:
    """The properties of a command that coverage counts."""

    a_format: str
    ght: bool
    ragged: bool  # a group is shorter than the others, or fills no whole number of chunks
    m: str  # number of rows: below, at or above the engine's


def all_forms(family: str) -> list[Form]:
    """Every form that commands of a family can have."""
    return [
        Form(a_format, ght, ragged, m)
        for a_format in FAMILIES[family].activations
        for ght in (False, True)
        for ragged in (False, True)
        for m in ("below", "at", "above")
    ]


@dataclass
class Scene:
    """A memory image being filled. `descriptors` are put into it by `finish`."""

    family: str
    geometry: Geometry
    rng: np.random.Generator
    nbytes: int = 1 << 20
    image: Image = field(init=False)
    descriptors: list[bytes] = field(default_factory=list)
    forms: list[Form | None] = field(default_factory=list)  # of the descriptors; None for a nop
    _next: int = SECTION_BYTES
    _last: Gemm | None = None

    def __post_init__(self) -> None:
        self.image = self.rng.integers(0, 256, self.nbytes, np.uint8)

    def place(self, nbytes: int) -> int:
        """A 64-byte aligned address, some guard bytes behind whatever was placed before."""
        address = self._next + SECTION_BYTES * int(self.rng.choice([1, 1, 2, 3, 63]))
        self._next = round_up(address + nbytes, SECTION_BYTES)
        assert self._next <= self.nbytes, "the scene's memory is too small"
        return address

    def put(self, data: npt.NDArray[np.generic]) -> int:
        """Place an array's bytes."""
        raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        address = self.place(len(raw))
        self.image[address : address + len(raw)] = raw
        return address

    def nop(self) -> None:
        """A command that does nothing."""
        self.descriptors.append(encode_fields(dict.fromkeys(decode_fields(bytes(DESCRIPTOR_BYTES)), 0)))
        self.forms.append(None)

    def gemm(self, form: Form, most_k: int = 512, most_n: int = 128) -> Gemm:
        """A random command of a form, with random X and W. Sometimes its X is the Y of the command before."""
        rng, rows = self.rng, self.geometry.rows
        m = {
            "below": int(rng.integers(1, max(rows, 2))),
            "at": rows,
            "above": rows + int(rng.integers(1, 3 * rows + 1)),
        }[form.m]
        before = self._last
        chained = before is not None and before.m >= m and rng.integers(3) == 0 and self._fits(form, before.n)
        k, group = self._k_and_group(form, most_k, before.n if chained and before else None)
        n = 32 * int(rng.integers(1, most_n // 32 + 1))
        if chained and before:
            x_address, x_stride = before.y_address, before.y_stride
        else:
            x_stride = 2 * k + STRIDE_MULTIPLE * int(rng.choice([0, 0, 1, 2, 5, 8, 33]))
            x_address = self.place(m * x_stride)
            for row in range(m):
                start = x_address + row * x_stride
                self.image[start : start + 2 * k] = halves(rng, k, special=True).view(np.uint8)
        y_stride = 2 * n + STRIDE_MULTIPLE * int(rng.choice([0, 0, 1, 3, 8, 17]))
        fit = fit_row_tiles(m, k, group, self.geometry)
        command = Gemm(
            m=m,
            n=n,
            k=k,
            a_format=form.a_format,
            w_format=FAMILIES[self.family].weights,
            group=group,
            row_tiles=int(rng.integers(1, fit + 1)),
            x_address=x_address,
            w_address=self.put(self._weights(n, k, group)),
            y_address=self.place(m * y_stride),
            x_stride=x_stride,
            y_stride=y_stride,
            ght=form.ght,
            fence=chained,
        )
        self.descriptors.append(command.encode())
        self.forms.append(form)
        self._last = command
        return command

    def malformed(self, command: Gemm) -> ErrorCode:
        """Add a copy of a legal command with one thing wrong; the code that refuses it."""
        fields = decode_fields(command.encode())
        raw = bytearray(command.encode())
        wrong = str(self.rng.choice(["bits", *_MISTAKES]))
        if wrong == "bits":  # any bit of the bytes that no field uses, or of the flags
            at = int(self.rng.choice([3, 7, 36, 39, 64, 100, 127]))
            raw[at] |= 1 << int(self.rng.integers(8))
        else:
            name, values = _MISTAKES[wrong]
            fields[name] = int(self.rng.choice(values)) if values else fields[name] + int(self.rng.choice([1, 2, 4]))
            raw = bytearray(encode_fields(fields))
        code = check(bytes(raw), self.family, self.geometry)
        if code == ErrorCode.OK:  # that was legal after all, for this build
            return self.malformed(command)
        self.descriptors.append(bytes(raw))
        self.forms.append(None)
        return code

    def finish(self) -> tuple[int, int]:
        """Put the list into the image: its address and length."""
        raw = np.frombuffer(b"".join(self.descriptors), np.uint8)
        return self.put(raw), len(self.descriptors)

    def _fits(self, form: Form, k: int) -> bool:
        return k % (128 if form.ght else 32) == 0 and (k >= 96 if form.ragged else k % self.geometry.lanes == 0)

    def _k_and_group(self, form: Form, most: int, k: int | None) -> tuple[int, int]:
        """K and a group that make the form; K is given if X is another command's Y."""
        step, lanes = (128 if form.ght else 32), self.geometry.lanes
        most = max(most, lanes)  # a smaller K is always ragged
        for _ in range(10_000):
            size = step * int(self.rng.integers(1, most // step + 1)) if k is None else k
            group = int(self.rng.choice([32, 64, 96, 128, 160, 256, 384, size, size + 32]))
            used = min(group, size)
            ragged = size % used != 0 or used % lanes != 0
            if ragged == form.ragged and chunk_count(size, used, lanes) <= self.geometry.act_depth:
                return size, group
        raise FpqvarError(f"commands: no K up to {most} and group make {form} with {lanes} lanes; allow a larger K")

    def _weights(self, n: int, k: int, group: int) -> Image:
        rng, bits = self.rng, FORMATS[FAMILIES[self.family].weights].bits
        shape = StreamShape.of(n, k, group, bits, self.geometry)
        codes = rng.integers(0, 256, (n, shape.row_bytes), np.uint8)
        scales = np.exp2(rng.uniform(-14, rng.choice([-6, -6, 0, 4]), (n, shape.groups))).astype(np.float16)
        scales[rng.random(scales.shape) < 0.02] = 0
        bias = (
            None
            if rng.integers(4) == 0
            else rng.standard_normal(n).astype(np.float32) * np.float32(rng.choice([1, 100]))
        )
        return pack(codes, scales, bias, shape)


_MISTAKES: Mapping[str, tuple[str, list[int]]] = {
    "opcode": ("opcode", [2, 3, 255]),
    "activations": ("a_format", [0, 2, 5, 7, 11, 255]),
    "weights": ("w_format", [0, 2, 3, 5, 9, 10]),
    "flags": ("flags", [4, 8, 1 << 31, 5]),
    "no rows": ("m", [0]),
    "no columns": ("n", [0]),
    "ragged n": ("n", [1, 16, 33, 48]),
    "no k": ("k", [0]),
    "ragged k": ("k", [1, 16, 33, 100]),
    "no group": ("group", [0]),
    "ragged group": ("group", [1, 31, 33]),
    "no row tiles": ("row_tiles", [0]),
    "too many row tiles": ("row_tiles", [1 << 20, 0xFFFFFFFF]),
    "long k": ("k", [9248, 1 << 20, 0xFFFFFFE0]),
    "x address": ("x_address", []),
    "w address": ("w_address", []),
    "y address": ("y_address", []),
    "x stride": ("x_stride", []),
    "y stride": ("y_stride", []),
    "short x stride": ("x_stride", [0, 8]),
    "short y stride": ("y_stride", [0, 8]),
}


def golden_run(scene: Scene, address: int, count: int) -> tuple[Image, Mapping[str, int]]:
    """The image and the registers after the golden device has run the list."""
    device = GoldenDevice(scene.family, scene.geometry, scene.nbytes)
    device.memory.data[: scene.nbytes] = scene.image
    registers = device._execute(address, count)  # all of them, where Device.run tells those that a host needs
    return device.memory.data[: scene.nbytes], registers


def check_survivors(scene: Scene, address: int, failed: int, image: Image) -> None:
    """What the contract promises after memory has failed a command; AssertionError if a byte is wrong.

    Commands before it are done; its elements of Y and those of later ones may hold anything; all else is as it was.
    """
    memory, _ = golden_run(scene, address, failed)
    wrong = image != memory
    for raw in scene.descriptors[failed:]:
        gemm = decode_fields(raw)
        for row in range(gemm["m"]):
            start = gemm["y_address"] + row * gemm["y_stride"]
            wrong[start : start + 2 * gemm["n"]] = False
    assert not wrong.any(), f"command {failed} failed; byte {np.flatnonzero(wrong)[0]:#x}, which is not its, is wrong"


def owner(scene: Scene, list_address: int, port: str, beat: int, bus_bytes: int) -> int:
    """The command that a beat on a memory port belongs to."""
    for index, raw in enumerate(scene.descriptors):
        gemm = decode_fields(raw)
        parts = []
        if port == "x":
            parts.append((list_address + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES))
        if gemm["opcode"] == Opcode.GEMM:
            command = Gemm.decode(raw)
            bits = FORMATS[command.w_format].bits
            parts += {
                "x": [(command.x_address, (command.m - 1) * command.x_stride + 2 * command.k)],
                "w": [
                    (
                        command.w_address,
                        StreamShape.of(command.n, command.k, command.group, bits, scene.geometry).nbytes,
                    )
                ],
                "y": [(command.y_address, (command.m - 1) * command.y_stride + 2 * command.n)],
            }[port[0]]
        if any(start < beat + bus_bytes and beat < start + nbytes for start, nbytes in parts):
            return index
    raise AssertionError(f"port {port}: the beat at {beat:#x} belongs to no command")
