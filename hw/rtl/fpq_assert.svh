// SPDX-License-Identifier: Apache-2.0
// Checks of parameters at elaboration, and assertions for simulation, which vanish in synthesis and where the simulator
// knows no concurrent assertions. They use clk_i and rst_ni of the module that they stand in.

`ifndef FPQ_ASSERT_SVH_
`define FPQ_ASSERT_SVH_

// An illegal parameter set stops elaboration with a sentence; Icarus has no elaboration tasks and stops at time 0.
`ifdef __ICARUS__
`define FPQ_REQUIRE(__name, __condition, __sentence) \
  initial if (!(__condition)) $fatal(1, __sentence);
`else
`define FPQ_REQUIRE(__name, __condition, __sentence) \
  if (!(__condition)) begin : __name \
    $error(__sentence); \
  end
`endif

`ifdef VERILATOR
`define FPQ_ASSERTIONS
`endif

`ifdef FPQ_ASSERTIONS

// The condition holds at every rising edge out of reset.
`define FPQ_ASSERT(__name, __condition) \
  __name : assert property (@(posedge clk_i) disable iff (!rst_ni) (__condition)) \
    else $error("%m: assertion failed");

// A handshake: an offer stands, unchanged, until it is taken.
`define FPQ_ASSERT_STABLE(__name, __valid, __ready, __data) \
  __name : assert property (@(posedge clk_i) disable iff (!rst_ni) \
    ((__valid) && !(__ready)) |=> ((__valid) && $stable(__data))) \
    else $error("%m: offer withdrawn or changed");

`else

`define FPQ_ASSERT(__name, __condition)
`define FPQ_ASSERT_STABLE(__name, __valid, __ready, __data)

`endif

`endif  // FPQ_ASSERT_SVH_
