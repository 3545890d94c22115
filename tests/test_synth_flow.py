# SPDX-License-Identifier: Apache-2.0
"""`make synth` from end to end on stand-ins for AMD's tools: success, every way to fail, and going on afterwards."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from host.bitstreams import find_bitstream
from host.manifest import MANIFEST, read_manifest
from hw.synth.deliver import git_commit
from hw.synth.stages import locked
from tests.amd_tools import NAMES, install

ROOT = Path(__file__).resolve().parents[1]
REPORTS = Path(__file__).parent / "data" / "reports"


class Shop:
    """A folder with tools, in which builds are made."""

    def __init__(self, folder: Path, tools: tuple[str, ...] = NAMES) -> None:
        self.folder, self.out, self.work = folder, folder / "bitstreams", folder / "work"
        self.bin = install(folder / "bin", tools)
        self.calls_file = folder / "calls"

    def environment(self, **trouble: str) -> dict[str, str]:
        around = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "FAKE_CALLS": str(self.calls_file),
            "FAKE_REPORTS": str(REPORTS / "vivado-2023.2-zynqmp"),
            "PYTHONPATH": str(ROOT),
        }
        return os.environ | around | trouble

    def command(self, *arguments: str) -> list[str]:
        kind = [] if arguments[0] == "simulate" else ["--out", str(self.out)]
        return [sys.executable, "-m", "hw.synth", *arguments, "--work", str(self.work), *kind]

    def run(self, *arguments: str, **trouble: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=200, check=False,
            env=self.environment(**trouble), cwd=ROOT,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """The stages that tools were called for since the last look."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return [
            Path(words[words.index("-source") + 1]).stem if "-source" in words else words[0] + " " + words[-1]
            for words in (line.split() for line in lines)
        ]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


STAGES = ["package_rtl", "design", "synth", "route", "image"]


@pytest.mark.parametrize(
    ("board", "reports", "suffix"),
    [("kv260", "2023.2-zynqmp", "bit"), ("pynq-z2", "2020.2-zynq7", "bit"), ("vck190", "2025.1-versal", "pdi")],
)
def test_a_bitstream_folder(shop: Shop, board: str, reports: str, suffix: str) -> None:
    version = "2025.1" if board == "vck190" else "2023.2"
    done = shop.run("build", board, "fp4", "rtl", FAKE_REPORTS=str(REPORTS / f"vivado-{reports}"), FAKE_VERSION=version)
    assert done.returncode == 0, done.stderr
    folder = shop.out / f"{board}-fp4-rtl"
    found, manifest = find_bitstream("fp4", folder)  # as a board finds it: every hash is checked
    assert (found, manifest.board, manifest.image) == (folder, board, f"{board}-fp4-rtl.{suffix}")
    assert manifest.clock_mhz == pytest.approx(299.997)
    assert manifest.tools == {"vivado": version}
    assert manifest.commit == git_commit()
    assert manifest.timing_met
    assert {"lut", "ff", "dsp", "bram36"} <= manifest.utilization.keys()
    assert {"timing.rpt", "utilization.rpt", manifest.handoff, f"{board}-fp4-rtl.xsa"} <= set(manifest.files)
    assert (f"{board}-fp4-rtl_boot.pdi" in manifest.files) == (board == "vck190")
    assert "worst slack: setup" in done.stdout
    assert shop.calls() == STAGES


