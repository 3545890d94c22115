# SPDX-License-Identifier: Apache-2.0
# A stand-in for Vivado: its commands, as far as hw/boards uses them, on a model of a project, of a block design and of an
# IP. Every call is recorded as a line of JSON in the file $FPQ_CALLS. A command that is not here, a pin, a parameter or
# a segment that the catalogue does not know, a pin driven twice, a file that does not exist: all are errors.

source [file join [file dirname [file normalize [info script]]] catalog.tcl]
source [file join [file dirname [file normalize [info script]]] record.tcl]

proc stub_touch {path text} {
  file mkdir [file dirname $path]
  set file [open $path w]
  puts $file $text
  close $file
}
proc stub_copy {name path} {
  file mkdir [file dirname $path]
  file copy -force [file join $::env(FPQ_REPORTS) $name] $path
}

# Projects and files
array set stub {cells {} nets {} buses {} maps {} part {} top {} board {}}
command create_project {
  stub_parse $args {-force -in_memory}
  lassign $words name folder
  array set ::stub [list name $name folder $folder part [dict get $option -part]]
  stub_touch [file join $folder $name.xpr] <Project/>
}
command open_project {
  stub_want [file exists [lindex $args 0]] "no project [lindex $args 0]"
  array set ::stub [list name [file rootname [file tail [lindex $args 0]]] folder [file dirname [lindex $args 0]]]
}
command close_project {}
command current_project { return project }
command current_fileset { return sources_1 }
command get_board_parts { return [expr {$::env(FPQ_BOARD_FILES) ? "[string map {:* {}} [lindex $args end]]:1.4 [string map {:* {}} [lindex $args end]]:1.10" : ""}] }
command update_ip_catalog {}
command get_ipdefs {
  set found {}
  foreach component [glob -nocomplain [file join $::stub(repository) component.xml] [file join $::stub(repository) * component.xml]] {
    set file [open $component]
    if {[string match "*[lindex $args end]*" [read $file]]} { lappend found [lindex $args end] }
    close $file
  }
  return $found
}
command add_files {
  stub_parse $args {-norecurse}
  foreach path [concat {*}$words] { stub_want [file isfile $path] "add_files: $path does not exist" }
}
command get_files { return [lindex $args 0] }
command update_compile_order {}
command create_bd_design { set ::stub(design) [lindex $args 0] }
command save_bd_design {}
command generate_target {
  set base [file join $::stub(folder) $::stub(name).gen sources_1 bd $::stub(design)]
  stub_touch [file join $base hw_handoff $::stub(design).hwh] "<EDKSYSTEM part=\"$::stub(part)\"/>"
}
command make_wrapper {
  set path [file join $::stub(folder) $::stub(name).gen sources_1 bd $::stub(design) hdl $::stub(design)_wrapper.v]
  stub_touch $path "module $::stub(design)_wrapper; endmodule"
  return $path
}

