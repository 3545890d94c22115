# SPDX-License-Identifier: Apache-2.0
# Packages fpq_accel, in the wrapper that hw.synth wrote, as an IP with the register map that Vitis HLS would give it.

source [file join [file dirname [file normalize [info script]]] common.tcl]

create_project -force package [file join $job(work) package] -part $job(part)
add_files -norecurse $job(sources)
foreach header $job(headers) {
  add_files -norecurse $header
  set_property file_type {Verilog Header} [get_files [file tail $header]]
}
set_property top $job(top) [current_fileset]
update_compile_order -fileset sources_1

lassign [split $job(vlnv) :] vendor library name version
ipx::package_project -root_dir $job(ip) -vendor $vendor -library $library -taxonomy /FPQVAR -import_files \
  -set_current true -force
set core [ipx::current_core]
set_property name $name $core
set_property version $version $core
set_property display_name "FPQVAR GEMM engine, $job(family)" $core
set_property description "Quantizing FP4/FP6 GEMM engine: docs/rtl.md of fpqvar" $core

# The interfaces come from the wrapper's attributes; what a block design cannot do without is checked here.
foreach bus [concat s_axi_control $job(masters)] {
  if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1} {
    fpq::fail "the packager found no interface $bus in $job(top)"
  }
  ipx::associate_bus_interfaces -busif $bus -clock ap_clk $core
}

# Each master sees all of its 64-bit address space.
foreach master $job(masters) {
  if {[llength [ipx::get_address_spaces $master -of_objects $core]] == 0} {
    ipx::add_address_space $master $core
  }
  set space [ipx::get_address_spaces $master -of_objects $core]
  set_property range 18446744073709551616 $space
  set_property width 64 $space
  set_property master_address_space_ref $master [ipx::get_bus_interfaces $master -of_objects $core]
}

# The packager's own map has no registers.
foreach old [ipx::get_memory_maps -of_objects $core] {
  ipx::remove_memory_map [get_property name $old] $core
}
set map [ipx::add_memory_map s_axi_control $core]
set_property slave_memory_map_ref s_axi_control [ipx::get_bus_interfaces s_axi_control -of_objects $core]
set block [ipx::add_address_block Reg $map]
set_property base_address 0 $block
set_property range 65536 $block
set_property width 32 $block
set_property usage register $block
set_property access read-write $block
foreach register $job(registers) {
  lassign $register name offset access text fields
  set word [ipx::add_register $name $block]
  set_property address_offset $offset $word
  set_property size 32 $word
  set_property access $access $word
  set_property description $text $word
  foreach field $fields {
    lassign $field part lsb bits
    set one [ipx::add_field $part $word]
    set_property bit_offset $lsb $one
    set_property bit_width $bits $one
    set_property access $access $one
  }
}

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
