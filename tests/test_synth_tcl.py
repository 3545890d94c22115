# SPDX-License-Identifier: Apache-2.0
"""Every script of hw/boards, executed for every board and core on a stand-in for Vivado (tests/tcl).

The stand-in refuses commands, pins, parameters and segments that it does not know, pins driven twice, interfaces left
open, overlapping addresses, files that do not exist. What the scripts built is then compared with hw/spec.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from host._generated import BOARDS, REGISTERS, Core
from hw.synth.config import Job, make_job
from hw.synth.platforms import PLATFORMS
from hw.synth.tcl import BOARDS_FOLDER, Layout, quote
from sw_quant.errors import FpqvarError
from tests.vivado import Calls, play, prepare, words

BUILDS = [(board, core) for board in BOARDS for core in ("rtl", "hls")]
GIB = 1 << 30
# By device family: the PL clock, the reset, and the processor's port to the registers.
PROCESSOR = {
    "zynq7": ("ps/FCLK_CLK0", "ps/FCLK_RESET0_N", "ps/M_AXI_GP0", "ps/IRQ_F2P"),
    "zynqmp": ("ps/pl_clk0", "ps/pl_resetn0", "ps/M_AXI_HPM0_FPD", "ps/pl_ps_irq0"),
    "versal": ("ps/pl0_ref_clk", "ps/pl0_resetn", "ps/M_AXI_FPD", "ps/pl_ps_irq0"),
}


def succeed(job: Job, layout: Layout, stage: str) -> Calls:
    done, calls = play(job, layout, stage)
    assert done.returncode == 0, done.stdout + done.stderr
    return calls


def design(job: Job, folder: Path) -> Calls:
    layout = prepare(job, folder)
    if job.core is Core.RTL:
        succeed(job, layout, "package_rtl")
    return succeed(job, layout, "design")


@pytest.mark.parametrize(("board", "core"), BUILDS)
def test_block_design(tmp_path: Path, board: str, core: str) -> None:
    for family in BOARDS[board].geometry:
        job = make_job(board, family, core)
        calls = design(job, tmp_path / family)
        clock, reset, control, irq = PROCESSOR[job.board.device]
        assert calls.of("create_project")[0][-1] == job.board.part
        assert calls.cells["engine"] == job.vlnv

        # Clock: one for all of programmable logic. The processor's own NoC clocks drive the NoC alone.
        others = {
            pin for pin, driver in calls.nets.items() if driver != clock and pin.rpartition("/")[2].endswith("clk")
        }
        assert not others
        assert {"engine/ap_clk", "reset/slowest_sync_clk", "intc/s_axi_aclk"} <= set(calls.nets)
        for pin, driver in calls.nets.items():
            if driver.startswith("ps/") and driver not in (clock, reset):
                assert pin.startswith("noc/aclk")
        if job.board.device == "versal":
            named = {pin: calls.properties[pin, "ASSOCIATED_BUSIF"] for pin in calls.nets if pin.startswith("noc/aclk")}
            (engine,) = (pin for pin, driver in calls.nets.items() if pin in named and driver == clock)
            inputs = [calls.buses[f"engine/{master}"] for master in job.bus_bits]
            assert [f"noc/{name}" for name in named[engine].split(":")] == inputs
        # Reset: synchronised before it reaches anything.
        assert calls.nets["reset/ext_reset_in"] == reset
        released = {pin for pin, driver in calls.nets.items() if driver == "reset/peripheral_aresetn"}
        assert {"engine/ap_rst_n", "control/aresetn", "intc/s_axi_aresetn"} <= released
        # Interrupt: through the controller that PYNQ asks.
        assert calls.nets["intc/intr"] == "engine/interrupt"
        assert calls.nets[irq] == "intc/irq"
        # Registers
        assert calls.buses[control] == "control/S00_AXI"
        assert calls.buses["control/M00_AXI"] == "engine/s_axi_control"
        space = "ps/M_AXI_FPD" if job.board.device == "versal" else "ps/Data"
        base = PLATFORMS[job.board.device].control_base
        assert calls.maps[space, "engine/s_axi_control/Reg"] == (base, 1 << 16)
        assert calls.maps[space, "intc/S_AXI/Reg"] == (base + (1 << 16), 1 << 16)

        handoff = tmp_path / family / "out" / f"{job.name}.hwh"
        assert job.board.part in handoff.read_text()
        assert (tmp_path / family / "out" / "design.facts").read_text() == "clock_hz 299997009\n"


@pytest.mark.parametrize(("board", "core"), BUILDS)
def test_every_master_reaches_all_memory(tmp_path: Path, board: str, core: str) -> None:
    job = make_job(board, "fp4", core)
    calls = design(job, tmp_path)
    memory = job.board.memory_mib << 20
    for master in job.bus_bits:
        windows = sorted(place for (space, _), place in calls.maps.items() if space == f"engine/{master}")
        if job.board.device == "versal":
            assert windows == [(0, 2 * GIB), (32 * GIB, memory - 2 * GIB), (0x500_0000_0000, 8 * GIB)]
        else:
            high = [(32 * GIB, memory - 2 * GIB)] if memory > 2 * GIB else []
            assert windows == [(0, min(memory, 2 * GIB)), *high]
        # From the engine to memory, and no two masters on one port while another port is free.
        slave = calls.buses[f"engine/{master}"]
        if job.board.device != "versal":
            assert calls.buses[f"{slave.split('/')[0]}/M00_AXI"].startswith("ps/S_AXI_HP")
    inputs = [calls.buses[f"engine/{master}"] for master in job.bus_bits]
    assert len(set(inputs)) == len(inputs)


@pytest.mark.parametrize(("board", "device_ports"), [("pynq-z2", 4), ("kv260", 4), ("vck190", 6)])
def test_many_banks_share_the_ports(tmp_path: Path, board: str, device_ports: int) -> None:
    """Six masters: the weights first, each with a port of its own as long as there are ports."""
    job = make_job(board, "fp4", "rtl")
    job = replace(job, geometry=replace(job.geometry, banks=4))
    calls = design(job, tmp_path)
    inputs = [calls.buses[f"engine/{master}"].split("/")[0] for master in job.bus_bits]
    if board == "vck190":
        assert set(inputs) == {"noc"}
        return
    assert len(set(inputs[:4])) == device_ports
    assert inputs[4:] == inputs[:2]
    for name in set(inputs[:2]):
        assert calls.properties[name, "NUM_SI"] == "2"


@pytest.mark.parametrize("board", BOARDS)
def test_clock_asked_of_the_processor(tmp_path: Path, board: str) -> None:
    key = {
        "zynq7": "PCW_FPGA0_PERIPHERAL_FREQMHZ",
        "zynqmp": "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        "versal": "PMC_CRP_PL0_REF_CTRL_FREQMHZ",
    }[BOARDS[board].device]
    for asked, wanted in ((None, f"{BOARDS[board].clock_mhz}"), (87.5, "87.5")):
        calls = design(make_job(board, "fp4", "rtl", asked), tmp_path / str(asked))
        if board == "vck190":
            config = words(calls.properties["ps", "PS_PMC_CONFIG"])
            assert dict(zip(config[::2], config[1::2], strict=True))[key] == wanted
        else:
            assert calls.properties["ps", key] == wanted


def test_versal_memory_controllers(tmp_path: Path) -> None:
    """DDR4 beside the engine's NoC ports, both LPDDR4 controllers behind the other NoC, each at its board interface."""
    job = make_job("vck190", "fp4", "rtl")
    calls = design(job, tmp_path)
    found = {}
    for call in calls.of("apply_board_connection"):
        option = dict(zip(call[::2], call[1::2], strict=True))
        found[option["-ip_intf"]] = option["-board_interface"]
    assert found["noc/CH0_DDR4_0"] == "ddr4_dimm1"
    assert found["noc/sys_clk0"] == "ddr4_dimm1_sma_clk"
    lpddr = {f"noc_lpddr/CH{channel}_LPDDR4_{mc}": f"ch{channel}_lpddr4_c{mc}" for channel in (0, 1) for mc in (0, 1)}
    assert lpddr.items() <= found.items()
    assert calls.properties["noc_lpddr", "NUM_MC"] == "2"
    assert calls.buses["noc/M00_INI"] == "noc_lpddr/S00_INI"
    # Processor and engine share one NoC; the engine's masters stay clear of the processor's memory port.
    sources = int(calls.properties["noc", "NUM_SI"])
    assert sources == 6 + len(job.bus_bits)
    total = 0
    for index in range(sources):
        pin = f"noc/S{index:02d}_AXI"
        links = words(calls.properties[pin, "CONNECTIONS"])
        assert links[2] == "M00_INI"
        engine = calls.properties[pin, "CATEGORY"] == "pl"
        assert (links[0] == "MC_3") is not engine
        share = words(links[1])
        total += int(share[1]) + int(share[3])
    assert total < job.board.bandwidth_gbps * 1000  # the NoC compiler refuses more than the memory gives
    # Each NoC clock names the interfaces that it belongs to, all of them once.
    named = ":".join(calls.properties[f"noc/aclk{i}", "ASSOCIATED_BUSIF"] for i in range(7))
    assert sorted(named.split(":")) == [f"S{index:02d}_AXI" for index in range(sources)]


