// SPDX-License-Identifier: Apache-2.0
// One FP16 element as an integer on its block's grid (contract 1.4): q = RNE(sig * 2^(4 - (E - e))). Four cycles.

module fpq_align (
  input  logic        clk_i,
  input  logic [15:0] x_i,         // finite
  input  logic [4:0]  exponent_i,  // E, the block's largest exponent field, at least 1
  output logic [15:0] q_o          // two's complement
);

  // 1. How far to shift right.
  logic [4:0] field, shift_q;
  logic [10:0] sig_q;
  logic sign1_q, sign2_q, sign3_q;

  assign field = {x_i[14:11], x_i[10] | (x_i[14:10] == 5'd0)};

  always_ff @(posedge clk_i) begin
    shift_q <= exponent_i - field;
    sig_q   <= {x_i[14:10] != 5'd0, x_i[9:0]};
    sign1_q <= x_i[15];
  end

  // 2. Whole nibbles. Below the integer stay one nibble of fraction and one bit for all that is lower.
  logic [14:0] whole, whole_q;
  logic [3:0] fraction, fraction_q;
  logic sticky, sticky_q;
  logic [1:0] fine_q;

  always_comb begin
    whole    = {sig_q, 4'd0};
    fraction = 4'd0;
    sticky   = 1'b0;
    case (shift_q[3:2])
      2'd1: whole = {4'd0, sig_q};
      2'd2: {whole, fraction} = {8'd0, sig_q};
      2'd3: {whole, fraction, sticky} = {12'd0, sig_q[10:4], |sig_q[3:0]};
      default: ;
    endcase
  end

  always_ff @(posedge clk_i) begin
    whole_q    <= shift_q[4] ? 15'd0 : whole;  // 16 places and more leave less than a half
    fraction_q <= shift_q[4] ? 4'd0 : fraction;
    sticky_q   <= sticky & ~shift_q[4];
    fine_q     <= shift_q[1:0];
    sign2_q    <= sign1_q;
  end

  // 3. The last 0 to 3 places, and whether to round up.
  logic [18:0] fine;
  logic lost;
  logic [14:0] size_q;
  logic up_q;

  always_comb begin
    fine = {whole_q, fraction_q} >> fine_q;
    case (fine_q)
      2'd0: lost = 1'b0;
      2'd1: lost = fraction_q[0];
      2'd2: lost = |fraction_q[1:0];
      default: lost = |fraction_q[2:0];
    endcase
  end

  always_ff @(posedge clk_i) begin
    size_q  <= fine[18:4];
    up_q    <= fine[3] & (fine[4] | (|fine[2:0]) | lost | sticky_q);
    sign3_q <= sign2_q;
  end

  // 4. Round and negate in one addition: -(size + up) = ~size + (1 - up).
  always_ff @(posedge clk_i) q_o <= {sign3_q, size_q ^ {15{sign3_q}}} + 16'(sign3_q ^ up_q);

endmodule
