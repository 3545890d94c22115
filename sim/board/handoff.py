# SPDX-License-Identifier: Apache-2.0
"""A hardware handoff (.hwh) such as Vivado writes beside a bitstream, with as much in it as pynq reads.

It stands in for Vivado's. Register names and offsets come from the specification; a real .hwh replaces it on a board.
"""

from xml.etree import ElementTree as Xml

from host._generated import IP_VLNV, Core
from host.registers import Word, all_words

__all__ = ["BASE", "RANGE", "handoff"]

BASE, RANGE = 0xA000_0000, 0x1_0000  # of the control port, where hw/boards puts it on Zynq UltraScale+
_MEMORY_MAPPED = "xilinx.com:interface:aximm:1.0"
_PROCESSOR = "zynq_ultra_ps_e"


def _add(parent: Xml.Element, tag: str, **attributes: str) -> Xml.Element:
    return Xml.SubElement(parent, tag, {name.rstrip("_"): value for name, value in attributes.items()})


def _property(parent: Xml.Element, name: str, value: object) -> None:
    _add(parent, "PROPERTY", NAME=name, VALUE=str(value))


def _register(parent: Xml.Element, word: Word) -> None:
    register = _add(parent, "REGISTER", NAME=word.name)
    texts = {"DESCRIPTION": word.doc, "ADDRESS_OFFSET": word.offset, "SIZE": 32, "ACCESS": word.access}
    for name, value in (texts | {"IS_ENABLED": "true", "RESET_VALUE": 0}).items():
        _property(register, name, value)
    fields = _add(register, "FIELDS")
    for name, part in word.fields.items():
        field = _add(fields, "FIELD", NAME=name)
        for key, value in {"ACCESS": word.access, "BIT_OFFSET": part.lsb, "BIT_WIDTH": part.bits}.items():
            _property(field, key, value)


def _engine(modules: Xml.Element, core: Core, name: str, leave_out: frozenset[str]) -> None:
    vlnv = IP_VLNV[core]
    kind = vlnv.split(":")[2]
    engine = _add(
        modules,
        "MODULE",
        FULLNAME=f"/{name}",
        HWVERSION=vlnv.split(":")[3],
        INSTANCE=name,
        IPTYPE="PERIPHERAL",
        IS_ENABLE="1",
        MODCLASS="PERIPHERAL",
        MODTYPE=kind,
        VLNV=vlnv,
    )
    block = _add(
        _add(engine, "ADDRESSBLOCKS"),
        "ADDRESSBLOCK",
        ACCESS="read-write",
        INTERFACE="s_axi_control",
        NAME="Reg",
        RANGE=str(RANGE),
        USAGE="register",
    )
    registers = _add(block, "REGISTERS")
    for word in all_words():
        if word.name not in leave_out:
            _register(registers, word)
    _add(engine, "PARAMETERS")
    ports = _add(engine, "PORTS")
    _add(ports, "PORT", DIR="I", NAME="ap_clk", SIGIS="clk")
    _add(ports, "PORT", DIR="I", NAME="ap_rst_n", POLARITY="ACTIVE_LOW", SIGIS="rst")
    buses = _add(engine, "BUSINTERFACES")
    for bus, kind_ in (("s_axi_control", "TARGET"), ("m_axi_x", "INITIATOR")):
        interface = _add(buses, "BUSINTERFACE", BUSNAME=bus, DATAWIDTH="32", NAME=bus, TYPE=kind_, VLNV=_MEMORY_MAPPED)
        _add(interface, "PORTMAPS")


def _processor(modules: Xml.Element, name: str) -> None:
    processor = _add(
        modules,
        "MODULE",
        FULLNAME="/ps",
        HWVERSION="3.5",
        INSTANCE="ps",
        IPTYPE="PERIPHERAL",
        IS_ENABLE="1",
        MODCLASS="PERIPHERAL",
        MODTYPE=_PROCESSOR,
        VLNV=f"xilinx.com:ip:{_PROCESSOR}:3.5",
    )
    parameters = _add(processor, "PARAMETERS")
    for i in range(4):  # pynq wants to know all four clocks
        clock = f"PSU__CRL_APB__PL{i}_REF_CTRL__"
        values = {"DIVISOR0": "15", "DIVISOR1": "1", "SRCSEL": "IOPLL", "ACT_FREQMHZ": "100.0"}
        for key, value in values.items():
            _add(parameters, "PARAMETER", NAME=clock + key, VALUE=value)
        _add(parameters, "PARAMETER", NAME=f"PSU__FPGA_PL{i}_ENABLE", VALUE=str(int(i == 0)))
    _add(processor, "PORTS")
    buses = _add(processor, "BUSINTERFACES")
    for port, bus, kind in (
        ("M_AXI_HPM0_FPD", "s_axi_control", "INITIATOR"),
        ("S_AXI_HP0_FPD", "m_axi_x", "TARGET"),
    ):
        interface = _add(buses, "BUSINTERFACE", BUSNAME=bus, DATAWIDTH="128", NAME=port, TYPE=kind, VLNV=_MEMORY_MAPPED)
        _add(interface, "PORTMAPS")
    _add(
        _add(processor, "MEMORYMAP"),
        "MEMRANGE",
        ADDRESSBLOCK="Reg",
        BASEVALUE=f"0x{BASE:08X}",
        HIGHVALUE=f"0x{BASE + RANGE - 1:08X}",
        INSTANCE=name,
        IS_DATA="TRUE",
        MASTERBUSINTERFACE="M_AXI_HPM0_FPD",
        MEMTYPE="REGISTER",
        SLAVEBUSINTERFACE="s_axi_control",
    )
    _add(_add(processor, "PERIPHERALS"), "PERIPHERAL", INSTANCE=name)


def handoff(core: Core, name: str = "fpq_accel_0", leave_out: frozenset[str] = frozenset()) -> str:
    """The .hwh of a design with one engine; `leave_out` names registers that are to be missing."""
    root = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="", VIVADOVERSION="2025.2")
    _add(root, "SYSTEMINFO", ARCH="zynquplus", DEVICE="xczu7ev", NAME="fpqvar", PACKAGE="ffvc1156", SPEEDGRADE="-2")
    _add(root, "EXTERNALPORTS")
    _add(root, "EXTERNALINTERFACES")
    modules = _add(root, "MODULES")
    _engine(modules, core, name, leave_out)
    _processor(modules, name)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True)