@pytest.mark.parametrize(("core", "used"), [("hls", (2, 5, 3)), ("rtl", (2, 5, 3, 4))])
def test_zynq_ultrascale_ports(tmp_path: Path, core: str, used: tuple[int, ...]) -> None:
    """Only the ports in use are on; the first three masters take three ports of the memory controller."""
    job = make_job("zcu104", "fp4", core)
    calls = design(job, tmp_path)
    on = {
        key for (name, key), value in calls.properties.items() if name == "ps" and "USE__S_AXI" in key and value == "1"
    }
    assert on == {f"PSU__USE__S_AXI_GP{number}" for number in used}
    assert {key: calls.properties["ps", f"PSU__USE__M_AXI_GP{key}"] for key in (0, 1, 2)} == {0: "1", 1: "0", 2: "0"}
    excluded = {call[-1] for call in calls.of("exclude_bd_addr_seg")}
    assert "ps/SAXIGP2/HP0_DDR_HIGH" in excluded  # 2 GiB are all below
    assert "ps/SAXIGP2/HP0_QSPI" in excluded


def test_packaged_ip(tmp_path: Path) -> None:
    """VLNV, sources, interfaces; and the registers under the names that PYNQ's driver looks for."""
    job = make_job("kv260", "fp6", "rtl")
    layout = prepare(job, tmp_path)
    calls = succeed(job, layout, "package_rtl")
    added = {Path(path).name for call in calls.of("add_files") for path in words(call[-1])}
    assert {"fpq_accel.sv", "fpq_pkg.sv", "fpq_accel_top.v", "fpq_assert.svh"} <= added
    assert ("file_type", "Verilog Header", "fpq_assert.svh") in calls.of("set_property")
    assert job.vlnv in (layout.ip / "component.xml").read_text()
    offsets = {}
    for (name, key), value in calls.properties.items():
        if key == "address_offset":
            offsets[name.rpartition("/")[2]] = int(value, 0)
    assert offsets["CTRL"] == 0
    assert offsets["list_address_1"] == REGISTERS["list_address"].offset
    assert offsets["list_address_2"] == REGISTERS["list_address"].offset + 4
    assert offsets["status"] == REGISTERS["status"].offset
    assert sum(register.bits // 32 for register in REGISTERS.values()) == len(offsets)
    ranges = {name: value for (name, key), value in calls.properties.items() if key == "range"}
    assert ranges["core/map/s_axi_control/block/Reg"] == "65536"
    assert all(ranges[f"core/space/{master}"] == f"{1 << 64}" for master in job.bus_bits)
    busy = {call[call.index("-busif") + 1] for call in calls.of("ipx::associate_bus_interfaces")}
    assert busy == {"s_axi_control", *job.bus_bits}


@pytest.mark.parametrize("board", ["pynq-z2", "vck190"])
def test_implementation(tmp_path: Path, board: str) -> None:
    """Synthesis to image: the steps in order, every report and image where the next stage looks for it."""
    job = make_job(board, "fp4", "rtl")
    design(job, tmp_path)
    layout = Layout(tmp_path)
    assert succeed(job, layout, "synth").of("launch_runs") == [("synth_1", "-jobs", "2")]
    routed = succeed(job, layout, "route")
    assert routed.of("launch_runs") == [("impl_1", "-jobs", "2", "-to_step", "route_design")]
    assert {"timing.rpt", "utilization.rpt", "power.rpt"} <= {path.name for path in layout.out.iterdir()}
    step = "write_device_image" if board == "vck190" else "write_bitstream"
    assert succeed(job, layout, "image").of("launch_runs") == [("impl_1", "-jobs", "2", "-to_step", step)]
    suffix = "pdi" if board == "vck190" else "bit"
    assert (layout.out / f"{job.name}.{suffix}").stat().st_size
    assert (layout.out / f"{job.name}.xsa").exists()
    assert (layout.out / f"{job.name}_boot.pdi").exists() == (board == "vck190")
    assert all((layout.out / f"{job.name}{ending}").stat().st_size for ending in job.platform.images)
    if board == "vck190":  # the one that Linux loads, and the one that it boots from
        assert "_pld.pdi" in (layout.out / f"{job.name}.pdi").read_text()
        assert "_boot.pdi" in (layout.out / f"{job.name}_boot.pdi").read_text()


@pytest.mark.parametrize("given", [True, False])
def test_a_versal_build_keeps_to_the_boot_images_network(tmp_path: Path, given: bool) -> None:
    solution = tmp_path / "golden.ncr"
    solution.write_text("{}")
    job = make_job("vck190", "fp4", "rtl", None, solution if given else None)
    calls = design(job, tmp_path / "work")
    assert ("SEGMENTED_CONFIGURATION", "true", "project") in calls.of("set_property")
    succeed(job, Layout(tmp_path / "work"), "synth")
    routed = succeed(job, Layout(tmp_path / "work"), "route")
    assert (("NOC_SOLUTION_FILE", str(solution), "impl_1") in routed.of("set_property")) == given


def test_a_failed_run_repeats_its_own_error(tmp_path: Path) -> None:
    job = make_job("kv260", "fp4", "rtl")
    design(job, tmp_path)
    layout = Layout(tmp_path)
    succeed(job, layout, "synth")
    done, _ = play(job, layout, "route", FPQ_BROKEN_RUN="impl_1")
    assert done.returncode != 0
    assert "ERROR: [Place 30-487]" in done.stdout
    assert "impl_1 ended with: place_design ERROR" in done.stdout


def test_missing_board_files_are_named(tmp_path: Path) -> None:
    job = make_job("kv260", "fp4", "hls")
    done, _ = play(job, prepare(job, tmp_path), "design", FPQ_BOARD_FILES="0")
    assert done.returncode != 0
    assert "no board files for xilinx.com:kv260_som:part0" in done.stdout


def test_newest_board_files_are_taken(tmp_path: Path) -> None:
    """1.10 is newer than 1.4."""
    calls = design(make_job("kv260", "fp4", "hls"), tmp_path)
    assert ("board_part", "xilinx.com:kv260_som:part0:1.10", "project") in calls.of("set_property")


def test_a_missing_ip_is_named(tmp_path: Path) -> None:
    job = make_job("kv260", "fp4", "hls")
    layout = prepare(job, tmp_path)
    shutil.rmtree(layout.ip)
    done, _ = play(job, layout, "design")
    assert done.returncode != 0
    assert f"no IP {job.vlnv}" in done.stdout


def test_quoting() -> None:
    assert quote({"a b": [1, "c d"]}) == "{{a b} {{1} {c d}}}"
    with pytest.raises(FpqvarError, match="braces"):
        quote("a}b")


def test_every_script_is_executed() -> None:
    """A script that no test above runs would be found here."""
    stages = {"package_rtl", "design", "synth", "route", "image"}
    assert {path.stem for path in BOARDS_FOLDER.glob("*.tcl")} == stages | {"common", "smartconnect", *PLATFORMS}
