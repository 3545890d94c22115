// SPDX-License-Identifier: Apache-2.0
// Scales and accumulates the group sums of `Share` dot units in turn, and keeps their accumulators of every slot.
//
// Cycle 0 is that of step_i and sums_i. The scales come term_scale_delay + 1 cycles later, read_address_i term_latency
// cycles later, write_address_i AddLatency + 1 cycles after that: so an accumulator may be read again after SlotSpacing.

module fpq_float_unit
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Share = 4,
  parameter int Slots = 8,
  localparam int SumBits = sum_bits(Family),
  localparam int StepBits = Share > 1 ? $clog2(Share) : 1,
  localparam int AddressBits = $clog2(Slots) + (Share > 1 ? $clog2(Share) : 0)
) (
  input  logic                     clk_i,
  input  logic [StepBits-1:0]      step_i,           // cycle 0
  input  logic [Share*SumBits-1:0] sums_i,           // cycle 0
  input  logic [10:0]              a_significand_i,  // as in fpq_term
  input  logic [ExponentBits-1:0]  a_exponent_i,
  input  logic [10:0]              w_significand_i,
  input  logic [5:0]               w_exponent_i,
  input  logic                     scale_zero_i,
  input  logic [AddressBits-1:0]   read_address_i,   // cycle of the term, less one
  input  logic                     restart_i,        // with it: the accumulator starts at +0
  input  logic                     write_i,          // with the sum
  input  logic [AddressBits-1:0]   write_address_i,
  input  logic                     drain_enable_i,
  input  logic [AddressBits-1:0]   drain_address_i,
  output float_t                   drain_o           // one enabled cycle later
);

  logic signed [SumBits-1:0] sum_q;
  float_t term, accumulator_q, sum, read, drain;

  always_ff @(posedge clk_i) begin
    sum_q <= sums_i[int'(step_i)*SumBits+:SumBits];
  end

  fpq_term #(
    .Target(Target),
    .Family(Family)
  ) u_term (
    .clk_i,
    .sum_i          (sum_q),
    .a_significand_i,
    .a_exponent_i,
    .w_significand_i,
    .w_exponent_i,
    .zero_i         (scale_zero_i),
    .term_o         (term)
  );

  always_ff @(posedge clk_i) begin
    accumulator_q <= restart_i ? '0 : read;
    if (drain_enable_i) drain_o <= drain;
  end

  fpq_add #(
    .Target(Target)
  ) u_add (
    .clk_i,
    .enable_i(1'b1),
    .a_i     (accumulator_q),
    .b_i     (term),
    .sum_o   (sum)
  );

  fpq_lutram #(
    .Target(Target),
    .Width ($bits(float_t)),
    .Depth (Share * Slots)
  ) u_accumulators (
    .clk_i,
    .write_i,
    .write_address_i,
    .write_data_i   (sum),
    .read_a_address_i(read_address_i),
    .read_a_data_o  (read),
    .read_b_address_i(drain_address_i),
    .read_b_data_o  (drain)
  );

endmodule
