# SPDX-License-Identifier: Apache-2.0
# Zynq-7000 and Zynq UltraScale+: the engine's masters are dealt to the processor's memory ports, in turn, the ones that
# carry most first; a SmartConnect before each port adapts width, protocol and address.

# Returns, for each port in use, its index and its masters.
proc fpq::deal {masters ports} {
  set hands {}
  set index 0
  foreach master $masters {
    set port [expr {$index % $ports}]
    if {$port == $index} {
      lappend hands [list $port [list $master]]
    } else {
      lset hands $port 1 [concat [lindex $hands $port 1] $master]
    }
    incr index
  }
  return $hands
}

# Connects masters to one port: its interface and its clock pin, both of the cell `ps`.
proc fpq::join_port {masters interface port_clock} {
  set name smc_[string tolower $interface]
  fpq::cell $name smartconnect [list NUM_SI [llength $masters] NUM_MI 1 NUM_CLKS 1]
  fpq::wire $platform::clock $name/aclk ps/$port_clock
  fpq::wire reset/peripheral_aresetn $name/aresetn
  set index 0
  foreach master $masters {
    fpq::bus engine/$master $name/[format S%02d_AXI $index]
    incr index
  }
  fpq::bus $name/M00_AXI ps/$interface
}
