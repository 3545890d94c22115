# SPDX-License-Identifier: Apache-2.0
# The block design: processor, engine, and what joins them. What differs between device families is in <device>.tcl,
# which gives the procs
#     platform::project              sets the project up, where the family needs it
#     platform::processor            makes the cell `ps`: a clock, a reset, an interrupt, a port for the registers
#     platform::memory masters       leads the engine's masters to memory and maps it for them
# and the variables platform::clock, reset, irq, control (paths of pins), control_clock and control_space.

source [file join [file dirname [file normalize [info script]]] common.tcl]
source [file join [file dirname [file normalize [info script]]] $job(device).tcl]

create_project -force $job(project) [file join $job(work) project] -part $job(part)
if {$job(board_part) ne ""} {
  # Board files are dated by a version of their own: the newest that is installed.
  set boards [lsort -dictionary [get_board_parts -quiet $job(board_part):*]]
  if {![llength $boards]} {
    fpq::fail "Vivado has no board files for $job(board_part); install them: Tools > Vivado Store > Boards"
  }
  set_property board_part [lindex $boards end] [current_project]
}
platform::project
set_property ip_repo_paths [list $job(ip)] [current_project]
update_ip_catalog -rebuild
if {![llength [get_ipdefs -quiet $job(vlnv)]]} {
  fpq::fail "no IP $job(vlnv) in $job(ip); run the stage before this one again"
}

create_bd_design $job(project)
create_bd_cell -type ip -vlnv $job(vlnv) engine
platform::processor

# Clock and reset: one of each for all that is in programmable logic.
fpq::cell reset proc_sys_reset {}
fpq::wire $platform::clock engine/ap_clk reset/slowest_sync_clk $platform::control_clock
fpq::wire $platform::reset reset/ext_reset_in
fpq::wire reset/peripheral_aresetn engine/ap_rst_n

# Registers of the engine and of the interrupt controller, through which PYNQ takes all interrupts.
fpq::cell control smartconnect {NUM_SI 1 NUM_MI 2 NUM_CLKS 1}
fpq::cell intc axi_intc {C_IRQ_CONNECTION 1}
fpq::wire $platform::clock control/aclk intc/s_axi_aclk
fpq::wire reset/peripheral_aresetn control/aresetn intc/s_axi_aresetn
fpq::bus $platform::control control/S00_AXI
fpq::bus control/M00_AXI engine/s_axi_control
fpq::bus control/M01_AXI intc/s_axi
fpq::wire engine/interrupt intc/intr
fpq::wire intc/irq $platform::irq
set processor [get_bd_addr_spaces $platform::control_space]
fpq::map $processor engine/s_axi_control/Reg $job(control_base) 64K
fpq::map $processor intc/S_AXI/Reg [format 0x%X [expr {$job(control_base) + 0x10000}]] 64K

platform::memory $job(masters)

validate_bd_design
save_bd_design
set design [get_files $job(project).bd]
generate_target all $design
add_files -norecurse [make_wrapper -files $design -top]
set_property top $job(project)_wrapper [current_fileset]
update_compile_order -fileset sources_1

# What the dividers of the device make of the clock that was asked for.
fpq::fact design clock_hz [get_property CONFIG.FREQ_HZ [get_bd_pins $platform::clock]]
fpq::keep [file join $job(work) project] $job(project).hwh [file join $job(out) $job(name).hwh]
close_project
