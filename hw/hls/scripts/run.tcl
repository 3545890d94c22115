# SPDX-License-Identifier: Apache-2.0
# The HLS core by vitis_hls (up to 2024.2):
#     vitis_hls -f hw/hls/scripts/run.tcl <job.tcl> <csim|csynth|cosim>
# job.tcl is written by hw.synth. From 2025.1 on `v++` and `vitis-run` do the same by hls_config.cfg.

set arguments [lrange $argv end-1 end]
array set job {}
source [lindex $arguments 0]
set step [lindex $arguments 1]

open_project -reset [file join $job(work) vitis_$step]
set_top fpq_accel
add_files $job(hls_source) -cflags $job(hls_flags)
add_files -tb $job(hls_bench) -cflags $job(hls_bench_flags)
open_solution -reset -flow_target vivado solution
set_part $job(part)
create_clock -period $job(period_ns)
config_interface -m_axi_addr64 -m_axi_alignment_byte_size 64
switch $step {
  csim {
    csim_design
  }
  csynth {
    csynth_design
    lassign [split $job(vlnv) :] vendor library name version
    export_design -format ip_catalog -ipname $name -vendor $vendor -library $library -version $version
  }
  cosim {
    csynth_design
    cosim_design
  }
  default {
    error "step $step: one of csim, csynth, cosim"
  }
}
close_project
exit