# Block design
command create_bd_cell {
  stub_parse $args {}
  set vlnv [dict get $option -vlnv]
  set name [lindex $words 0]
  stub_want [expr {![dict exists $::stub(cells) $name]}] "cell $name twice"
  catalog_pins $vlnv {}
  dict set ::stub(cells) $name vlnv $vlnv
  dict set ::stub(cells) $name config {}
  return /$name
}
proc stub_pin {path wanted} {
  lassign [split [string trimleft $path /] /] cell pin
  stub_want [dict exists $::stub(cells) $cell] "no cell $cell"
  set known [catalog_pins [dict get $::stub(cells) $cell vlnv] [dict get $::stub(cells) $cell config]]
  stub_want [dict exists $known $pin] "cell $cell has no pin $pin"
  set found [dict get $known $pin]
  stub_want [expr {([lindex $found 0] eq "intf") == ($wanted eq "intf")}] "$path is [lindex $found 0]"
  return $found
}
command get_bd_cells { stub_want [dict exists $::stub(cells) [lindex $args 0]] "no cell $args"; return [lindex $args 0] }
command get_bd_pins { stub_pin [lindex $args 0] pin; return [string trimleft [lindex $args 0] /] }
command get_bd_intf_pins { stub_pin [lindex $args 0] intf; return [string trimleft [lindex $args 0] /] }
command apply_bd_automation {}
command apply_board_connection {
  stub_parse $args {}
  stub_pin [dict get $option -ip_intf] intf
  dict lappend ::stub(buses) [dict get $option -ip_intf] board:[dict get $option -board_interface]
}
command connect_bd_net {
  lassign $args driver pin
  lassign [stub_pin $driver pin] kind direction
  lassign [stub_pin $pin pin] other into
  stub_want [expr {$direction eq "out" && $into eq "in"}] "$driver ($direction) drives $pin ($into)"
  stub_want [expr {$kind eq $other}] "$driver is $kind, $pin is $other"
  stub_want [expr {![dict exists $::stub(nets) $pin]}] "$pin is driven twice"
  dict set ::stub(nets) $pin $driver
}
command connect_bd_intf_net {
  lassign $args master slave
  stub_want [expr {[lindex [stub_pin $master intf] 1] eq "master"}] "$master is no master"
  stub_want [expr {[lindex [stub_pin $slave intf] 1] eq "slave"}] "$slave is no slave"
  foreach one $args other [lreverse $args] {
    stub_want [expr {![dict exists $::stub(buses) $one]}] "$one is connected twice"
    dict set ::stub(buses) $one $other
  }
}
command get_bd_addr_spaces {
  stub_parse $args {-quiet}
  if {[dict exists $option -of_objects]} { return [dict get $option -of_objects] }
  lassign [split [lindex $words 0] /] cell space
  stub_want [expr {$space in {Data M_AXI_FPD}}] "no address space [lindex $words 0]"
  return [lindex $words 0]
}
command get_bd_addr_segs {
  set path [lindex $args 0]
  set cell [lindex [split $path /] 0]
  stub_want [dict exists $::stub(cells) $cell] "no cell $cell"
  set vlnv [dict get $::stub(cells) $cell vlnv]
  set config [dict get $::stub(cells) $cell config]
  set segment [join [lrange [split $path /] 1 end] /]
  stub_want [catalog_has_segment $vlnv $config [catalog_pins $vlnv $config] $segment] "no segment $path"
  return $path
}
proc stub_bytes {text} {
  regexp {^(\d+)([KMG]?)$} $text -> number unit
  return [expr {$number << [dict get {{} 0 K 10 M 20 G 30} $unit]}]
}
command assign_bd_address {
  stub_parse $args {-force}
  if {![llength $words]} { return }
  set space [dict get $option -target_address_space]
  set from [expr {[dict get $option -offset]}]
  set to [expr {$from + [stub_bytes [dict get $option -range]]}]
  foreach other $::stub(maps) {
    lassign $other their_space their_from their_to
    stub_want [expr {$space ne $their_space || $to <= $their_from || $their_to <= $from}] "$words overlaps in $space"
  }
  lappend ::stub(maps) [list $space $from $to]
}
command exclude_bd_addr_seg {}
command validate_bd_design {
  dict for {cell entry} $::stub(cells) {
    dict for {pin found} [catalog_pins [dict get $entry vlnv] [dict get $entry config]] {
      lassign $found kind direction
      if {$kind eq "intf"} {
        stub_want [expr {[dict exists $::stub(buses) $cell/$pin] || $pin in {DDR FIXED_IO}}] "$cell/$pin is not connected"
      } elseif {$direction eq "in"} {
        stub_want [dict exists $::stub(nets) $cell/$pin] "$cell/$pin is not driven"
      }
    }
  }
}

# Properties
proc stub_set {key value object} {
  if {$key eq "SEGMENTED_CONFIGURATION"} { stub_touch [file join $::stub(folder) segmented] $value }
  if {$key eq "ip_repo_paths"} { set ::stub(repository) [lindex $value 0] }
  if {[string match CONFIG.* $key] && [dict exists $::stub(cells) $object]} {
    set name [string range $key 7 end]
    set vlnv [dict get $::stub(cells) $object vlnv]
    set known 0
    foreach pattern [catalog_parameters $vlnv] { if {[string match $pattern $name]} { set known 1 } }
    stub_want $known "$vlnv has no parameter $name in the catalogue"
    if {$name eq "PS_PMC_CONFIG"} {
      dict for {inner setting} $value { dict set ::stub(cells) $object config $inner $setting }
    }
    dict set ::stub(cells) $object config $name $value
  }
  set ::stub_property($object,$key) $value
}
command set_property {
  if {[lindex $args 0] eq "-dict"} {
    foreach {key value} [lindex $args 1] { stub_set $key $value [lindex $args 2] }
  } else {
    lassign $args key value object
    stub_want [expr {$object ne ""}] "set_property $key: no object"
    stub_set $key $value $object
  }
}
command get_property {
  lassign $args key object
  if {[info exists ::stub_property($object,$key)]} { return $::stub_property($object,$key) }
  switch $key {
    CONFIG.FREQ_HZ { return 299997009 }
    STATUS { return "Not started" }
    DIRECTORY { return [file join $::stub(folder) $::stub(name).runs $object] }
    name { return [lindex [split $object /] end] }
  }
  error "get_property: $object has no $key"
}