def test_nothing_is_done_twice(shop: Shop) -> None:
    assert shop.run("build", "kv260").returncode == 0
    assert shop.calls() == STAGES
    again = shop.run("build", "kv260")
    assert again.returncode == 0
    assert again.stderr.count("done before") == 5
    assert shop.calls() == []
    (shop.work / "out" / "kv260-fp4-rtl.bit").write_text("altered")
    assert shop.run("build", "kv260").returncode == 0
    assert shop.calls() == ["image"]
    (shop.work / "stamps" / "synth.json").unlink()
    assert shop.run("build", "kv260").returncode == 0
    assert shop.calls() == ["synth", "route", "image"]
    assert shop.run("build", "kv260", "--clock", "250").returncode == 0  # other settings: all of it
    assert shop.calls() == STAGES
    table = shop.run("build", "kv260", "--clock", "250", "--show").stdout
    assert table.count("yes") == 5
    assert shop.calls() == []


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("crash", "ERROR: [Synth 8-439] module 'fpq_bank' not found"),
        ("licence", "No licence for xck26-sfvc784-2LV-c: kv260 needs Vivado's Standard edition at least"),
        ("signal", "vivado was ended by SIGABRT"),
        ("silent", "stage synth ended without an error, but did not write"),
    ],
)
def test_a_stage_that_fails_and_then_goes_on(shop: Shop, what: str, message: str) -> None:
    done = shop.run("build", "kv260", FAKE_TROUBLE=f"synth {what}")
    assert done.returncode == 1
    assert message in done.stderr
    assert "synth.log" in done.stderr or "see its log" in done.stderr
    assert "Traceback" not in done.stderr
    assert ("No licence" in done.stderr) == (what == "licence")
    assert what == "signal" or "Got license" not in done.stderr  # every log says that; it is no error
    assert not shop.out.exists()
    assert shop.calls() == ["package_rtl", "design", "synth"]
    done = shop.run("build", "kv260")
    assert done.returncode == 0, done.stderr
    assert shop.calls() == ["synth", "route", "image"]  # it goes on where it stopped
    assert (shop.work / "logs" / "synth.1.log").is_file()  # the failed attempt's log is kept


def test_a_run_inside_vivado_that_fails(shop: Shop) -> None:
    done = shop.run("build", "kv260", FAKE_BROKEN_RUN="synth_1")
    assert done.returncode == 1
    assert "[fpqvar] synth_1 ended with:" in done.stderr


def test_a_clock_that_is_not_reached(shop: Shop) -> None:
    late = {"FAKE_REPORTS": str(REPORTS / "vivado-2023.2-failing")}
    done = shop.run("build", "kv260", **late)
    assert done.returncode == 1
    assert "timing is not met: worst slack -" in done.stderr
    assert "ALLOW_TIMING=1" in done.stderr
    assert not shop.out.exists()
    assert shop.calls() == STAGES[:-1]
    done = shop.run("build", "kv260", "--allow-timing", **late)
    assert done.returncode == 0, done.stderr
    assert shop.calls() == ["image"]
    assert not read_manifest(shop.out / "kv260-fp4-rtl").timing_met


def test_a_stage_that_takes_too_long(shop: Shop) -> None:
    start = time.monotonic()
    done = shop.run("build", "kv260", "--hours", "0.001", FAKE_TROUBLE="package_rtl hang")
    assert done.returncode == 1
    assert "vivado was stopped after 0.001 hours; allow it more with --hours" in done.stderr
    assert time.monotonic() - start < 60


def running(path: Path) -> bool:
    """Whether a process has the file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if link.readlink() == path:
                return True
    return False


def _as_in_a_terminal() -> None:
    """A program that is started in the background ignores Ctrl-C, and so do all that it starts: tests may be one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_build_goes_on(shop: Shop, sent: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        shop.command("build", "kv260"), env=shop.environment(FAKE_TROUBLE="route hang"), cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=_as_in_a_terminal,
    )  # fmt: skip
    log = shop.work / "logs" / "route.log"
    deadline = time.monotonic() + 120
    while not (log.exists() and "at route" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(log)
    with pytest.raises(Exception, match="another process is building here"), locked(shop.work):
        pass
    show = shop.run("build", "kv260", "--show")  # while it runs
    assert (show.stdout.count("yes"), show.stdout.count(" no ")) == (3, 2), show.stdout
    os.kill(process.pid, sent)  # the tool is in a process group of its own
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("it goes on: " + Path(f"/proc/{process.pid}/status").read_text())
    assert process.returncode == code
    assert not running(log)
    assert not shop.out.exists()
    shop.calls()
    done = shop.run("build", "kv260")
    assert done.returncode == 0, done.stderr
    assert shop.calls() == ["route", "image"]


@pytest.mark.parametrize(
    ("tools", "version", "first"),
    [(("vivado", "vitis_hls"), "2024.2", "vitis_hls csynth"), (("vivado", "v++", "vitis-run"), "2025.1", "v++ ")],
)
def test_the_hls_core_by_both_generations(tmp_path: Path, tools: tuple[str, ...], version: str, first: str) -> None:
    shop = Shop(tmp_path, tools)
    done = shop.run("build", "zcu104", "fp6", "hls", FAKE_VERSION=version)
    assert done.returncode == 0, done.stderr
    calls = shop.calls()
    assert calls[0].startswith(first)
    assert calls[1:] == STAGES[1:]
    manifest = read_manifest(shop.out / "zcu104-fp6-hls")
    assert manifest.core == "hls"
    assert set(manifest.tools.values()) == {version}
    assert "csynth.xml" in manifest.files
    for step in ("csim", "cosim"):
        done = shop.run("simulate", "zcu104", "fp6", step, FAKE_VERSION=version)
        assert done.returncode == 0, done.stderr
        assert "passed" in done.stdout
    assert len(shop.calls()) == 2


def test_exports_by_a_step_of_its_own(tmp_path: Path) -> None:
    """Whether v++ exports as well differs between releases; co-simulation synthesizes first where it must."""
    shop = Shop(tmp_path, ("v++", "vitis-run"))
    done = shop.run("simulate", "kv260", "fp4", "cosim", FAKE_VERSION="2025.2", FAKE_EXPORT="package")
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in shop.calls()] == ["v++", "vitis-run", "vitis-run"]
    assert (shop.work / "ip" / "component.xml").is_file()


