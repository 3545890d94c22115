# SPDX-License-Identifier: Apache-2.0
# Versal (AM011, PG313, PG352): the network-on-chip joins processor and engine to DDR4, and, through a second NoC
# instance, to LPDDR4.

namespace eval platform {
  variable clock ps/pl0_ref_clk
  variable reset ps/pl0_resetn
  variable irq ps/pl_ps_irq0
  variable control ps/M_AXI_FPD
  variable control_clock ps/m_axi_fpd_aclk
  variable control_space ps/M_AXI_FPD

  # What the processor side sends through the NoC: interface, its clock, and what the NoC calls such a source.
  variable sources {
    {FPD_CCI_NOC_0 fpd_cci_noc_axi0_clk ps_cci} {FPD_CCI_NOC_1 fpd_cci_noc_axi1_clk ps_cci}
    {FPD_CCI_NOC_2 fpd_cci_noc_axi2_clk ps_cci} {FPD_CCI_NOC_3 fpd_cci_noc_axi3_clk ps_cci}
    {LPD_AXI_NOC_0 lpd_axi_noc_clk ps_rpu} {PMC_NOC_AXI_0 pmc_axi_noc_axi0_clk ps_pmc}
  }

  # Board interfaces of the memories.
  variable boards {
    vck190 {
      ddr {CH0_DDR4_0_BOARD_INTERFACE ddr4_dimm1 sys_clk0_BOARD_INTERFACE ddr4_dimm1_sma_clk}
      lpddr {
        CH0_LPDDR4_0_BOARD_INTERFACE ch0_lpddr4_c0 CH1_LPDDR4_0_BOARD_INTERFACE ch1_lpddr4_c0
        CH0_LPDDR4_1_BOARD_INTERFACE ch0_lpddr4_c1 CH1_LPDDR4_1_BOARD_INTERFACE ch1_lpddr4_c1
        sys_clk0_BOARD_INTERFACE lpddr4_sma_clk1 sys_clk1_BOARD_INTERFACE lpddr4_sma_clk2
      }
    }
  }

  # Bandwidth that the NoC compiler sets aside, MB/s. The engine's shares are below what DDR4 gives, so that it can.
  variable processor_bandwidth 250
  variable engine_bandwidth 12000

  # Two images: one for boot, with the NoC and the memory controllers, and one for programmable logic, which Linux can load
  # as long as both were built with the same NoC (job(noc_solution)).
  proc project {} {
    set_property SEGMENTED_CONFIGURATION true [current_project]
  }

  proc processor {} {
    global job
    fpq::cell ps versal_cips {}
    apply_bd_automation -rule xilinx.com:bd_rule:cips -config { board_preset {Yes} boot_config {Custom} \
      configure_noc {None} debug_config {JTAG} design_flow {Full System} mc_type {None} num_mc_ddr {None} \
      num_mc_lpddr {None} pl_clocks {1} pl_resets {1} } [get_bd_cells ps]
    fpq::configure ps [list CLOCK_MODE Custom DDR_MEMORY_MODE Custom PS_PL_CONNECTIVITY_MODE Custom \
      PS_PMC_CONFIG [list CLOCK_MODE Custom DDR_MEMORY_MODE {Connectivity to DDR via NOC} DESIGN_MODE 1 \
        PS_PL_CONNECTIVITY_MODE Custom \
        PMC_CRP_PL0_REF_CTRL_FREQMHZ $job(clock_mhz) PS_USE_PMCPL_CLK0 1 PS_NUM_FABRIC_RESETS 1 \
        PS_USE_M_AXI_FPD 1 PS_M_AXI_FPD_DATA_WIDTH 32 PS_IRQ_USAGE {{CH0 1}} \
        PS_USE_FPD_CCI_NOC 1 PS_USE_FPD_CCI_NOC0 1 PS_USE_NOC_LPD_AXI0 1 PMC_USE_PMC_NOC_AXI0 1]]
  }

  # One source of the NoC: where it may go, and how much it is given.
  proc source_of {index category port read write} {
    set share [list read_bw $read write_bw $write read_avg_burst 4 write_avg_burst 4]
    set_property -dict [list CONFIG.CATEGORY $category CONFIG.CONNECTIONS [list MC_$port $share M00_INI $share]] \
      [get_bd_intf_pins noc/[format S%02d_AXI $index]]
  }

  proc memory {masters} {
    global job
    variable sources
    variable clock
    variable processor_bandwidth
    variable engine_bandwidth
    memories [expr {[llength $sources] + [llength $masters]}] [expr {[llength $sources] + 1}]
    set index 0
    foreach source $sources {
      lassign $source interface source_clock category
      source_of $index $category 3 $processor_bandwidth $processor_bandwidth
      fpq::bus ps/$interface noc/[format S%02d_AXI $index]
      set_property CONFIG.ASSOCIATED_BUSIF [format S%02d_AXI $index] [get_bd_pins noc/aclk$index]
      fpq::wire ps/$source_clock noc/aclk$index
      incr index
    }
    # All of the engine is on one clock. Its masters take ports of the memory controller in turn.
    set engine_clock aclk[llength $sources]
    set share [expr {$engine_bandwidth / [llength $masters]}]
    set inputs {}
    foreach master $masters {
      set port [expr {[llength $inputs] % 3}]
      set writes [string match m_axi_y* $master]
      source_of $index pl $port [expr {$writes ? 5 : $share}] [expr {$writes ? $share : 5}]
      fpq::bus engine/$master noc/[format S%02d_AXI $index]
      lappend inputs [format S%02d_AXI $index]
      fpq::map [fpq::space_of $master] noc/[format S%02d_AXI $index]/C${port}_DDR_LOW0 {*}[dict get $job(memory) low]
      fpq::map [fpq::space_of $master] noc/[format S%02d_AXI $index]/C${port}_DDR_LOW1 {*}[dict get $job(memory) high]
      fpq::map [fpq::space_of $master] noc_lpddr/S00_INI/C0_DDR_CH1x2 {*}[dict get $job(memory) lpddr]
      incr index
    }
    set_property CONFIG.ASSOCIATED_BUSIF [join $inputs :] [get_bd_pins noc/$engine_clock]
    fpq::wire $clock noc/$engine_clock
    assign_bd_address
  }

  # The two NoC instances with their memory controllers, and their pins.
  proc memories {inputs clocks} {
    global job
    variable boards
    set own [dict get $boards $job(board)]
    fpq::cell noc axi_noc [concat [dict get $own ddr] [list \
      NUM_SI $inputs NUM_MI 0 NUM_NMI 1 NUM_NSI 0 NUM_CLKS $clocks NUM_MC 1 NUM_MCP 4 MC_CHAN_REGION1 DDR_LOW1]]
    fpq::cell noc_lpddr axi_noc [concat [dict get $own lpddr] [list \
      NUM_SI 0 NUM_MI 0 NUM_NMI 0 NUM_NSI 1 NUM_CLKS 0 NUM_MC 2 NUM_MCP 1 MC_CHAN_REGION0 DDR_CH1]]
    set_property CONFIG.CONNECTIONS {MC_0 {read_bw 3000 write_bw 3000 read_avg_burst 4 write_avg_burst 4}} \
      [get_bd_intf_pins noc_lpddr/S00_INI]
    fpq::bus noc/M00_INI noc_lpddr/S00_INI
    foreach {cell set} {noc ddr noc_lpddr lpddr} {
      dict for {property interface} [dict get $own $set] {
        set pin [string map {_BOARD_INTERFACE {}} $property]
        apply_board_connection -board_interface $interface -ip_intf $cell/$pin -diagram $job(project)
      }
    }
  }
}
