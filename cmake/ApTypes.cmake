# SPDX-License-Identifier: Apache-2.0
# Target fpqvar_ap_types: the ap_int headers. Vitis HLS's own where it is installed (XILINX_HLS), or else the free ones
# that the hls4ml wheel carries.
if(NOT FPQVAR_AP_TYPES AND EXISTS "$ENV{XILINX_HLS}/include/ap_int.h")
  set(FPQVAR_AP_TYPES "$ENV{XILINX_HLS}/include")
endif()
if(NOT FPQVAR_AP_TYPES)
  # find_spec does not run the package, which would import what we did not install.
  set(script "import importlib.util, pathlib; spec = importlib.util.find_spec('hls4ml')
print(pathlib.Path(spec.origin).parent / 'templates/vivado/ap_types' if spec else '')")
  execute_process(COMMAND "${Python_EXECUTABLE}" -c "${script}"
                  OUTPUT_VARIABLE FPQVAR_AP_TYPES OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
if(NOT EXISTS "${FPQVAR_AP_TYPES}/ap_int.h")
  message(FATAL_ERROR "No ap_int.h. Install the headers (pip install --no-deps -r requirements/headers.txt), source "
                      "Vitis HLS's settings64.sh, or set FPQVAR_AP_TYPES to their folder.")
endif()
message(STATUS "ap_int headers: ${FPQVAR_AP_TYPES}")

add_library(fpqvar_ap_types INTERFACE)
target_include_directories(fpqvar_ap_types SYSTEM INTERFACE "${FPQVAR_AP_TYPES}")
