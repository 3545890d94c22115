# SPDX-License-Identifier: Apache-2.0
"""hw/spec: faults are refused by name, nothing generated has drifted, and all views hold the same numbers."""

import re
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.spec import gen
from hw.spec.schema import FOLDER, SpecError, load
from hw.spec.tables import single_bits
from hw.spec.text import camel
from sw_quant._generated import FORMATS, MagnitudeTable

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Copy hw/spec, replace a text that occurs in one of its files, and give the copy's folder."""

    def apply(file: str, old: str, new: str) -> Path:
        for source in FOLDER.glob("*.toml"):
            shutil.copy(source, tmp_path)
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert old in text, f"the test is out of date: {old!r} is not in {file}"
        (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return tmp_path

    return apply


FAULTS = [
    # unknown, missing and mistyped keys
    ("contract.toml", "max_k = 9216", "max_k = 9216\nmax_n = 1", "max_n", "not permitted"),
    ("contract.toml", "max_k = 9216", "", "max_k", "required"),
    ("contract.toml", "max_k = 9216", 'max_k = "9216"', "max_k", "integer"),
    ("contract.toml", "max_k = 9216", "max_k = 9216.0", "max_k", "integer"),
    ("formats.toml", "bias = 1", "", "formats.e2m1.bias", "required"),
    ("formats.toml", "bias = 1", "bias = 1\nnan = true", "formats.e2m1.nan", "not permitted"),
    ("formats.toml", 'kind = "float"', 'kind = "posit"', "formats.e2m1", "posit"),
    ("descriptor.toml", 'doc = "operation"', "", "fields.opcode.doc", "required"),
    ("registers.toml", 'access = "rw"', 'access = "wo"', "registers.ctrl.access", "'rw'"),
    ("boards.toml", "luts = 53200", "luts = 53200\nlutram = 1", "boards.pynq-z2.lutram", "not permitted"),
    ("boards.toml", "act_depth = 2048", "", "boards.pynq-z2.geometry.fp4.act_depth", "required"),
    # contract
    ("contract.toml", "ght_block = 128", "ght_block = 96", "ght_block", "power of two"),
    ("contract.toml", "max_k = 9216", "max_k = 9200", "max_k", "multiple"),
    ("contract.toml", "format = 2", "format = 9", "errors", "count up"),
    ("contract.toml", "nonfinite = 1", "nonfinite = 0", "flags.nonfinite", "already"),
    # formats
    ("formats.toml", "id = 2\n", "id = 1\n", "formats.e1m2.id", "already"),
    ("formats.toml", "negative_count = 33", "negative_count = 32", "formats.dual6.negative_count", "needs 33"),
    ("formats.toml", "negative_count = 33", "", "formats.dual6.negative", "exactly one"),
    ("formats.toml", 'positive = "e2m1"', 'positive = "e2m3"', "formats.dual4.positive", "needs 8"),
    ("formats.toml", 'negative = "e1m2"', 'negative = "e9m9"', "formats.dual4.negative", "e9m9"),
    ("formats.toml", 'weights = "e2m1"', 'weights = "e9m9"', "families.fp4.weights", "e9m9"),
    ("formats.toml", '["e2m1", "dual4"]', '["e2m1", "dual6"]', "families.fp4.activations", "wide"),
    ("formats.toml", '["e2m1", "dual4"]', '["dual4"]', "families.fp4.activations", "begin"),
    # descriptor
    ("descriptor.toml", "offset = 1\n", "offset = 0\n", "fields.a_format", "overlaps fields.opcode"),
    ("descriptor.toml", "offset = 12\n", "offset = 14\n", "fields.n.offset", "aligned"),
    ("descriptor.toml", "offset = 56\n", "offset = 128\n", "fields.y_address.offset", "beyond"),
    ("descriptor.toml", 'name = "m"', 'name = "n"', "fields.12.name", "already"),
    ("descriptor.toml", "bytes = 128", "bytes = 96", "bytes", "power of two"),
    # registers
    ("registers.toml", "offset = 0x50", "offset = 0x44", "registers.geometry", "overlaps registers.identity"),
    ("registers.toml", "offset = 0x1c", "offset = 0x1e", "registers.count.offset", "multiple of 4"),
    ("registers.toml", "family = [16, 8]", "family = [15, 8]", "registers.identity.fields.family", "overlaps"),
    ("registers.toml", "core = [24, 8]", "core = [24, 9]", "registers.identity.fields.core", "does not lie in 32"),
    # geometries
    ("boards.toml", "columns = 4", "columns = 6", "boards.pynq-z2.geometry.fp4.columns", "multiple of 4"),
    ("boards.toml", "columns = 48", "columns = 256", "boards.vck190.geometry.fp4.columns", "255"),
    ("boards.toml", "rows = 8", "rows = 0", "boards.pynq-z2.geometry.fp4.rows", "greater than"),
    ("boards.toml", "rows = 8", "rows = 256", "boards.pynq-z2.geometry.fp4.rows", "255"),
    ("boards.toml", "lanes = 128", "lanes = 96", "simulation.wide.lanes", "32, 64 or 128"),
    ("boards.toml", "bus_bits = 64", "bus_bits = 100", "boards.pynq-z2.geometry.fp4.bus_bits", "64, 128, 256 or 512"),
    ("boards.toml", "bus_bits = 64", "bus_bits = 1024", "boards.pynq-z2.geometry.fp4.bus_bits", "or 512"),
    ("boards.toml", 'fp6_dot = "lut"', 'fp6_dot = "dsp"', "boards.pynq-z2.fp6_dot", "takes 256 DSP slices, 187 of 220"),
    ("boards.toml", 'fp6_dot = "lut"', 'fp6_dot = "both"', "boards.pynq-z2.fp6_dot", "two banks or more"),
    ("boards.toml", 'fp6_dot = "lut"', 'fp6_dot = "luts"', "boards.pynq-z2.fp6_dot", "'dsp', 'lut' or 'both'"),
    ("boards.toml", "act_depth = 1024", "act_depth = 287", "simulation.small.act_depth", "288 chunks"),
    ("boards.toml", "geometry.fp4]", "geometry.fp5]", "boards.pynq-z2.geometry.fp5", "unknown family"),
]


@pytest.mark.parametrize(("file", "old", "new", "key", "words"), FAULTS)
def test_fault_is_named(edit: Edit, file: str, old: str, new: str, key: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(edit(file, old, new))
    assert (caught.value.file, caught.value.key) == (file, key)
    assert str(caught.value).startswith(f"hw/spec/{file}: {key}: ")
    assert words in str(caught.value)


def test_broken_and_missing_files_are_named(edit: Edit) -> None:
    folder = edit("boards.toml", "[boards.pynq-z2]", "[boards.pynq-z2")
    with pytest.raises(SpecError, match=r"boards\.toml"):
        load(folder)
    (folder / "formats.toml").unlink()
    with pytest.raises(SpecError, match=r"formats\.toml"):
        load(folder)


def test_generated_files_have_not_drifted() -> None:
    assert "".join(gen.drift(gen.ROOT, gen.render(load()))) == ""


def test_check_shows_drift_and_writing_ends_it(
    edit: Edit, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path_factory.mktemp("root")
    assert gen.main(["--root", str(root)]) == 0
    assert sorted(capsys.readouterr().out.split()[1::2]) == sorted(gen.OUTPUTS)
    assert gen.main(["--root", str(root), "--check"]) == 0
    spec = str(edit("contract.toml", "max_k = 9216", "max_k = 9344"))
    assert gen.main(["--root", str(root), "--spec", spec, "--check"]) == 1
    shown = capsys.readouterr()
    assert "-MAX_K = 9216\n+MAX_K = 9344\n" in shown.out
    assert "make gen" in shown.err
    assert (root / "host/_generated.py").read_text() == (gen.ROOT / "host/_generated.py").read_text()  # not written
    assert gen.main(["--root", str(root), "--spec", spec]) == 0
    assert gen.main(["--root", str(root), "--spec", spec, "--check"]) == 0


def test_fault_ends_the_generator_with_one_line(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    assert gen.main(["--spec", str(edit("contract.toml", "version = 1", "version = 0")), "--check"]) == 1
    assert re.fullmatch(r"error: hw/spec/contract\.toml: version: .*\n", capsys.readouterr().err)


def _series(text: str) -> tuple[int, ...]:
    """`0 1 2, 8 10 … 14` as numbers: an ellipsis goes on with the step before it, or by ones."""
    numbers: list[int] = []
    for run in text.split(","):
        head, _, last = run.partition("…")
        values = [int(word) for word in head.split()]
        if last:
            step = values[-1] - values[-2] if len(values) > 1 else 1
            values += range(values[-1] + step, int(last) + 1, step)
        numbers += values
    return tuple(numbers)


def _documented() -> dict[str, tuple[int, str, str, str]]:
    """Bits, magnitudes, unit and fmax of each format, as the table in docs/contract.md words them."""
    text = (gen.ROOT / "docs/contract.md").read_text(encoding="utf-8").split("### 1.1")[1].split("### 1.2")[0]
    rows = {}
    for line in re.findall(r"^\| `.*$", text, re.MULTILINE):
        names, bits, magnitudes, unit, fmax = (cell.strip() for cell in line.strip("|").split("|"))
        for place, name in enumerate(re.findall(r"`(\w+)`", names)):
            several = len(names.split()) > 1  # `int4` `int6` `int8` share a row
            first, *ends = magnitudes.split("/")
            wording = f"0 … {[first.split()[-1], *ends][place]}" if several else magnitudes
            rows[name] = (int(bits.split()[place]), wording, unit, fmax.split("/")[place] if several else fmax)
    return rows


def test_contract_documents_every_format() -> None:
    documented = _documented()
    assert list(documented) == list(FORMATS)
    for name, (bits, magnitudes, unit, fmax) in documented.items():
        entry = FORMATS[name]
        assert entry.bits == bits
        tables = [entry.positive]
        wordings = [magnitudes]
        if entry.kind == "dual":  # the table gives the negative side first
            tables = [entry.negative, entry.positive]
            wordings = [part.split(":")[1] for part in magnitudes.split(";")]
        else:
            assert entry.negative is entry.positive
        for table, wording, one_unit, one_fmax in zip(tables, wordings, unit.split(","), fmax.split(","), strict=True):
            other = re.search(r"as `(\w+)`", wording)
            expected = FORMATS[other[1]].positive.magnitudes if other else _series(wording)
            assert table.magnitudes == expected, name
            assert Fraction(2) ** table.unit_log2 == Fraction(one_unit.strip()), name
            assert table.fmax == float(one_fmax) == table.magnitudes[-1] * 2.0**table.unit_log2, name


def _all_tables() -> list[MagnitudeTable]:
    return [table for entry in FORMATS.values() for table in (entry.positive, entry.negative)]


def test_thresholds_and_reciprocals() -> None:
    for table in _all_tables():
        assert table.thresholds == tuple(a + b for a, b in zip(table.magnitudes, table.magnitudes[1:], strict=False))
        assert table.thresholds == tuple(sorted(set(table.thresholds)))
        reciprocal = np.float32(1) / np.float32(table.fmax)  # IEEE division rounds once
        assert table.fmax_reciprocal_bits == int(reciprocal.view(np.uint32))


@given(st.integers(1, 2**24 - 1), st.integers(1, 2**24 - 1))
def test_single_bits_rounds_once(numerator: int, denominator: int) -> None:
    quotient = np.float32(numerator) / np.float32(denominator)
    assert single_bits(Fraction(numerator, denominator)) == int(quotient.view(np.uint32))


@pytest.mark.parametrize("standard", ["c++14", "c++17"])
def test_cpp_view_holds_the_same_numbers(tmp_path: Path, standard: str) -> None:
    lines = ['#include "fpq/generated.hpp"', "using namespace fpq::spec;"]
    for entry in FORMATS.values():
        name = camel(entry.name)
        lines.append(f'static_assert({name}::kBits == {entry.bits} && int({name}::kId) == {entry.id}, "");')
        lines.append(f'static_assert({name}::kNegativeOffset == {entry.negative_offset}, "");')
        lines.append(f'static_assert({name}::kInteger == {int(entry.kind == "integer")}, "");')
        lines.append(f'static_assert({name}::kDual == {int(entry.kind == "dual")}, "");')
        for sign, table in (("Positive", entry.positive), ("Negative", entry.negative)):
            side = f"{name}::{sign}"
            lines.append(f'static_assert({side}::kUnitLog2 == {table.unit_log2}, "");')
            lines.append(f'static_assert({side}::kFmaxReciprocalBits == {table.fmax_reciprocal_bits}u, "");')
            lines.append(f'static_assert({side}::kCount == {len(table.magnitudes)}, "");')
            for member, values in (("magnitude", table.magnitudes), ("threshold", table.thresholds)):
                lines += [f'static_assert({side}::{member}({i}) == {value}, "");' for i, value in enumerate(values)]
    source = tmp_path / "view.cpp"
    source.write_text("\n".join(lines) + "\n")
    include = f"-I{gen.ROOT / 'hw/hls/include'}"
    command = ["g++", f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", include, str(source)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


def test_systemverilog_view_holds_the_same_numbers() -> None:
    package = (gen.ROOT / "hw/rtl/fpq_pkg.sv").read_text(encoding="utf-8")

    def packed(name: str) -> tuple[int, ...]:
        match = re.search(rf"localparam logic \[(\d+):0\]\[(\d+):0\] {name} = \{{([^}}]*)\}};", package)
        assert match, name
        literals = re.findall(r"(\d+)'d(\d+)", match[3])
        assert {int(width) for width, _ in literals} == {int(match[2]) + 1}
        assert len(literals) == int(match[1]) + 1
        return tuple(int(value) for _, value in reversed(literals))  # a concatenation begins with the last entry

    for name, table in load().tables().items():
        assert packed(f"{camel(name)}Magnitude") == table.magnitudes
        assert packed(f"{camel(name)}Threshold") == table.thresholds
        assert f" {camel(name)}FmaxReciprocal = 32'h{table.fmax_reciprocal_bits:08x};" in package


def test_systemverilog_descriptor_lies_as_in_memory() -> None:
    spec = load()
    package = (gen.ROOT / "hw/rtl/fpq_pkg.sv").read_text(encoding="utf-8")
    body = package.split("byte i is bits")[1].split("descriptor_t")[0]
    offset, found = 0, {}
    for top, name in reversed(re.findall(r"logic \[(\d+):0\] (\w+);", body)):
        found[name] = (offset, int(top) + 1)
        offset += int(top) + 1
    assert offset == 8 * spec.descriptor.bytes
    expected = {field.name: (8 * field.offset, field.bits) for field in spec.descriptor.fields}
    reserved = {f"reserved_{at}": (8 * at, 8 * size) for at, size in spec.descriptor.reserved}
    assert found == expected | reserved
