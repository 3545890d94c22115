# SPDX-License-Identifier: Apache-2.0
"""Strict reading of hw/spec/*.toml: an unknown or missing key, or a value that contradicts another, is an error.

`load()` returns a `Spec`, from which everything is generated. A `SpecError` names the file and the key.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from .tables import Table, float_table, integer_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent


class SpecError(Exception):
    """A fault in the specification: `file` and the dotted `key` say where."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"hw/spec/{file}: {key}: {problem}")
        self.file, self.key = file, key


class Strict(BaseModel):
    """A table in which every key is known, present and of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
BoardName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Byte = Annotated[int, Field(ge=0, le=255)]
Id = Annotated[int, Field(ge=1, le=255)]
Bit = Annotated[int, Field(ge=0, le=31)]
Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Doc = Annotated[str, Field(min_length=1)]


class Ip(Strict):
    """What Vivado calls the engine; its library is the core's name."""

    vendor: Name
    name: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]


class Contract(Strict):
    """contract.toml: sizes and code numbers that everything shares."""

    version: Annotated[int, Field(ge=1, le=0xFFFF)]
    ght_block: Positive
    ght_integer_bits: Positive
    k_multiple: Positive
    section_bytes: Positive
    stride_multiple: Positive
    max_k: Positive
    flags: dict[Name, Bit]
    errors: dict[Name, Byte]
    cores: dict[Name, Id]
    ip: Ip


class FloatFormat(Strict):
    """Sign, exponent, mantissa; no infinities, no NaN."""

    id: Id
    kind: Literal["float"]
    exponent_bits: Annotated[int, Field(ge=1, le=4)]
    mantissa_bits: Annotated[int, Field(ge=0, le=4)]
    bias: Natural

    @property
    def bits(self) -> int:
        """Width of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits


class IntegerFormat(Strict):
    """Two's complement, symmetric."""

    id: Id
    kind: Literal["integer"]
    bits: Annotated[int, Field(ge=2, le=8)]


class DualFormat(Strict):
    """A table for each sign; the negative one is another format's, or the integers below `negative_count`."""

    id: Id
    kind: Literal["dual"]
    bits: Annotated[int, Field(ge=2, le=8)]
    positive: Name
    negative: Name | None = None
    negative_count: Annotated[int, Field(ge=2)] | None = None
    negative_offset: Annotated[int, Field(ge=0, le=1)]


Format = Annotated[FloatFormat | IntegerFormat | DualFormat, Field(discriminator="kind")]


class Family(Strict):
    """The formats that one build of the engine multiplies."""

    id: Id
    weights: Name
    activations: list[Name]


class Formats(Strict):
    """formats.toml."""

    formats: dict[Name, Format]
    families: dict[Name, Family]

    def tables(self, name: str) -> tuple[Table, Table]:
        """The positive and the negative magnitude table of a format; one object unless the format is dual."""
        entry = self.formats[name]
        if isinstance(entry, FloatFormat):
            table = float_table(name, entry.exponent_bits, entry.mantissa_bits, entry.bias)
            return table, table
        if isinstance(entry, IntegerFormat):
            table = integer_table(name, 1 << (entry.bits - 1))
            return table, table
        if entry.negative is not None:
            return self.tables(entry.positive)[0], self.tables(entry.negative)[0]
        assert entry.negative_count is not None  # one of the two is given: checked when the file was read
        return self.tables(entry.positive)[0], integer_table(f"{name}_negative", entry.negative_count)


class DescriptorField(Strict):
    """A field of the command descriptor; `offset` in bytes."""

    name: Name
    offset: Natural
    bits: Literal[8, 16, 32, 64]
    doc: Doc


class Descriptor(Strict):
    """descriptor.toml."""

    bytes: Positive
    opcodes: dict[Name, Byte]
    flags: dict[Name, Bit]
    fields: list[DescriptorField]

    @property
    def reserved(self) -> list[tuple[int, int]]:
        """Gaps between the fields, which must be zero, as (offset, bytes)."""
        gaps, end = [], 0
        for field in sorted(self.fields, key=lambda field: field.offset):
            if field.offset > end:
                gaps.append((end, field.offset - end))
            end = field.offset + field.bits // 8
        return [*gaps, (end, self.bytes - end)] if end < self.bytes else gaps


