# SPDX-License-Identifier: Apache-2.0
# What the stand-in for Vivado knows of IPs: their pins, the parameters that hw/boards sets, and their address segments,
# written after the IPs' product guides (PG082, PG201, PG352, PG313, PG164, PG099, PG247).

# Pins: name -> {kind direction}. Kinds: intf (master, slave), clk, rst, irq (in, out).
proc catalog_pins {vlnv config} {
  set get [list dict_get $config]
  set pins {}
  switch -glob $vlnv {
    xilinx.com:ip:processing_system7 {
      lappend pins FCLK_CLK0 {clk out} FCLK_RESET0_N {rst out} DDR {intf master} FIXED_IO {intf master}
      if {[{*}$get PCW_USE_M_AXI_GP0]} { lappend pins M_AXI_GP0 {intf master} M_AXI_GP0_ACLK {clk in} }
      if {[{*}$get PCW_USE_FABRIC_INTERRUPT] && [{*}$get PCW_IRQ_F2P_INTR]} { lappend pins IRQ_F2P {irq in} }
      foreach n {0 1 2 3} {
        if {[{*}$get PCW_USE_S_AXI_HP$n]} { lappend pins S_AXI_HP$n {intf slave} S_AXI_HP${n}_ACLK {clk in} }
      }
    }
    xilinx.com:ip:zynq_ultra_ps_e {
      if {[{*}$get PSU__FPGA_PL0_ENABLE]} { lappend pins pl_clk0 {clk out} }
      if {[{*}$get PSU__USE__FABRIC__RST]} { lappend pins pl_resetn0 {rst out} }
      if {[{*}$get PSU__USE__IRQ0]} { lappend pins pl_ps_irq0 {irq in} }
      foreach {n port} {0 hpm0_fpd 1 hpm1_fpd 2 hpm0_lpd} {
        if {[{*}$get PSU__USE__M_AXI_GP$n]} {
          lappend pins M_AXI_[string toupper $port] {intf master} maxi${port}_aclk {clk in}
        }
      }
      foreach {n port} {0 hpc0 1 hpc1 2 hp0 3 hp1 4 hp2 5 hp3} {
        if {[{*}$get PSU__USE__S_AXI_GP$n]} {
          lappend pins S_AXI_[string toupper $port]_FPD {intf slave} saxi${port}_fpd_aclk {clk in}
        }
      }
    }
    xilinx.com:ip:versal_cips {
      if {[{*}$get PS_USE_PMCPL_CLK0]} { lappend pins pl0_ref_clk {clk out} }
      if {[{*}$get PS_NUM_FABRIC_RESETS]} { lappend pins pl0_resetn {rst out} }
      if {[string match "*{CH0 1}*" [{*}$get PS_IRQ_USAGE]]} { lappend pins pl_ps_irq0 {irq in} }
      if {[{*}$get PS_USE_M_AXI_FPD]} { lappend pins M_AXI_FPD {intf master} m_axi_fpd_aclk {clk in} }
      if {[{*}$get PS_USE_FPD_CCI_NOC]} {
        foreach n {0 1 2 3} { lappend pins FPD_CCI_NOC_$n {intf master} fpd_cci_noc_axi${n}_clk {clk out} }
      }
      if {[{*}$get PS_USE_NOC_LPD_AXI0]} { lappend pins LPD_AXI_NOC_0 {intf master} lpd_axi_noc_clk {clk out} }
      if {[{*}$get PMC_USE_PMC_NOC_AXI0]} { lappend pins PMC_NOC_AXI_0 {intf master} pmc_axi_noc_axi0_clk {clk out} }
    }
    xilinx.com:ip:axi_noc {
      foreach {property form mode} {NUM_SI S%02d_AXI slave NUM_MI M%02d_AXI master NUM_NSI S%02d_INI slave
                                    NUM_NMI M%02d_INI master} {
        for {set n 0} {$n < [{*}$get $property]} {incr n} { lappend pins [format $form $n] [list intf $mode] }
      }
      for {set n 0} {$n < [{*}$get NUM_CLKS]} {incr n} { lappend pins aclk$n {clk in} }
      foreach key [dict keys $config *_BOARD_INTERFACE] {
        set pin [string map {_BOARD_INTERFACE {}} $key]
        lappend pins $pin [list intf [expr {[string match sys_clk* $pin] ? "slave" : "master"}]]
      }
    }
    xilinx.com:ip:smartconnect {
      lappend pins aclk {clk in} aresetn {rst in}
      for {set n 0} {$n < [{*}$get NUM_SI]} {incr n} { lappend pins [format S%02d_AXI $n] {intf slave} }
      for {set n 0} {$n < [{*}$get NUM_MI]} {incr n} { lappend pins [format M%02d_AXI $n] {intf master} }
    }
    xilinx.com:ip:proc_sys_reset {
      lappend pins slowest_sync_clk {clk in} ext_reset_in {rst in} peripheral_aresetn {rst out}
    }
    xilinx.com:ip:axi_intc {
      lappend pins s_axi {intf slave} s_axi_aclk {clk in} s_axi_aresetn {rst in} intr {irq in}
      lappend pins irq [expr {[{*}$get C_IRQ_CONNECTION] ? {irq out} : {irq none}}]
    }
    fpqvar:*:fpq_accel:* {
      lappend pins ap_clk {clk in} ap_rst_n {rst in} interrupt {irq out} s_axi_control {intf slave}
      foreach master $::env(FPQ_MASTERS) { lappend pins $master {intf master} }
    }
    default { error "the catalogue has no IP $vlnv" }
  }
  return $pins
}

