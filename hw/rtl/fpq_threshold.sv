// SPDX-License-Identifier: Apache-2.0
// One threshold of the quantizer, t * s, as a bound on the elements' own grid: an element is above the threshold if its
// size is greater than `bound_o`. One a cycle; ten cycles.
//
// The grid is the transform's integers, or FP16 patterns (which sort as their values do). The bound is the largest point of
// the grid below the threshold, or at it where a tie goes down. With units of the scale's last place times the format's half
// unit, t * s is the integer multiple * sig; one less, with ones for all places behind the point, is "just below".

module fpq_threshold (
  input  logic        clk_i,
  input  logic [7:0]  multiple_i,  // m_i + m_(i+1)
  input  logic        up_i,        // a tie goes up
  input  logic [10:0] sig_i,       // the scale's significand, not zero
  input  logic        ght_i,
  // Transformed: places to shift {t * s, 22'b0} right. Else: the exponent field, less 1, that a significand of t * s with
  // bit 18 set would have in FP16.
  input  logic [5:0]  place_i,
  output logic [21:0] bound_o
);

  // 1. Registers, 2. the product, 3. less one: a DSP slice.
  logic up1_q;
  logic signed [47:0] difference;
  logic [18:0] below;
  logic [6:0] side3;  // {ght, place}

  always_ff @(posedge clk_i) up1_q <= up_i;
  fpq_dsp u_product (
    .clk_i, .enable_i(1'b1), .a_i(25'(multiple_i)), .b_i(18'(sig_i)), .c_i({48{up1_q}}), .cascade_i('0),
    .cascade_o(), .p_o(difference), .low_zero_o()
  );
  assign below = difference[18:0];
  fpq_delay #(.Width(7), .Cycles(3)) u_side (.clk_i, .data_i({ght_i, place_i}), .data_o(side3));

  // 4. Leading zeros of each four bits. 5. All of them; at most `place` for a pattern, which then is subnormal.
  logic [4:0][3:0] nibble;  // the last has three bits
  logic [4:0][1:0] inner_q;
  logic [3:0] any_q;
  logic [4:0] zeros_q;
  logic [6:0] side4_q, side5_q;

  assign nibble = {below, 1'b0};

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < 5; i++) begin
      inner_q[i] <= {~nibble[i][3] & ~nibble[i][2], ~nibble[i][3] & (nibble[i][2] | ~nibble[i][1])};
    end
    for (int i = 0; i < 4; i++) any_q[i] <= |nibble[i+1];
    side4_q <= side3;
    side5_q <= side4_q;
    zeros_q <= {3'd4, inner_q[0]};
    for (int i = 1; i < 5; i++) begin
      if (any_q[i-1]) zeros_q <= {3'(4 - i), inner_q[i]};
    end
  end

  // 6. How far left a pattern goes; whether an integer has more than 22 bits. 7. The shift to the right;
  // the pattern's field, less 1.
  logic less;
  logic [5:0] unused_less;
  logic [6:0] side6_q, sum_q;
  logic [5:0] left_q, shift_q, field7_q, field8_q, field9_q;
  logic over7_q, over8_q, over9_q, ght7_q, ght8_q, ght9_q;

  // zeros < place: the carry of place + ~zeros, one LUT before a carry chain.
  assign {less, unused_less} = {1'b0, side5_q[5:0]} + {2'b01, ~zeros_q};

  always_ff @(posedge clk_i) begin
    side6_q  <= side5_q;
    left_q   <= less ? {1'b0, zeros_q} : side5_q[5:0];
    sum_q    <= {2'd0, zeros_q} + {1'b0, side5_q[5:0]};
    ght7_q   <= side6_q[6];
    shift_q  <= side6_q[6] ? side6_q[5:0] : 6'd30 - left_q;
    field7_q <= side6_q[5:0] - left_q;
    over7_q  <= ~(|sum_q[6:5]) & ~(sum_q[4] & (sum_q[3] | sum_q[2] | (&sum_q[1:0])));  // below 19
  end

  // 8. Shift by sixteens and fours, 9. by the rest.
  logic [18:0] below7;
  logic up7;
  logic [40:0] wide;
  logic [24:0] coarse_q;
  logic [1:0] fine_q;
  logic [21:0] fine_bits_q;

  fpq_delay #(.Width(19), .Cycles(4)) u_below (.clk_i, .data_i(below), .data_o(below7));
  fpq_delay #(.Width(1), .Cycles(6)) u_up (.clk_i, .data_i(up1_q), .data_o(up7));
  assign wide = {below7, {22{up7}}} >> {shift_q[5:2], 2'd0};

  always_ff @(posedge clk_i) begin
    coarse_q    <= wide[24:0];
    fine_q      <= shift_q[1:0];
    fine_bits_q <= 22'(coarse_q >> fine_q);
    {ght8_q, over8_q, field8_q} <= {ght7_q, over7_q, field7_q};
    {ght9_q, over9_q, field9_q} <= {ght8_q, over8_q, field8_q};
  end

  // 10. An integer, saturated above every element; or a pattern: the hidden bit counts for the field.
  always_ff @(posedge clk_i) begin
    if (ght9_q) bound_o <= fine_bits_q | {22{over9_q}};
    else bound_o <= {6'd0, field9_q + 6'(fine_bits_q[10]), fine_bits_q[9:0]};
  end

  logic unused_wide;
  assign unused_wide = ^{wide[40:25], difference[47:19]};

endmodule
