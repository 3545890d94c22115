# SPDX-License-Identifier: Apache-2.0
# The configuration image, and the hardware platform that boot images and device trees are made from.

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project [file join $job(work) project $job(project).xpr]
set runs [get_property DIRECTORY [get_runs impl_1]]
if {$job(image) eq "pdi"} {
  fpq::finish impl_1 -to_step write_device_image
  fpq::keep $runs *_pld.pdi [file join $job(out) $job(name).pdi]
  fpq::keep $runs *_boot.pdi [file join $job(out) $job(name)_boot.pdi]
} else {
  fpq::finish impl_1 -to_step write_bitstream
  fpq::keep $runs $job(project)_wrapper.bit [file join $job(out) $job(name).bit]
}
write_hw_platform -fixed -include_bit -force -file [file join $job(out) $job(name).xsa]
close_project
