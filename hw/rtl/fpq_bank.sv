// SPDX-License-Identifier: Apache-2.0
// The multiplier bank: Rows x Columns dot products of a chunk a cycle, scaled and accumulated a group, and on a tile's last
// group biased and converted to FP16. Ports and rules are in docs/rtl.md.
//
// Rows share float units: unit (g, c) serves the rows g * Share ... of column c, one a cycle, after each pass.

`include "fpq_assert.svh"

module fpq_bank
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter int Spacing = 4,   // fewest cycles between the ends of two passes
  parameter int Slots = 8,     // accumulators of each output; a power of two
  parameter int OutWidth = 4,  // outputs a cycle
  parameter bit Shared = 1'b0,  // as in fpq_array
  parameter bit Fp6Dsp = DefaultFp6Dsp,  // see fpq_array
  localparam int CodeBits = code_bits(Family),
  localparam int ABits = Shared ? operand_bits(Target, Family, Fp6Dsp) : CodeBits,
  localparam int SlotBits = $clog2(Slots),
  localparam int PartBits = Columns > OutWidth ? $clog2(Columns / OutWidth) : 1
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              chunk_valid_i,
  input  logic                              chunk_first_i,
  input  logic                              chunk_last_i,
  input  logic                              chunk_dual_i,
  input  logic                              chunk_negative_i,
  input  logic [SlotBits-1:0]               chunk_slot_i,
  input  logic                              chunk_tile_first_i,
  input  logic                              chunk_tile_last_i,
  input  logic [BiasWidth-1:0]              chunk_bias_i,
  input  logic [Rows*Lanes*ABits-1:0]       a_codes_i,  // or fpq_operands' output
  input  logic [Columns*Lanes*CodeBits-1:0] w_codes_i,
  input  logic [Rows*16-1:0]                a_scales_i,
  input  logic [Columns*16-1:0]             w_scales_i,
  input  logic                              bias_valid_i,
  input  logic [BiasWidth-1:0]              bias_entry_i,
  input  logic [PartBits-1:0]               bias_part_i,
  input  logic [OutWidth*32-1:0]            bias_i,
  output logic                              sum_valid_o,
  output logic [SlotBits-1:0]               sum_slot_o,
  output logic                              drain_valid_o,
  output logic [SlotBits-1:0]               drain_slot_o,
  output logic                              y_valid_o,
  input  logic                              y_ready_i,
  output logic [OutWidth*16-1:0]            y_data_o,
  output logic [OutWidth-1:0]               y_overflow_o
);

  `FPQ_REQUIRE(gen_bad_columns, Columns % 4 == 0, "fpq_bank: Columns must be a multiple of 4")
  `FPQ_REQUIRE(gen_bad_lanes, Lanes == 32 || Lanes == 64 || Lanes == 128, "fpq_bank: Lanes must be 32, 64 or 128")
  `FPQ_REQUIRE(gen_bad_slots, Slots >= 2 && 2 ** SlotBits == Slots, "fpq_bank: Slots must be a power of two from 2 on")
  `FPQ_REQUIRE(gen_bad_out_width, Columns % OutWidth == 0, "fpq_bank: OutWidth must divide Columns")
  `FPQ_REQUIRE(gen_bad_spacing, Spacing >= 1, "fpq_bank: Spacing must be at least 1")

  localparam int Share = share(Rows, Spacing);
  localparam int Groups = Rows / Share;
  localparam int SumBits = sum_bits(Family);
  localparam int StepBits = Share > 1 ? $clog2(Share) : 1;
  localparam int AddressBits = $clog2(Slots) + (Share > 1 ? $clog2(Share) : 0);
  localparam int FloatBits = $bits(float_t);

  // Cycles from a chunk to: its sums; the sums' first turn in the float unit; reading the accumulator; writing it.
  localparam int SumCycle = array_latency(Target, Family, Lanes, Fp6Dsp);
  localparam int ReadCycle = SumCycle + 1 + term_latency(Family) - 1;
  localparam int WriteCycle = ReadCycle + 1 + AddLatency;
  localparam int AnswerCycle = SlotSpacing - AnswerLead;

  typedef struct packed {
    logic                valid;
    logic [SlotBits-1:0] slot;
    logic                tile_first;
    logic                tile_last;
    logic [BiasWidth-1:0] bias;
  } pass_t;

  // The dot products.
  pass_e pass;
  logic [Rows*Columns*SumBits-1:0] sums;

  assign pass = pass_of(chunk_dual_i, chunk_negative_i);

  fpq_array #(
    .Target (Target),
    .Family (Family),
    .Rows   (Rows),
    .Columns(Columns),
    .Lanes  (Lanes),
    .Shared (Shared),
    .Fp6Dsp (Fp6Dsp)
  ) u_array (
    .clk_i,
    .valid_i  (chunk_valid_i),
    .first_i  (chunk_first_i),
    .last_i   (chunk_last_i),
    .pass_i   (pass),
    .a_codes_i,
    .w_codes_i,
    .sums_o   (sums)
  );

  // The pass's description follows it: to the sums, then, once for each row of a unit, to the accumulators.
  pass_t pass_ended, pass_summed, turn, turn_read, turn_write;
  logic [StepBits-1:0] turn_step, turn_read_step, turn_write_step;

  assign pass_ended = '{
    valid: chunk_valid_i & chunk_last_i,
    slot: chunk_slot_i,
    tile_first: chunk_tile_first_i,
    tile_last: chunk_tile_last_i,
    bias: chunk_bias_i
  };

  fpq_pipe #(
    .Width ($bits(pass_t)),
    .Cycles(SumCycle)
  ) u_to_sums (
    .clk_i,
    .rst_ni,
    .data_i(pass_ended),
    .data_o(pass_summed)
  );

  fpq_turns #(
    .Width($bits(pass_t) - 1),
    .Turns(Share)
  ) u_turns (
    .clk_i,
    .rst_ni,
    .valid_i(pass_summed.valid),
    .data_i (pass_summed[$bits(pass_t)-2:0]),
    .valid_o(turn.valid),
    .data_o (turn[$bits(pass_t)-2:0]),
    .turn_o (turn_step)
  );

  fpq_pipe #(
    .Width ($bits(pass_t) + StepBits),
    .Cycles(ReadCycle - SumCycle)
  ) u_to_read (
    .clk_i,
    .rst_ni,
    .data_i({turn, turn_step}),
    .data_o({turn_read, turn_read_step})
  );

  fpq_pipe #(
    .Width ($bits(pass_t) + StepBits),
    .Cycles(WriteCycle - ReadCycle)
  ) u_to_write (
    .clk_i,
    .rst_ni,
    .data_i({turn_read, turn_read_step}),
    .data_o({turn_write, turn_write_step})
  );

  pass_t pass_answered;

  fpq_pipe #(
    .Width ($bits(pass_t)),
    .Cycles(AnswerCycle)
  ) u_to_answer (
    .clk_i,
    .rst_ni,
    .data_i(pass_ended),
    .data_o(pass_answered)
  );
  assign sum_valid_o = pass_answered.valid & ~pass_answered.tile_last;
  assign sum_slot_o  = pass_answered.slot;

  // The scales.
  logic [Groups*11-1:0] a_significands;
  logic [Groups*ExponentBits-1:0] a_exponents;
  logic [Groups-1:0] a_zeros;
  logic [Columns*11-1:0] w_significands;
  logic [Columns*6-1:0] w_exponents;
  logic [Columns-1:0] w_zeros;

  fpq_bank_scales #(
    .Family (Family),
    .Rows   (Rows),
    .Columns(Columns),
    .Share  (Share),
    .Cycles (SumCycle)
  ) u_scales (
    .clk_i,
    .negative_i      (chunk_dual_i & chunk_negative_i),
    .a_scales_i,
    .w_scales_i,
    .step_i          (turn_step),
    .start_i         (pass_summed.valid),
    .a_significands_o(a_significands),
    .a_exponents_o   (a_exponents),
    .a_zeros_o       (a_zeros),
    .w_significands_o(w_significands),
    .w_exponents_o   (w_exponents),
    .w_zeros_o       (w_zeros)
  );

  // The float units.
  logic drain_enable;
  logic [SlotBits-1:0] drain_slot;
  logic [StepBits-1:0] drain_step;
  logic [Groups*Columns*FloatBits-1:0] drained;

  function automatic logic [AddressBits-1:0] address(logic [SlotBits-1:0] slot, logic [StepBits-1:0] step);
    return Share > 1 ? AddressBits'({slot, step}) : AddressBits'(slot);
  endfunction

  for (genvar g = 0; g < Groups; g++) begin : gen_groups
    for (genvar c = 0; c < Columns; c++) begin : gen_columns
      logic [Share*SumBits-1:0] unit_sums;

      for (genvar s = 0; s < Share; s++) begin : gen_sums
        assign unit_sums[s*SumBits+:SumBits] = sums[((g*Share+s)*Columns+c)*SumBits+:SumBits];
      end

      fpq_float_unit #(
        .Target(Target),
        .Family(Family),
        .Share (Share),
        .Slots (Slots)
      ) u_float (
        .clk_i,
        .step_i         (turn_step),
        .sums_i         (unit_sums),
        .a_significand_i(a_significands[11*g+:11]),
        .a_exponent_i   (a_exponents[ExponentBits*g+:ExponentBits]),
        .w_significand_i(w_significands[11*c+:11]),
        .w_exponent_i   (w_exponents[6*c+:6]),
        .scale_zero_i   (a_zeros[g] | w_zeros[c]),
        .read_address_i (address(turn_read.slot, turn_read_step)),
        .restart_i      (turn_read.tile_first),
        .write_i        (turn_write.valid),
        .write_address_i(address(turn_write.slot, turn_write_step)),
        .drain_enable_i (drain_enable),
        .drain_address_i(address(drain_slot, drain_step)),
        .drain_o        (drained[(g*Columns+c)*FloatBits+:FloatBits])
      );
    end
  end

  // A tile's last write is made in this cycle: its outputs may be read from the next.
  fpq_drain #(
    .Target  (Target),
    .Rows    (Rows),
    .Columns (Columns),
    .Share   (Share),
    .Slots   (Slots),
    .OutWidth(OutWidth)
  ) u_drain (
    .clk_i,
    .rst_ni,
    .tile_valid_i (turn_write.valid & turn_write.tile_last & (turn_write_step == StepBits'(Share - 1))),
    .tile_slot_i  (turn_write.slot),
    .tile_bias_i  (turn_write.bias),
    .bias_valid_i,
    .bias_entry_i,
    .bias_part_i,
    .bias_i,
    .read_enable_o(drain_enable),
    .read_slot_o  (drain_slot),
    .read_step_o  (drain_step),
    .read_data_i  (drained),
    .drain_valid_o,
    .drain_slot_o,
    .y_valid_o,
    .y_ready_i,
    .y_data_o,
    .y_overflow_o
  );

endmodule
