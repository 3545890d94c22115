# SPDX-License-Identifier: Apache-2.0
"""Write the generated files from hw/spec/*.toml; with `--check`, only show what differs: `python -m hw.spec.gen`."""

import argparse
import difflib
import sys
from collections.abc import Iterable
from pathlib import Path

from .emit_boards import emit_boards
from .emit_cpp import emit_cpp
from .emit_python import emit_host, emit_sw_quant
from .emit_sv import emit_sv
from .schema import FOLDER, Spec, SpecError, load

ROOT = FOLDER.parents[1]
OUTPUTS = {
    "sw_quant/_generated.py": emit_sw_quant,
    "host/_generated.py": emit_host,
    "hw/hls/include/fpq/generated.hpp": emit_cpp,
    "hw/rtl/fpq_pkg.sv": emit_sv,
    "docs/boards.md": emit_boards,
}


def render(spec: Spec) -> dict[str, str]:
    """Every generated file's text by its path from the repository's root."""
    return {path: emit(spec) for path, emit in OUTPUTS.items()}


def drift(root: Path, texts: dict[str, str]) -> Iterable[str]:
    """Lines of the differences between the files under `root` and `texts`."""
    for path, text in texts.items():
        file = root / path
        found = file.read_text(encoding="utf-8") if file.exists() else ""
        yield from difflib.unified_diff(found.splitlines(True), text.splitlines(True), path, f"{path} (from hw/spec)")


def write(root: Path, texts: dict[str, str]) -> Iterable[str]:
    """Write the files that differ, each beside its place and then renamed; returns their paths."""
    changed = []
    for path, text in texts.items():
        file = root / path
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(file.name + ".new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(file)
        changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 1 if the specification is faulty or, with `--check`, a generated file differs."""
    parser = argparse.ArgumentParser(prog="python -m hw.spec.gen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail and show what differs")
    parser.add_argument("--spec", type=Path, default=FOLDER, help="folder with the five TOML files")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that the files are written under")
    options = parser.parse_args(arguments)
    try:
        texts = render(load(options.spec))
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.check:
        lines = list(drift(options.root, texts))
        sys.stdout.writelines(lines)
        if lines:
            print("error: generated files differ from hw/spec; run `make gen` and commit the result", file=sys.stderr)
        return 1 if lines else 0
    for path in write(options.root, texts):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
