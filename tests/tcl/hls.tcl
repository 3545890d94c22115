# SPDX-License-Identifier: Apache-2.0
# A stand-in for vitis_hls: its commands, as far as hw/hls/scripts uses them. Files must exist, and the steps must come in
# an order in which they can.

source [file join [file dirname [file normalize [info script]]] record.tcl]

array set hls {project 0 solution 0 part 0 clock 0 top 0 synthesized 0}
proc hls_ready {} {
  foreach need {project solution part clock top} { stub_want $::hls($need) "no $need yet" }
}
command open_project { set ::hls(project) 1 }
command open_solution { stub_want $::hls(project) "open_solution: no project"; set ::hls(solution) 1 }
command set_top { stub_want $::hls(project) "set_top: no project"; set ::hls(top) 1 }
command set_part { stub_want $::hls(solution) "set_part: no solution"; set ::hls(part) 1 }
command create_clock { stub_want $::hls(solution) "create_clock: no solution"; set ::hls(clock) 1 }
command config_interface { stub_want $::hls(solution) "config_interface: no solution" }
command add_files {
  stub_parse $args {-tb}
  foreach path [concat {*}$words] { stub_want [file isfile $path] "add_files: $path does not exist" }
  stub_want [dict exists $option -cflags] "add_files without -cflags"
}
command csim_design { hls_ready }
command csynth_design { hls_ready; set ::hls(synthesized) 1 }
command cosim_design { stub_want $::hls(synthesized) "cosim_design before csynth_design" }
command export_design { stub_want $::hls(synthesized) "export_design before csynth_design" }
command close_project {}
command exit {}