proc dict_get {config key} {
  return [expr {[dict exists $config $key] ? [dict get $config $key] : 0}]
}

# Parameters that may be set, as patterns.
proc catalog_parameters {vlnv} {
  switch -glob $vlnv {
    xilinx.com:ip:processing_system7 {
      return {PCW_CRYSTAL_PERIPHERAL_FREQMHZ PCW_APU_PERIPHERAL_FREQMHZ PCW_PRESET_BANK1_VOLTAGE PCW_UIPARAM_DDR_PARTNO
        PCW_UIPARAM_DDR_BUS_WIDTH PCW_UIPARAM_DDR_FREQ_MHZ PCW_EN_CLK0_PORT PCW_FPGA0_PERIPHERAL_FREQMHZ
        PCW_EN_RST0_PORT PCW_USE_M_AXI_GP0 PCW_USE_FABRIC_INTERRUPT PCW_IRQ_F2P_INTR
        PCW_USE_S_AXI_HP[0-3] PCW_S_AXI_HP[0-3]_DATA_WIDTH}
    }
    xilinx.com:ip:zynq_ultra_ps_e {
      return {PSU__FPGA_PL0_ENABLE PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ PSU__USE__FABRIC__RST PSU__NUM_FABRIC_RESETS
        PSU__USE__IRQ0 PSU__USE__M_AXI_GP[0-2] PSU__MAXIGP[0-2]__DATA_WIDTH PSU__USE__S_AXI_GP[0-6]
        PSU__SAXIGP[0-6]__DATA_WIDTH}
    }
    xilinx.com:ip:versal_cips { return {CLOCK_MODE DDR_MEMORY_MODE PS_PL_CONNECTIVITY_MODE PS_PMC_CONFIG} }
    xilinx.com:ip:axi_noc {
      return {NUM_SI NUM_MI NUM_NSI NUM_NMI NUM_CLKS NUM_MC NUM_MCP MC_CHAN_REGION[01] CH[01]_DDR4_[01]_BOARD_INTERFACE
        CH[01]_LPDDR4_[01]_BOARD_INTERFACE sys_clk[01]_BOARD_INTERFACE}
    }
    xilinx.com:ip:smartconnect { return {NUM_SI NUM_MI NUM_CLKS} }
    xilinx.com:ip:axi_intc { return {C_IRQ_CONNECTION} }
  }
  return {}
}

# Whether a cell has this address segment, given by its path below the cell.
proc catalog_has_segment {vlnv config pins segment} {
  lassign [split $segment /] port name
  switch -glob $vlnv {
    xilinx.com:ip:processing_system7 {
      return [expr {[dict exists $pins $port] && $name eq "[string range $port 6 end]_DDR_LOWOCM"}]
    }
    xilinx.com:ip:zynq_ultra_ps_e {
      foreach {number prefix} {0 HPC0 1 HPC1 2 HP0 3 HP1 4 HP2 5 HP3} {
        if {$port eq "SAXIGP$number" && [dict exists $pins S_AXI_${prefix}_FPD]} {
          return [expr {$name in "${prefix}_DDR_LOW ${prefix}_DDR_HIGH ${prefix}_LPS_OCM ${prefix}_QSPI"}]
        }
      }
    }
    xilinx.com:ip:axi_noc {
      if {![dict exists $pins $port]} { return 0 }
      if {[dict exists $config MC_CHAN_REGION0] && [dict get $config MC_CHAN_REGION0] eq "DDR_CH1"} {
        return [expr {$name eq ([dict get $config NUM_MC] == 2 ? "C0_DDR_CH1x2" : "C0_DDR_CH1")}]
      }
      return [regexp {^C[0-3]_DDR_LOW[01]$} $name]
    }
    xilinx.com:ip:axi_intc { return [expr {$segment eq "S_AXI/Reg"}] }
    fpqvar:* { return [expr {$segment eq "s_axi_control/Reg"}] }
  }
  return 0
}
