# SPDX-License-Identifier: Apache-2.0
"""The HLS core by either generation of Vitis HLS: what each is told, and how it is started.

Up to 2024.2 `vitis_hls` runs hw/hls/scripts/run.tcl. Later releases have `v++ -c --mode hls` for synthesis and export
and `vitis-run --mode hls` for simulation, both told by hls_config.cfg (UG1399, UG1702). The same sources, flags, clock,
part and VLNV go into both.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from hw.synth.config import ROOT, Job
from hw.synth.tcl import Layout, quote
from hw.synth.tools import HlsTools, HlsWay
from sw_quant.errors import FpqvarError

__all__ = [
    "HLS",
    "STEPS",
    "bench_flags",
    "collect_ip",
    "command",
    "config_text",
    "exported",
    "inputs",
    "job_lines",
    "remove_old",
    "write_job",
]

HLS = ROOT / "hw" / "hls"
SCRIPT = HLS / "scripts" / "run.tcl"
SOURCE = HLS / "src" / "fpq_accel.cpp"
BENCH = tuple(HLS / "tb" / name for name in ("check.cpp", "reference.cpp", "top_test.cpp", "gemm_test.cpp"))
STEPS = ("csim", "csynth", "cosim")
CONFIG = "hls_config.cfg"


def _flags(job: Job) -> str:
    defines = [f"-D{name}={value}" for name, value in job.hls_defines.items()]
    return " ".join([f"-I{HLS / 'include'}", f"-I{HLS / 'src'}", "-std=c++14", *defines])


def bench_flags(job: Job) -> str:
    """What the bench is compiled with: the core's flags, and memory as large as a co-simulation copies."""
    return f"{_flags(job)} -I{HLS / 'tb'} -I{HLS / 'csim'} -DFPQ_RUN=run_top -DFPQ_COSIM"


def job_lines(job: Job) -> Mapping[str, object]:
    """What run.tcl needs beyond what all scripts do."""
    return {
        "hls_source": SOURCE,
        "hls_flags": _flags(job),
        "hls_bench": list(BENCH),
        "hls_bench_flags": bench_flags(job),
    }


def config_text(job: Job) -> str:
    """hls_config.cfg."""
    vendor, library, name, version = job.vlnv.split(":")
    lines = [
        f"part={job.board.part}",
        "",
        "[hls]",
        "flow_target=vivado",
        f"clock={job.period_ns:.3f}ns",
        f"syn.top={name}",
        f"syn.file={SOURCE}",
        f"syn.cflags={_flags(job)}",
        *(f"tb.file={path}" for path in BENCH),
        f"tb.cflags={bench_flags(job)}",
        # Weights are read from multiples of 64 bytes, which lets the tool widen that port.
        "syn.interface.m_axi_alignment_byte_size=64",
        "syn.interface.m_axi_addr64=1",
        "package.output.format=ip_catalog",
        "package.output.syn=false",
        f"package.ip.vendor={vendor}",
        f"package.ip.library={library}",
        f"package.ip.name={name}",
        f"package.ip.version={version}",
    ]
    return "\n".join(lines) + "\n"


def write_job(job: Job, layout: Layout) -> None:
    """hls_config.cfg, and hls_job.tcl for run.tcl."""
    layout.work.mkdir(parents=True, exist_ok=True)
    (layout.work / CONFIG).write_text(config_text(job), encoding="utf-8")
    values = {
        "part": job.board.part,
        "period_ns": f"{job.period_ns:.3f}",
        "vlnv": job.vlnv,
        "work": layout.work,
        **job_lines(job),
    }
    text = "\n".join(f"set job({key}) {quote(value)}" for key, value in values.items())
    (layout.work / "hls_job.tcl").write_text(text + "\n", encoding="utf-8")


def command(tools: HlsTools, layout: Layout, step: str) -> list[str]:
    """The command line of one of `STEPS`, or of "package" with v++; it is run in the build's folder."""
    if tools.way is HlsWay.TCL:
        return [tools.compiler.path, "-f", str(SCRIPT), str(layout.work / "hls_job.tcl"), step]
    around = ["--config", str(layout.work / CONFIG), "--work_dir", str(layout.work / "vitis")]
    if step == "csynth":
        return [tools.compiler.path, "-c", "--mode", "hls", *around]
    return [tools.runner.path, "--mode", "hls", f"--{step}", *around]


def inputs() -> list[Path]:
    """Every file that the core is made of."""
    return sorted([*(HLS / "include").rglob("*.hpp"), *(HLS / "src").glob("*.*pp"), SCRIPT])


def remove_old(layout: Layout) -> None:
    """Forget what an earlier synthesis left, so that it cannot be taken for this one's."""
    for name in ("vitis", "vitis_csynth"):
        shutil.rmtree(layout.work / name, ignore_errors=True)


def exported(job: Job, layout: Layout) -> list[Path]:
    """The component.xml of every IP of the job's VLNV that the tool left."""
    tags = ("vendor", "library", "name", "version")
    wanted = [f":{tag}>{word}<" for tag, word in zip(tags, job.vlnv.split(":"), strict=True)]
    found = sorted(layout.work.glob("vitis*/**/component.xml"))
    return [path for path in found if all(word in path.read_text(encoding="utf-8") for word in wanted)]


def collect_ip(job: Job, layout: Layout) -> None:
    """Put the exported IP, wherever the tool left it, into the repository of the block design; and its report beside.

    Raises FpqvarError when there is not one IP of the wanted VLNV.
    """
    found = exported(job, layout)
    if not found:
        raise FpqvarError(f"{layout.work}: Vitis HLS left no IP {job.vlnv} (component.xml); see {layout.logs}")
    shutil.rmtree(layout.ip, ignore_errors=True)
    shutil.copytree(found[0].parent, layout.ip)
    reports = sorted(layout.work.glob("vitis*/**/csynth.xml"))
    if reports:
        layout.out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(reports[0], layout.out / "csynth.xml")
