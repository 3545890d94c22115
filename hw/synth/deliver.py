# SPDX-License-Identifier: Apache-2.0
"""The last step: bitstreams/<board>-<format>-<core>/, whole or not at all."""

import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from host._generated import CONTRACT_VERSION
from host.manifest import Manifest, write_manifest
from hw.synth.config import ROOT
from hw.synth.flow import Build
from hw.synth.reports import Timing, read_utilization
from sw_quant.errors import FpqvarError
from sw_quant.files import new_folder, sha256

__all__ = ["BITSTREAMS", "deliver", "git_commit"]

BITSTREAMS = ROOT / "bitstreams"


def git_commit(folder: Path = ROOT) -> str:
    """The commit of the sources, with "+changes" if files differ from it; "" where git does not tell."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + "+changes" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return ""


def _clock_mhz(facts: Path) -> float:
    for line in facts.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(" ")
        if name == "clock_hz":
            return float(value) / 1e6
    raise FpqvarError(f"{facts}: no clock_hz in it; remove it and build again")


def deliver(build: Build, timing: Timing, target: Path) -> Manifest:
    """Copy image, handoff and reports, and write the manifest with their SHA-256; an older folder is replaced."""
    job, out = build.job, build.layout.out
    image, handoff = f"{job.name}.{job.platform.image}", f"{job.name}.hwh"
    wanted = [*(job.name + ending for ending in job.platform.images), handoff, "timing.rpt", "utilization.rpt"]
    optional = ["power.rpt", "csynth.xml"]
    with new_folder(target, replace=True) as aside:
        for name in [*wanted, *(name for name in optional if (out / name).is_file())]:
            shutil.copyfile(out / name, aside / name)
        manifest = Manifest(
            board=job.board.name,
            part=job.board.part,
            family=job.family.name,
            core=job.core.name.lower(),
            contract_version=CONTRACT_VERSION,
            geometry=job.geometry,
            clock_mhz=round(_clock_mhz(out / "design.facts"), 3),
            image=image,
            handoff=handoff,
            files={path.name: sha256(path) for path in sorted(aside.iterdir())},
            tools=build.versions(),
            commit=git_commit(),
            setup_slack_ns=timing.setup,
            hold_slack_ns=timing.hold,
            pulse_slack_ns=timing.pulse,
            utilization=read_utilization(out / "utilization.rpt"),
            made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        write_manifest(manifest, aside)
    return manifest
