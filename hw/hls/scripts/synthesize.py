# SPDX-License-Identifier: Apache-2.0
"""Synthesize the engine for a board with Vitis HLS, whichever of its two generations is installed.

    python hw/hls/scripts/synthesize.py --board kv260 --family fp4

writes what the tool needs to build/hls/<board>-<family> and runs it there: `v++ --mode hls` with a configuration file
(2023.2 and later), or `vitis_hls` with a Tcl script (up to 2024.x). `--dry-run` only writes. Standard library alone.

Options are those of UG1399 and UG1702; neither tool has been run on this source yet.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))  # for host, when it is not installed

from host._generated import BOARDS, FAMILIES, Board  # noqa: E402

HLS = ROOT / "hw" / "hls"
TIMEOUT = 12 * 3600  # seconds; synthesis of a large array takes hours


def struct_name(*parts: str) -> str:
    """How hw/spec names a struct in fpq/generated.hpp: ("pynq-z2", "fp4", "geometry") is PynqZ2Fp4Geometry."""
    return "".join(word.capitalize() for part in parts for word in part.split("-"))


def compile_flags(board: Board, family: str) -> str:
    """The flags that choose one build of the engine."""
    defines = {
        "FPQ_FAMILY": struct_name(family, "family"),
        "FPQ_GEOMETRY": struct_name(board.name, family, "geometry"),
        "FPQ_ACT_MEMORY": "uram" if board.uram else "bram",
    }
    include = f"-I{HLS / 'include'} -I{HLS / 'src'} -std=c++14"
    return " ".join([include, *(f"-D{name}={value}" for name, value in defines.items())])


def config_file(board: Board, family: str) -> str:
    """hls_config.cfg for `v++ -c --mode hls`."""
    return f"""\
part={board.part}

[hls]
flow_target=vivado
clock={1000 / board.clock_mhz:.3f}ns
syn.top=fpq_accel
syn.file={HLS / "src" / "fpq_accel.cpp"}
syn.cflags={compile_flags(board, family)}
# Weights are read from multiples of 64 bytes, which lets the tool widen that port.
syn.interface.m_axi_alignment_byte_size=64
syn.interface.m_axi_addr64=1
package.output.format=ip_catalog
package.ip.name=fpq_accel
package.ip.vendor=fpqvar
"""


def tcl_script(board: Board, family: str) -> str:
    """run.tcl for `vitis_hls -f`: the same."""
    return f"""\
open_project -reset project
set_top fpq_accel
add_files {{{HLS / "src" / "fpq_accel.cpp"}}} -cflags {{{compile_flags(board, family)}}}
open_solution -reset -flow_target vivado solution
set_part {{{board.part}}}
create_clock -period {1000 / board.clock_mhz:.3f}
config_interface -m_axi_addr64 -m_axi_alignment_byte_size 64
csynth_design
export_design -format ip_catalog -ipname fpq_accel -vendor fpqvar
exit
"""


def find_tool() -> list[str] | None:
    """The command line of the tool that is installed; the newer one first."""
    if shutil.which("v++"):
        return ["v++", "-c", "--mode", "hls", "--config", "hls_config.cfg", "--work_dir", "work"]
    if shutil.which("vitis_hls"):
        return ["vitis_hls", "-f", "run.tcl"]
    return None


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 after a message when there is no tool or it failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", choices=sorted(BOARDS), required=True)
    parser.add_argument("--family", choices=sorted(FAMILIES), required=True)
    parser.add_argument("--out", type=Path, help="default: build/hls/<board>-<family>")
    parser.add_argument("--dry-run", action="store_true", help="write the files, run nothing")
    options = parser.parse_args(arguments)
    board, family = BOARDS[options.board], options.family
    if family not in board.geometry:
        parser.error(
            f"{board.name} has no geometry for {family} in hw/spec/boards.toml; it has {', '.join(board.geometry)}"
        )

    out: Path = options.out or ROOT / "build" / "hls" / f"{board.name}-{family}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "hls_config.cfg").write_text(config_file(board, family))
    (out / "run.tcl").write_text(tcl_script(board, family))
    if options.dry_run:
        print(f"wrote {out}/hls_config.cfg and {out}/run.tcl")
        return 0
    command = find_tool()
    if command is None:
        print(
            "error: neither v++ nor vitis_hls is on the path; source settings64.sh of Vitis, or use --dry-run",
            file=sys.stderr,
        )
        return 1
    log = out / "synthesis.log"
    print(f"{' '.join(command)} in {out}, log in {log.name}")
    with log.open("w") as sink:
        try:
            code = subprocess.run(command, cwd=out, stdout=sink, stderr=subprocess.STDOUT, timeout=TIMEOUT).returncode
        except subprocess.TimeoutExpired:
            print(f"error: {command[0]} did not end within {TIMEOUT // 3600} hours; see {log}", file=sys.stderr)
            return 1
    if code != 0:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
        print("\n".join([f"error: {command[0]} ended with code {code}; see {log}", *errors[-5:]]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
