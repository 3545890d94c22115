# SPDX-License-Identifier: Apache-2.0
# Placement and routing, with the effort that an array near the device's size needs, and the reports.

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project [file join $job(work) project $job(project).xpr]
reset_runs impl_1
set run [get_runs impl_1]
set_property STEPS.OPT_DESIGN.ARGS.DIRECTIVE Explore $run
set_property STEPS.PLACE_DESIGN.ARGS.DIRECTIVE Explore $run
set_property STEPS.PHYS_OPT_DESIGN.IS_ENABLED true $run
set_property STEPS.PHYS_OPT_DESIGN.ARGS.DIRECTIVE AggressiveExplore $run
set_property STEPS.ROUTE_DESIGN.ARGS.DIRECTIVE Explore $run
if {$job(noc_solution) ne ""} {
  set_property NOC_SOLUTION_FILE $job(noc_solution) $run
}
fpq::finish impl_1 -to_step route_design
open_run impl_1
report_timing_summary -max_paths 10 -file [file join $job(out) timing.rpt]
report_utilization -file [file join $job(out) utilization.rpt]
report_power -file [file join $job(out) power.rpt]
close_project
