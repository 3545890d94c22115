# SPDX-License-Identifier: Apache-2.0
# Zynq UltraScale+ (UG1085, PG201).

source [file join [file dirname [file normalize [info script]]] smartconnect.tcl]

namespace eval platform {
  variable clock ps/pl_clk0
  variable reset ps/pl_resetn0
  variable irq ps/pl_ps_irq0
  variable control ps/M_AXI_HPM0_FPD
  variable control_clock ps/maxihpm0_fpd_aclk
  variable control_space ps/Data

  # HP1 and HP2 share a port of the memory controller: they come last. Each with its number in the processor's parameters.
  variable ports {{HP0 2} {HP3 5} {HP1 3} {HP2 4}}

  proc project {} {}

  proc processor {} {
    global job
    variable ports
    fpq::cell ps zynq_ultra_ps_e {}
    apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset "1"} [get_bd_cells ps]
    # Board presets turn on ports of their own; what is not used must be off, or its clock is missing.
    set properties [list \
      PSU__FPGA_PL0_ENABLE 1 PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $job(clock_mhz) \
      PSU__USE__FABRIC__RST 1 PSU__NUM_FABRIC_RESETS 1 PSU__USE__IRQ0 1 \
      PSU__USE__M_AXI_GP0 1 PSU__MAXIGP0__DATA_WIDTH 32 PSU__USE__M_AXI_GP1 0 PSU__USE__M_AXI_GP2 0]
    foreach hand [fpq::deal $job(masters) [llength $ports]] {
      set number [lindex $ports [lindex $hand 0] 1]
      lappend properties PSU__USE__S_AXI_GP$number 1 PSU__SAXIGP${number}__DATA_WIDTH 128
    }
    fpq::configure ps $properties
  }

  proc memory {masters} {
    global job
    variable ports
    foreach hand [fpq::deal $masters [llength $ports]] {
      lassign [lindex $ports [lindex $hand 0]] port number
      fpq::join_port [lindex $hand 1] S_AXI_${port}_FPD saxi[string tolower $port]_fpd_aclk
      foreach master [lindex $hand 1] {
        dict for {name window} $job(memory) {
          fpq::map [fpq::space_of $master] ps/SAXIGP$number/${port}_DDR_[string toupper $name] {*}$window
        }
        # The port reaches more than memory; the engine has no business there.
        set others [list ${port}_LPS_OCM ${port}_QSPI]
        if {![dict exists $job(memory) high]} {
          lappend others ${port}_DDR_HIGH
        }
        foreach other $others {
          exclude_bd_addr_seg -target_address_space [fpq::space_of $master] [get_bd_addr_segs ps/SAXIGP$number/$other]
        }
      }
    }
  }
}
