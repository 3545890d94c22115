// SPDX-License-Identifier: Apache-2.0
// The scales of each group, from the largest and smallest value of each 32 elements of it.
//
// A value is an integer: transformed, h itself; else the FP16 pattern's 15 bits, in one's complement when the sign is set.
// Both sort as the numbers do. The magnitudes' two channels share one unit where parts are two cycles apart.

`include "fpq_assert.svh"

module fpq_absmax #(
  parameter int Words = 8,
  parameter int Dual = 1,  // the family has a dual format
  parameter logic [31:0] Reciprocal = 32'h3e2aaaab,
  parameter logic [31:0] NegativeReciprocal = 32'h3f124925
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic               ght_i,
  input  logic               dual_i,
  input  logic               group_last_i,  // the group's last 32 elements
  input  logic [4:0]         exponent_i,    // of the block, if transformed
  input  logic signed [22:0] largest_i,
  input  logic signed [22:0] smallest_i,
  output logic               valid_o,
  output logic [15:0]        scale_o,           // dual: of the positive elements
  output logic [15:0]        scale_negative_o   // 0 unless dual
);

  localparam int Shared = (Dual != 0 && Words < 32) ? 1 : 0;  // one unit for both signs
  localparam int Signs = Dual != 0 ? 2 : 1;
  localparam int Units = Signs - Shared;

  // 1. Magnitudes of both signs. 2. One of them, unless the format is dual.
  logic [21:0] positive_q, negative_q;
  logic [1:0] valid_q, last_q, ght_q;
  logic dual_q;
  logic [4:0] exponent1_q, exponent2_q;
  logic [Signs-1:0][21:0] size_q;  // positive or all; negative

  always_ff @(posedge clk_i) begin
    positive_q  <= largest_i[22] ? 22'd0 : largest_i[21:0];
    negative_q  <= smallest_i[22] ? ~smallest_i[21:0] + 22'(ght_i) : 22'd0;
    dual_q      <= dual_i;
    exponent1_q <= exponent_i;
    exponent2_q <= exponent1_q;
    size_q[0]   <= (~dual_q & (negative_q > positive_q)) ? negative_q : positive_q;
    ght_q       <= {ght_q[0], ght_i};
    last_q      <= {last_q[0], group_last_i};
    valid_q     <= {2{rst_ni}} & {valid_q[0], valid_i};
  end

  if (Dual != 0) begin : gen_negative_size
    always_ff @(posedge clk_i) size_q[1] <= dual_q ? negative_q : 22'd0;
  end

  // 3. As significand and exponent: magnitude * 2^(exponent - 36).
  logic [Signs-1:0][21:0] sig_q;
  logic [Signs-1:0][5:0] exponent_q;
  logic turn_q, part_valid_q, part_last_q;

  for (genvar s = 0; s < Signs; s++) begin : gen_sign
    logic [4:0] field;
    assign field = size_q[s][14:10];
    always_ff @(posedge clk_i) begin
      sig_q[s]      <= ght_q[1] ? size_q[s] : {field != 5'd0, size_q[s][9:0], 11'd0};
      exponent_q[s] <= ght_q[1] ? {1'b0, exponent2_q} + 6'd7
                                : {1'b0, field[4:1], field[0] | (field == 5'd0)};
    end
  end

  always_ff @(posedge clk_i) begin
    part_valid_q <= rst_ni & valid_q[1];
    part_last_q  <= last_q[1];
    turn_q       <= rst_ni & part_valid_q;
  end

  // 4. The group's largest, and its scale.
  logic [Units-1:0] max_valid, scale_valid;
  logic [Units-1:0][27:0] max;
  logic [Units-1:0][15:0] scale;

  for (genvar u = 0; u < Units; u++) begin : gen_unit
    logic unit_valid, unit_last, negative;
    logic [21:0] unit_sig;
    logic [5:0] unit_exponent;

    if (Shared != 0) begin : gen_turns  // the negative one goes a cycle later
      logic last_held_q, second_q;
      logic [27:0] held_q;
      always_ff @(posedge clk_i) begin
        held_q      <= {exponent_q[1], sig_q[1]};
        last_held_q <= part_last_q;
        if (!rst_ni) second_q <= 1'b0;
        else if (max_valid[u]) second_q <= ~second_q;
      end
      assign unit_valid = part_valid_q | turn_q;
      assign unit_last  = turn_q ? last_held_q : part_last_q;
      assign {unit_exponent, unit_sig} = turn_q ? held_q : {exponent_q[0], sig_q[0]};
      assign negative = second_q;
    end else begin : gen_own
      assign unit_valid = part_valid_q;
      assign unit_last  = part_last_q;
      assign {unit_exponent, unit_sig} = {exponent_q[u], sig_q[u]};
      assign negative = u != 0;
    end

    fpq_group_max #(.Channels(1 + Shared)) u_max (
      .clk_i, .rst_ni, .valid_i(unit_valid), .last_i(unit_last), .exponent_i(unit_exponent),
      .magnitude_i(unit_sig), .valid_o(max_valid[u]), .value_o(max[u])
    );

    fpq_scale #(.Reciprocal(Reciprocal), .NegativeReciprocal(NegativeReciprocal)) u_scale (
      .clk_i, .rst_ni, .valid_i(max_valid[u]), .negative_i(negative), .absmax_i(max[u]),
      .valid_o(scale_valid[u]), .scale_o(scale[u])
    );
  end

  if (Shared != 0) begin : gen_pair  // the positive scale waits for the negative one
    logic half_q;
    logic [15:0] positive_scale_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) half_q <= 1'b0;
      else if (scale_valid[0]) half_q <= ~half_q;
      if (scale_valid[0]) positive_scale_q <= scale[0];
    end
    assign valid_o = scale_valid[0] & half_q;
    assign scale_o = positive_scale_q;
    assign scale_negative_o = scale[0];
  end else begin : gen_whole
    assign valid_o = scale_valid[0];
    assign scale_o = scale[0];
    assign scale_negative_o = Units > 1 ? scale[Units-1] : 16'd0;
  end

  if (Units > 1) begin : gen_together
    logic unused_valid;
    assign unused_valid = scale_valid[1];
  end

  `FPQ_ASSERT(PartsApart, Shared == 0 || !(part_valid_q && turn_q))

endmodule
