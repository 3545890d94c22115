# SPDX-License-Identifier: Apache-2.0
# The configuration image, and the hardware platform that boot images and device trees are made from.

source [file join [file dirname [file normalize [info script]]] common.tcl]

set step [expr {$job(image) eq "pdi" ? "write_device_image" : "write_bitstream"}]
open_project [file join $job(work) project $job(project).xpr]
fpq::finish impl_1 -to_step $step
set runs [get_property DIRECTORY [get_runs impl_1]]
fpq::keep $runs $job(project)_wrapper.$job(image) [file join $job(out) $job(name).$job(image)]
write_hw_platform -fixed -include_bit -force -file [file join $job(out) $job(name).xsa]
close_project
