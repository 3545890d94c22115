# SPDX-License-Identifier: Apache-2.0
# Zynq-7000 (UG585, PG082).

source [file join [file dirname [file normalize [info script]]] smartconnect.tcl]

namespace eval platform {
  variable clock ps/FCLK_CLK0
  variable reset ps/FCLK_RESET0_N
  variable irq ps/IRQ_F2P
  variable control ps/M_AXI_GP0
  variable control_clock ps/M_AXI_GP0_ACLK
  variable control_space ps/Data

  # HP0 and HP1 share a port of the memory controller, HP2 and HP3 the other: so they are taken in this order.
  variable ports {HP0 HP2 HP1 HP3}

  # The board's own set-up, from its schematics; Vivado ships no board files for it. The boot image sets memory and pins
  # up; here they only have to agree with it.
  variable boards {
    pynq-z2 {
      PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 PCW_APU_PERIPHERAL_FREQMHZ 650 PCW_PRESET_BANK1_VOLTAGE {LVCMOS 1.8V}
      PCW_UIPARAM_DDR_PARTNO {MT41K256M16 RE-125} PCW_UIPARAM_DDR_BUS_WIDTH {16 Bit} PCW_UIPARAM_DDR_FREQ_MHZ 525
    }
  }

  proc project {} {}

  proc processor {} {
    global job
    variable boards
    variable ports
    fpq::cell ps processing_system7 {}
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
      -config {make_external "FIXED_IO, DDR" apply_board_preset "0" Master "Disable" Slave "Disable"} [get_bd_cells ps]
    set properties [concat [dict get $boards $job(board)] [list \
      PCW_EN_CLK0_PORT 1 PCW_FPGA0_PERIPHERAL_FREQMHZ $job(clock_mhz) PCW_EN_RST0_PORT 1 PCW_USE_M_AXI_GP0 1 \
      PCW_USE_FABRIC_INTERRUPT 1 PCW_IRQ_F2P_INTR 1]]
    foreach hand [fpq::deal $job(masters) [llength $ports]] {
      set port [lindex $ports [lindex $hand 0]]
      lappend properties PCW_USE_S_AXI_$port 1 PCW_S_AXI_${port}_DATA_WIDTH 64
    }
    fpq::configure ps $properties
  }

  proc memory {masters} {
    global job
    variable ports
    foreach hand [fpq::deal $masters [llength $ports]] {
      set port [lindex $ports [lindex $hand 0]]
      fpq::join_port [lindex $hand 1] S_AXI_$port S_AXI_${port}_ACLK
      foreach master [lindex $hand 1] {
        lassign [dict get $job(memory) low] offset range
        fpq::map [fpq::space_of $master] ps/S_AXI_$port/${port}_DDR_LOWOCM $offset $range
      }
    }
  }
}
