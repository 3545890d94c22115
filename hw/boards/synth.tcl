# SPDX-License-Identifier: Apache-2.0
# Synthesis of the block design.

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project [file join $job(work) project $job(project).xpr]
reset_runs synth_1
fpq::finish synth_1
open_run synth_1
report_utilization -file [file join $job(out) synthesis_utilization.rpt]
close_project
