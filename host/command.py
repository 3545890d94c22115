# SPDX-License-Identifier: Apache-2.0
"""Command descriptors: the 128 bytes that tell the engine what to compute, and the checks that it makes of them.

Offsets and widths come from `hw/spec/descriptor.toml` through `host._generated`; see docs/contract.md section 2.
"""

from dataclasses import dataclass
from functools import cache

from host._generated import (
    DESCRIPTOR_BYTES,
    DESCRIPTOR_FIELDS,
    DESCRIPTOR_RESERVED,
    FAMILIES,
    GHT_BLOCK,
    K_MULTIPLE,
    MAX_K,
    SECTION_BYTES,
    STRIDE_MULTIPLE,
    CommandFlag,
    ErrorCode,
    Geometry,
    Opcode,
)
from host.layout import chunk_count
from sw_quant._generated import FORMATS
from sw_quant.errors import FpqvarError

__all__ = ["Gemm", "check", "decode_fields", "encode_fields", "fit_row_tiles"]

_KNOWN_FLAGS = sum(CommandFlag)
_NOT_NUMBERS = ("a_format", "w_format", "ght", "fence")


@cache
def _format_names() -> dict[int, str]:
    return {item.id: name for name, item in FORMATS.items()}


def encode_fields(values: dict[str, int]) -> bytes:
    """Lay the fields of one descriptor out; raises FpqvarError for a value that does not fit its field."""
    raw = 0
    for field in DESCRIPTOR_FIELDS:
        value = values[field.name]
        if not 0 <= value < 1 << field.bits:
            raise FpqvarError(f"command field {field.name}: {value} does not fit {field.bits} bits")
        raw |= value << 8 * field.offset
    return raw.to_bytes(DESCRIPTOR_BYTES, "little")


def decode_fields(raw: bytes) -> dict[str, int]:
    """The inverse of `encode_fields`; reserved bytes are ignored."""
    number = int.from_bytes(raw, "little")
    return {field.name: number >> 8 * field.offset & (1 << field.bits) - 1 for field in DESCRIPTOR_FIELDS}


@dataclass(frozen=True)
class Gemm:
    """Y[m, n] = X[m, k] W[n, k]^T + bias. Addresses and strides are in bytes, X and Y are FP16 in row order."""

    m: int
    n: int
    k: int
    a_format: str
    w_format: str
    group: int
    row_tiles: int
    x_address: int
    w_address: int
    y_address: int
    x_stride: int
    y_stride: int
    ght: bool = False
    fence: bool = False  # an earlier command of the list writes this X

    def encode(self) -> bytes:
        """This command as a 128-byte descriptor."""
        values = {name: value for name, value in vars(self).items() if name not in _NOT_NUMBERS}
        return encode_fields(
            values
            | {
                "opcode": int(Opcode.GEMM),
                "a_format": FORMATS[self.a_format].id,
                "w_format": FORMATS[self.w_format].id,
                "flags": CommandFlag.GHT * self.ght | CommandFlag.FENCE * self.fence,
            }
        )

    @staticmethod
    def decode(raw: bytes) -> "Gemm":
        """A descriptor that `check` has accepted."""
        values = decode_fields(raw)
        names = _format_names()
        del values["opcode"]
        flags = CommandFlag(values.pop("flags"))
        a_format, w_format = names[values.pop("a_format")], names[values.pop("w_format")]
        ght, fence = CommandFlag.GHT in flags, CommandFlag.FENCE in flags
        return Gemm(**values, a_format=a_format, w_format=w_format, ght=ght, fence=fence)


def check(raw: bytes, family: str, geometry: Geometry) -> ErrorCode:
    """What an engine of `family` and `geometry` answers to a descriptor before it runs it (ErrorCode.OK: it runs)."""
    field = decode_fields(raw)
    if field["opcode"] not in [int(opcode) for opcode in Opcode]:
        return ErrorCode.OPCODE
    if field["opcode"] == Opcode.NOP:
        return ErrorCode.OK
    names, known = _format_names(), FAMILIES[family]
    if names.get(field["a_format"]) not in known.activations or names.get(field["w_format"]) != known.weights:
        return ErrorCode.FORMAT
    if any(any(raw[start : start + size]) for start, size in DESCRIPTOR_RESERVED):
        return ErrorCode.RESERVED
    if field["flags"] & ~_KNOWN_FLAGS:
        return ErrorCode.RESERVED
    m, n, k, group, row_tiles = (field[name] for name in ("m", "n", "k", "group", "row_tiles"))
    if 0 in (m, n, k, group, row_tiles) or n % K_MULTIPLE or k % K_MULTIPLE or group % K_MULTIPLE:
        return ErrorCode.SHAPE
    if field["flags"] & CommandFlag.GHT and k % GHT_BLOCK:
        return ErrorCode.SHAPE
    if k > MAX_K or row_tiles * chunk_count(k, group, geometry.lanes) > geometry.act_depth:
        return ErrorCode.CAPACITY
    if any(field[name] % SECTION_BYTES for name in ("x_address", "w_address", "y_address")):
        return ErrorCode.ALIGNMENT
    if field["x_stride"] % STRIDE_MULTIPLE or field["y_stride"] % STRIDE_MULTIPLE:
        return ErrorCode.ALIGNMENT
    if field["x_stride"] < 2 * k or field["y_stride"] < 2 * n:
        return ErrorCode.ALIGNMENT
    return ErrorCode.OK


def fit_row_tiles(m: int, k: int, group: int, geometry: Geometry) -> int:
    """The most row tiles that the activation buffer takes of a layer, 0 if not even one fits."""
    most = geometry.act_depth // chunk_count(k, group, geometry.lanes) if k <= MAX_K else 0
    return min(most, -(-m // geometry.rows))