class Register(Strict):
    """A control register; `fields` maps the name of a part to its [lsb, bits]."""

    name: Name
    offset: Natural
    bits: Literal[32, 64]
    access: Literal["rw", "out"]
    doc: Doc
    fields: dict[Name, Annotated[list[Natural], Field(min_length=2, max_length=2)]] = {}


class Registers(Strict):
    """registers.toml."""

    registers: list[Register]


class Geometry(Strict):
    """Size of one engine: rows x columns x lanes x banks multiply-accumulates a cycle.

    `banks` is for the RTL engine alone: copies of the array, each with its own memory port for weights. It changes
    neither the weights' layout nor a result.
    """

    rows: Annotated[int, Field(ge=1, le=255)]
    columns: Annotated[int, Field(ge=4, le=255, multiple_of=4)]
    lanes: Literal[32, 64, 128]
    act_depth: Positive
    bus_bits: Literal[64, 128, 256, 512]
    banks: Annotated[int, Field(ge=1, le=4)]


class Board(Strict):
    """A board: its device's resources, its memory, and the engine it gets for each family."""

    part: Doc
    board_part: str
    device: Literal["zynq7", "zynqmp", "versal"]
    luts: Positive
    ffs: Positive
    dsps: Positive
    bram36: Positive
    uram: Natural
    memory_mib: Positive
    bandwidth_gbps: Annotated[float, Field(gt=0)]
    clock_mhz: Positive
    vivado: Literal["Standard", "Enterprise"]
    fp6_dot: Literal["dsp", "lut", "both"]
    image: Doc
    python: Annotated[str, Field(pattern=r"^3\.\d+$")]
    geometry: Annotated[dict[Name, Geometry], Field(min_length=1)]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fp6_dsp_banks(self) -> int:
        """Banks of the FP6 engine whose products are in DSP slices: fpq_accel's Fp6Dsp."""
        banks = self.geometry["fp6"].banks if "fp6" in self.geometry else 0
        return {"dsp": banks, "lut": 0, "both": banks // 2}[self.fp6_dot]


class Boards(Strict):
    """boards.toml."""

    boards: dict[BoardName, Board]
    simulation: dict[Name, Geometry]


class Spec(Strict):
    """All of hw/spec, read and checked."""

    contract: Contract
    formats: Formats
    descriptor: Descriptor
    registers: Registers
    boards: Boards

    def tables(self) -> dict[str, Table]:
        """Every distinct magnitude table by name."""
        return {table.name: table for name in self.formats.formats for table in self.formats.tables(name)}


Model = TypeVar("Model", bound=Strict)


def load(folder: Path = FOLDER) -> Spec:
    """Read the five files of `folder`. Raises `SpecError` on the first fault."""
    from .checks import check  # checks needs the classes above

    spec = Spec(
        contract=_read(folder, "contract.toml", Contract),
        formats=_read(folder, "formats.toml", Formats),
        descriptor=_read(folder, "descriptor.toml", Descriptor),
        registers=_read(folder, "registers.toml", Registers),
        boards=_read(folder, "boards.toml", Boards),
    )
    check(spec)
    return spec


def _read(folder: Path, file: str, model: type[Model]) -> Model:
    try:
        data = tomllib.loads((folder / file).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpecError(file, "(file)", str(error)) from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        raise SpecError(file, _dotted(fault["loc"], data), fault["msg"]) from error


def _dotted(location: tuple[int | str, ...], data: Any) -> str:
    """The fault's place as a key of the file, without the steps that only pydantic knows (a union's tag)."""
    parts = []
    for step in location[:-1]:
        if isinstance(data, dict) and step in data:
            data = data[step]
            parts.append(str(step))
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
            parts.append(str(data.get("name", step)) if isinstance(data, dict) else str(step))
    return ".".join([*parts, str(location[-1])])
