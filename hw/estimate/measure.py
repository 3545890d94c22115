# SPDX-License-Identifier: Apache-2.0
"""Synthesizes, counts and verifies a unit; remembers the answer by the contents of all that it depends on."""

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sw_quant.errors import FpqvarError
from sw_quant.files import new_file

from .catalog import DSP_SITES, Unit
from .depth import Depth, depth
from .netlist import Count, Netlist
from .synthesis import ROOT, Design, Device, digest, load, overridable, synthesize
from .verify import lockstep

__all__ = ["CACHE", "Row", "measure", "module_of", "parts_of", "sane"]

CACHE = ROOT / "build" / "estimate"
CYCLES, QUICK_CYCLES = 3000, 1000
SEED = 20260
SILENT = "m_axi_w[1-3]_"  # of banks that a build may lack


@dataclass(frozen=True)
class Row:
    """A unit's figures on a device. verified: the way in which the netlist was shown to be right; "" if it was not."""

    unit: Unit
    device: str
    count: Count
    depth: Depth
    verified: str
    toggled: float  # share of the outputs that took both values while they were compared
    seconds: float
    cached: bool
    folder: Path = Path()  # of its netlist

    @property
    def per_mac(self) -> float | None:
        """LUT sites per multiply-accumulate, packed."""
        return self.count.sites / self.unit.macs if self.unit.macs else None


def _hash(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _rules() -> str:
    folder = Path(__file__).parent
    return _hash(folder / "netlist.py", folder / "depth.py")


def _check() -> str:
    folder = Path(__file__).parent
    names = (
        "verify.py",
        "emit.py",
        "emit_memory.py",
        "stubs.py",
        "lockstep/main.cpp",
        "lockstep/interpreter.hpp",
        "interpret.py",
        "models/estimate_bram.sv",
    )
    return _hash(*(folder / name for name in names))


def sane(unit: Unit, module: Mapping[str, Any], count: Count) -> None:
    """Refuse a netlist from which logic was dropped; raises FpqvarError with what is missing.

    There must be cells, most outputs must not be constant, most inputs must be read, and a multiply-accumulate must
    cost what no exact one can do without.
    """
    name = f"estimate: {unit.name} ({unit.design.top})"
    parts = any(cell["type"].startswith("fpq_") for cell in module["cells"].values())  # left out, counted by themselves
    if count.sites + count.ff + count.dsp + count.bram + count.uram == 0 and not parts:
        raise FpqvarError(f"{name}: nothing is left after synthesis")
    driven, outputs, read, inputs = 0, 0, 0, 0
    netlist = Netlist(module)
    through = {bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]}
    for port_name, port in module["ports"].items():
        if re.match(SILENT, port_name):
            continue
        bits = port["bits"]
        if port["direction"] == "output":
            outputs += len(bits)
            driven += sum(bit in netlist.drivers or bit in through for bit in bits)
        else:
            inputs += len(bits)
            read += sum(bool(netlist.fanout[bit]) for bit in bits)
    if 2 * driven < outputs:
        raise FpqvarError(f"{name}: only {driven} of {outputs} output bits are driven: logic was dropped")
    if 2 * read < inputs:
        raise FpqvarError(f"{name}: only {read} of {inputs} input bits are read: logic was dropped")
    size = count.sites + DSP_SITES * count.dsp
    if size < unit.floor:
        raise FpqvarError(
            f"{name}: {size} sites for {unit.macs} multiply-accumulates is less than {unit.floor:g}, the least that "
            "is believed: logic was dropped"
        )


def measure(unit: Unit, device: Device, check: bool = True, quick: bool = False) -> Row:
    """The unit's row, from the cache if nothing has changed; raises FpqvarError if it is not to be believed."""
    started = time.monotonic()
    design = unit.design.on(device)
    folder = CACHE / device.yosys / f"{design.top}-{digest(design, device)}"
    with _locked(folder):
        return _measure(unit, device, design, folder, check, quick, started)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One thread or process at a time works on a folder; another waits and then finds it done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _measure(unit: Unit, device: Device, design: Design, folder: Path, check: bool, quick: bool, started: float) -> Row:
    note, cached = folder / "result.json", True
    known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    module: dict[str, Any] | None = None
    if not known.get("synthesized") or not (folder / "netlist.json").exists():
        module, cached = synthesize(design, device, folder), False
        known = {"synthesized": True}
    if known.get("rules") != _rules():
        module = module or load(design, folder)
        known |= {"rules": _rules(), "count": asdict(Netlist(module).count()), "depth": asdict(depth(module))}
    count, way = Count(**known["count"]), Depth(**known["depth"])
    module = module or (None if known.get("sane") == _sanity(unit) else load(design, folder))
    if module is not None:
        sane(unit, module, count)
        known["sane"] = _sanity(unit)
    cycles = QUICK_CYCLES if quick else CYCLES
    if check and (known.get("check") != _check() or known["cycles"] < cycles):
        done = lockstep(design, device, folder, module or load(design, folder), SEED, cycles)
        known |= {"check": _check(), "cycles": done.cycles, "toggled": done.toggled, "outputs": done.outputs}
        cached = False
    with new_file(note) as aside:
        aside.write_text(json.dumps(known), encoding="utf-8")
    seen = known.get("check") == _check()
    toggled = known["toggled"] / max(1, known["outputs"]) if seen else 0.0
    verified = f"lockstep, {known['cycles']} cycles" if seen else ""
    return Row(unit, device.name, count, way, verified, toggled, time.monotonic() - started, cached, folder)


def _sanity(unit: Unit) -> str:
    """What `sane` was asked."""
    return f"{unit.floor} {unit.group} {_hash(Path(__file__))}"


def module_of(design: Design, device: Device) -> dict[str, Any] | None:
    """The netlist of a design, if it has been measured."""
    design = design.on(device)
    folder = CACHE / device.yosys / f"{design.top}-{digest(design, device)}"
    return load(design, folder) if (folder / "netlist.json").exists() else None


def parts_of(design: Design, folder: Path) -> list[tuple[str, dict[str, int]]]:
    """The modules that were left out of a design whose netlist is in `folder`, each with its parameters."""
    left = load(design, folder)["cells"]
    parts = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
    found = []
    for name in left:
        if name in parts:
            kind, given = parts[name]["type"], parts[name]["parameters"]
            allowed = overridable(kind, design.sources)
            found.append((kind, {key: int(value, 2) for key, value in given.items() if key in allowed}))
    return found