def test_a_stage_that_fails_in_vitis(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ("vitis_hls",))
    done = shop.run("simulate", "kv260", "fp4", "csim", FAKE_TROUBLE="csim crash")
    assert done.returncode == 1
    assert "vitis_hls ended with exit code 1. Log: " in done.stderr
    assert "csim.log" in done.stderr
    assert shop.run("simulate", "kv260", "fp4", "csim").returncode == 0


def test_an_ip_of_another_name(shop: Shop) -> None:
    done = shop.run("build", "kv260", "fp4", "hls", FAKE_VLNV="xilinx.com:hls:fpq_accel:1.0")
    assert done.returncode == 1
    assert "Vitis HLS left no IP fpqvar:hls:fpq_accel:1.0" in done.stderr


@pytest.mark.parametrize(
    ("tools", "arguments", "message"),
    [
        ((), ("build", "kv260"), "vivado is not on PATH. kv260-fp4-rtl needs Vivado 2022.2 or later, Standard edition"),
        ((), ("build", "vck190"), "Enterprise edition at least (for xcvc1902-vsva2197-2MP-e-S)"),
        (("vivado",), ("build", "kv260", "fp4", "hls"), "vitis_hls is not on PATH. kv260-fp4-hls needs Vitis"),
        (("vivado", "v++"), ("build", "kv260", "fp4", "hls"), "v++ or vitis-run is not on PATH (there is v++ 2023.2)"),
    ],
)
def test_a_missing_tool(tmp_path: Path, tools: tuple[str, ...], arguments: tuple[str, ...], message: str) -> None:
    done = Shop(tmp_path, tools).run(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "make estimate" in done.stderr
    assert "--backend rtl" in done.stderr
    assert not (tmp_path / "work").exists()


def test_a_tool_that_is_too_old(shop: Shop) -> None:
    done = shop.run("build", "kv260", FAKE_VERSION="2019.1")
    assert done.returncode == 1
    assert "is version 2019.1; kv260-fp4-rtl needs 2022.2 or later" in done.stderr
    done = shop.run("build", "vck190", FAKE_VERSION="2023.2")  # it cannot split the image
    assert "is version 2023.2; vck190-fp4-rtl needs 2024.2 or later" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build", "de10"), "BOARD 'de10' is not known; there are pynq-z2, kv260"),
        (("build", "kv260", "int8"), "FORMAT 'int8': kv260 has no geometry for it"),
        (("build", "kv260", "fp4", "chisel"), "CORE 'chisel' is not known; there are hls, rtl"),
        (("build", "kv260", "--clock", "9000"), "CLOCK 9000: give 10 to 500 MHz"),
        (("build", "kv260", "--noc-solution", "x.ncr"), "Zynq UltraScale+ has no network-on-chip"),
        (("build", "vck190", "--noc-solution", "x.ncr"), "NOC_SOLUTION x.ncr: there is no such file"),
    ],
)
def test_wrong_usage(shop: Shop, arguments: tuple[str, ...], message: str) -> None:
    done = shop.run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_folder_is_whole_or_not_there(shop: Shop) -> None:
    assert shop.run("build", "kv260").returncode == 0
    folder = shop.out / "kv260-fp4-rtl"
    before = (folder / MANIFEST).read_text()
    (shop.work / "stamps" / "route.json").unlink()
    assert shop.run("build", "kv260", FAKE_TROUBLE="route crash").returncode == 1
    assert (folder / MANIFEST).read_text() == before  # the older one is still there
