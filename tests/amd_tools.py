# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for AMD's tools on PATH: one program under the names vivado, vitis_hls, v++ and vitis-run.

vivado executes the real scripts of hw/boards on tests/tcl; the others write what their tool writes. FAKE_TROUBLE is
"<stage> <what>": `crash`, `licence`, `signal`, `hang` or `silent` (no error, no output either). With
FAKE_EXPORT=package v++ does not export, and `vitis-run --package` does.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TCL = Path(__file__).parent / "tcl"
SIMULATIONS = ("--csim", "--cosim", "--package")
NAMES = ("vivado", "vitis_hls", "v++", "vitis-run")
CSYNTH = """<?xml version="1.0"?><profile><UserAssignments><TargetClockPeriod>3.33</TargetClockPeriod></UserAssignments>
<PerformanceEstimates><SummaryOfTimingAnalysis><EstimatedClockPeriod>2.41</EstimatedClockPeriod>
</SummaryOfTimingAnalysis></PerformanceEstimates><AreaEstimates><Resources><LUT>61000</LUT><FF>80100</FF>
<DSP>12</DSP><BRAM_18K>44</BRAM_18K><URAM>8</URAM></Resources></AreaEstimates></profile>
"""


def install(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Put stand-ins into a folder that is to be on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tool = folder / name
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    return folder


def main() -> int:
    """What a tool does."""
    name, *arguments = sys.argv[1:]
    version = os.environ.get("FAKE_VERSION", "2023.2")
    if arguments[0] in ("-version", "--version"):
        print(f"{name} v{version} (64-bit)")
        return 0
    with Path(os.environ["FAKE_CALLS"]).open("a", encoding="utf-8") as calls:
        calls.write(" ".join([name, *arguments]) + "\n")
    stage = _stage(name, arguments)
    at, _, what = os.environ.get("FAKE_TROUBLE", "").partition(" ")
    print(f"INFO: {name} {version} at {stage}", flush=True)
    if at == stage and (code := _trouble(what)) is not None:
        return code
    return _vivado(arguments) if name == "vivado" else _hls(stage, arguments)


def _stage(name: str, arguments: list[str]) -> str:
    if name == "vivado":
        return Path(arguments[arguments.index("-source") + 1]).stem
    if name == "vitis_hls":
        return arguments[-1]
    return "csynth" if name == "v++" else next(word[2:] for word in arguments if word in SIMULATIONS)


def _trouble(what: str) -> int | None:
    print("INFO: [Common 17-349] Got license for feature 'Synthesis' and/or device 'xck26'")
    if what == "crash":
        print("ERROR: [Synth 8-439] module 'fpq_bank' not found\nINFO: exiting")
        return 1
    if what == "licence":
        print("ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device 'xck26'.")
        return 1
    if what == "signal":
        os.abort()
    if what == "hang":
        time.sleep(600)
    return 0 if what == "silent" else None


def _vivado(arguments: list[str]) -> int:
    script, job = arguments[arguments.index("-source") + 1], arguments[-1]
    text = Path(job).read_text(encoding="utf-8")
    masters = re.search(r"set job\(masters\) \{(.*)\}", text)
    assert masters is not None
    around = {
        "FPQ_CALLS": str(Path(job).parent / "vivado.calls"),
        "FPQ_MASTERS": masters[1].replace("{", "").replace("}", ""),
        "FPQ_BOARD_FILES": "1",
        "FPQ_BROKEN_RUN": os.environ.get("FAKE_BROKEN_RUN", "none"),
        "FPQ_REPORTS": os.environ["FAKE_REPORTS"],
    }
    command = [sys.executable, str(TCL / "shell.py"), str(TCL / "stub.tcl"), script, "--", job]
    return subprocess.run(command, env=os.environ | around, check=False).returncode


def _hls(stage: str, arguments: list[str]) -> int:
    given = Path(arguments[1] if arguments[0] == "-f" else arguments[arguments.index("--config") + 1])
    text = (Path(arguments[2]) if arguments[0] == "-f" else given).read_text(encoding="utf-8")
    for path in re.findall(r"/\S+\.cpp", text):
        assert Path(path.strip("{}")).is_file(), path
    if stage == ("package" if os.environ.get("FAKE_EXPORT") == "package" else "csynth"):
        ip = Path("vitis") / "hls" / "impl" / "ip"
        ip.mkdir(parents=True, exist_ok=True)
        vlnv = os.environ.get("FAKE_VLNV", "fpqvar:hls:fpq_accel:1.0").split(":")
        tags = zip(("vendor", "library", "name", "version"), vlnv, strict=True)
        body = "".join(f"<spirit:{tag}>{word}</spirit:{tag}>" for tag, word in tags)
        (ip / "component.xml").write_text(f'<spirit:component vlnv="{":".join(vlnv)}">{body}</spirit:component>')
        (ip.parent / "csynth.xml").write_text(CSYNTH, encoding="utf-8")
    print("INFO: [HLS 200-112] done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
