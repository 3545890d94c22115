# SPDX-License-Identifier: Apache-2.0
"""The Verilog module that Vivado packages: fpq_accel with one geometry, and interfaces that IP Integrator recognises.

IP Integrator takes no SystemVerilog module as a cell's top, and it tells interfaces by attributes. Weight masters of
banks that the geometry does not have are tied off, so that a block design never sees them.
"""

from collections.abc import Iterable, Iterator, Mapping

from host._generated import Core
from hw.synth.config import Job
from sw_quant.errors import FpqvarError

__all__ = ["ADDRESS_BITS", "TOP", "interfaces", "verilog"]

TOP = "fpq_accel_top"
ADDRESS_BITS = 12  # of s_axi_control
MAX_BANKS = 4

# The signals of an AXI4 channel as fpq_accel has them: name, bits, whether the master drives it. DATA, STROBE: of data.
DATA, STROBE = -1, -2
Signal = tuple[str, int, bool]
ADDRESS: tuple[Signal, ...] = (
    ("valid", 1, True), ("ready", 1, False), ("id", 1, True), ("addr", 64, True), ("len", 8, True), ("size", 3, True),
    ("burst", 2, True), ("cache", 4, True), ("prot", 3, True),
)  # fmt: skip
READ: tuple[Signal, ...] = (
    *((f"ar{name}", bits, out) for name, bits, out in ADDRESS),
    ("rvalid", 1, False), ("rready", 1, True), ("rid", 1, False), ("rdata", DATA, False), ("rresp", 2, False),
    ("rlast", 1, False),
)  # fmt: skip
WRITE: tuple[Signal, ...] = (
    *((f"aw{name}", bits, out) for name, bits, out in ADDRESS),
    ("wvalid", 1, True), ("wready", 1, False), ("wdata", DATA, True), ("wstrb", STROBE, True), ("wlast", 1, True),
    ("bvalid", 1, False), ("bready", 1, True), ("bid", 1, False), ("bresp", 2, False),
)  # fmt: skip
CONTROL: tuple[Signal, ...] = (
    ("awvalid", 1, True), ("awready", 1, False), ("awaddr", ADDRESS_BITS, True), ("wvalid", 1, True),
    ("wready", 1, False), ("wdata", 32, True), ("wstrb", 4, True), ("bvalid", 1, False), ("bready", 1, True),
    ("bresp", 2, False), ("arvalid", 1, True), ("arready", 1, False), ("araddr", ADDRESS_BITS, True),
    ("rvalid", 1, False), ("rready", 1, True), ("rdata", 32, False), ("rresp", 2, False),
)  # fmt: skip
IDS = ("arid", "rid", "awid", "bid")  # one bit, but a vector in fpq_accel


def interfaces(job: Job) -> Mapping[str, tuple[Signal, ...]]:
    """The AXI interfaces of a build's wrapper, by name."""
    masters = {name: WRITE if name == "m_axi_y" else READ for name in job.bus_bits}
    return {"s_axi_control": CONTROL, **masters}


def verilog(job: Job) -> str:
    """Text of the wrapper module. Raises FpqvarError for a build of the HLS core, which brings its own."""
    if job.core is not Core.RTL:
        raise FpqvarError(f"{job.name}: only the RTL core has a wrapper; Vitis HLS writes that of its own core")
    found = interfaces(job)
    ports = [*_around(found), *(line for name in found for line in _ports(job, name, found[name]))]
    size = job.geometry
    shape = f"{size.rows} x {size.columns} x {size.lanes} x {size.banks}, {job.family.name}, for {job.board.name}"
    return "\n".join(
        [
            "// SPDX-License-Identifier: Apache-2.0",
            f"// Written by hw.synth: fpq_accel of {shape}.",
            "",
            "`default_nettype none",
            "",
            f"module {TOP} (",
            ",\n".join(ports),
            ");",
            "",
            "  fpq_accel #(",
            ",\n".join(f"    .{name}({value})" for name, value in job.parameters.items()),
            "  ) u_accel (",
            ",\n".join(f"    .{port}({value})" for port, value in _connections(job, found)),
            "  );",
            "",
            "endmodule",
            "",
            "`default_nettype wire",
            "",
        ]
    )


def _around(found: Iterable[str]) -> Iterator[str]:
    """Clock, reset and interrupt."""
    buses = ":".join(found)
    signal = "xilinx.com:signal"
    yield (
        _attributes(f"{signal}:clock:1.0 ap_clk CLK", {"ASSOCIATED_BUSIF": buses, "ASSOCIATED_RESET": "ap_rst_n"})
        + "  input  wire         ap_clk"
    )
    yield _attributes(f"{signal}:reset:1.0 ap_rst_n RST", {"POLARITY": "ACTIVE_LOW"}) + "  input  wire         ap_rst_n"
    yield (
        _attributes(f"{signal}:interrupt:1.0 interrupt INTERRUPT", {"SENSITIVITY": "LEVEL_HIGH"})
        + "  output wire         interrupt"
    )


def _attributes(info: str, parameters: Mapping[str, object]) -> str:
    name = info.split()[1]
    text = ", ".join([f"XIL_INTERFACENAME {name}", *(f"{key} {value}" for key, value in parameters.items())])
    return f'  (* X_INTERFACE_INFO = "{info}" *)\n  (* X_INTERFACE_PARAMETER = "{text}" *)\n'


def _ports(job: Job, interface: str, signals: tuple[Signal, ...]) -> Iterator[str]:
    master = interface != "s_axi_control"
    kind = "xilinx.com:interface:aximm:1.0"
    for index, (signal, bits, driven) in enumerate(signals):
        info = f"{kind} {interface} {signal.upper()}"
        lead = (
            _attributes(info, _properties(job, interface)) if index == 0 else f'  (* X_INTERFACE_INFO = "{info}" *)\n'
        )
        width = _width(job, interface, bits)
        span = f"[{width - 1}:0]" if width > 1 or signal in IDS else ""
        direction = "output" if driven is master else "input "
        yield f"{lead}  {direction} wire {span:>7} {interface}_{signal}"


def _properties(job: Job, interface: str) -> Mapping[str, object]:
    """What IP Integrator cannot see from the ports."""
    if interface == "s_axi_control":
        return {"PROTOCOL": "AXI4LITE", "DATA_WIDTH": 32, "ADDR_WIDTH": ADDRESS_BITS}
    reads = interface != "m_axi_y"
    return {
        "PROTOCOL": "AXI4",
        "DATA_WIDTH": job.bus_bits[interface],
        "ADDR_WIDTH": 64,
        "ID_WIDTH": 1,
        "READ_WRITE_MODE": "READ_ONLY" if reads else "WRITE_ONLY",
        "HAS_BURST": 1,
        "SUPPORTS_NARROW_BURST": 0,
    }


def _width(job: Job, interface: str, bits: int) -> int:
    if bits > 0:
        return bits
    return job.bus_bits[interface] // (1 if bits == DATA else 8)


def _connections(job: Job, found: Mapping[str, tuple[Signal, ...]]) -> Iterator[tuple[str, str]]:
    for port in ("ap_clk", "ap_rst_n", "interrupt"):
        yield port, port
    for interface, signals in found.items():
        for signal, _, _ in signals:
            yield f"{interface}_{signal}", f"{interface}_{signal}"
    for bank in range(job.geometry.banks, MAX_BANKS):
        for signal, bits, driven in READ:
            width = job.geometry.bus_bits if bits == DATA else bits
            yield f"m_axi_w{bank}_{signal}", "" if driven else f"{width}'d0"