# Runs: $FPQ_BROKEN_RUN ends with an error, and says why in its own log, as Vivado does.
command get_runs { return [expr {[llength $args] ? [lindex $args 0] : {synth_1 impl_1}}] }
command reset_runs { stub_set STATUS {Not started} [lindex $args 0] }
command launch_runs {
  stub_parse $args {}
  set run [lindex $words 0]
  set folder [get_property DIRECTORY $run]
  set broken [expr {$run eq $::env(FPQ_BROKEN_RUN)}]
  stub_touch [file join $folder runme.log] [expr {$broken ? "ERROR: \[Place 30-487\] The packing of instances into the device could not be obeyed" : "done"}]
  stub_set PROGRESS [expr {$broken ? "40%" : "100%"}] $run
  stub_set STATUS [expr {$broken ? "place_design ERROR" : "Complete!"}] $run
  set step [expr {[dict exists $option -to_step] ? [dict get $option -to_step] : ""}]
  set images [dict create write_bitstream .bit write_device_image .pdi]
  if {$step eq "write_device_image" && [file exists [file join $::stub(folder) segmented]]} {
    dict set images $step {_pld.pdi _boot.pdi}
  }
  if {[dict exists $images $step]} {
    foreach ending [dict get $images $step] {
      stub_touch [file join $folder $::stub(name)_wrapper$ending] "image $ending of $::stub(name)"
    }
  }
}
command wait_on_run {}
command open_run {}
command report_utilization { stub_parse $args {}; stub_copy utilization.rpt [dict get $option -file] }
command report_timing_summary { stub_parse $args {}; stub_copy timing.rpt [dict get $option -file] }
command report_power { stub_parse $args {}; stub_touch [dict get $option -file] power }
command write_hw_platform { stub_parse $args {-fixed -include_bit -force}; stub_touch [dict get $option -file] platform }

# The IP packager: objects are paths
namespace eval ipx {}
array set stub_ipx {}
command ipx::package_project {
  stub_parse $args {-import_files -force}
  set ::stub(ip_root) [dict get $option -root_dir]
  foreach bus [concat s_axi_control $::env(FPQ_MASTERS)] { set ::stub_ipx(core/bus/$bus) 1 }
  set ::stub_ipx(core/map/s_axi_control) 1
  set ::stub(ip_names) [list [dict get $option -vendor] [dict get $option -library]]
}
command ipx::current_core { return core }
foreach {getter kind} {get_bus_interfaces bus get_address_spaces space} {
  command ipx::$getter "
    set path core/$kind/\[lindex \$args 0\]
    return \[expr {\[info exists ::stub_ipx(\$path)\] ? \$path : {}}\]"
}
command ipx::get_memory_maps { return [array names ::stub_ipx core/map/*] }
command ipx::remove_memory_map { unset ::stub_ipx(core/map/[lindex $args 0]) }
foreach {adder kind} {add_address_space space add_memory_map map add_address_block block add_register register add_field field} {
  command ipx::$adder "
    lassign \$args name parent
    set path \$parent/$kind/\$name
    stub_want \[expr {!\[info exists ::stub_ipx(\$path)\]}\] \"\$path twice\"
    set ::stub_ipx(\$path) 1
    return \$path"
}
foreach rest {associate_bus_interfaces create_xgui_files update_checksums check_integrity} { command ipx::$rest {} }
command ipx::save_core {
  lassign $::stub(ip_names) vendor library
  set vlnv $vendor:$library:[get_property name core]:[get_property version core]
  stub_touch [file join $::stub(ip_root) component.xml] "<spirit:component vlnv=\"$vlnv\"/>"
}
