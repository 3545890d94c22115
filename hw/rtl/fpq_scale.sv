// SPDX-License-Identifier: Apache-2.0
// A group's scale: fp16(absmax * fp32(1/fmax)), rounded to single, then to half, both to nearest
// even (contract 1.2). One a cycle; twelve cycles.

module fpq_scale #(
  parameter logic [31:0] Reciprocal = 32'h3e2aaaab,         // fp32(1/fmax)
  parameter logic [31:0] NegativeReciprocal = 32'h3f124925  // of a dual format's negative elements
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        valid_i,
  input  logic        negative_i,  // takes the other constant
  input  logic [27:0] absmax_i,    // real_t: exponent, mantissa
  output logic        valid_o,
  output logic [15:0] scale_o
);

  // 1 to 4. The product: 22 by 24 bits, in two DSP slices. Its 17 low bits only matter as zero or not.
  logic [11:0] valid_q;
  logic [23:0] constant;
  logic signed [47:0] cascade, low, high;
  logic [45:17] product;
  logic low_zero, low_zero_q;
  logic [7:0] exponent0_q, exponent;
  logic [7:0] bias;

  // Half's exponent field for a product below 2^45: exponent - 16 + (constant's field) - 127, kept offset by 64.
  assign bias = (negative_i ? NegativeReciprocal[30:23] : Reciprocal[30:23]) - 8'(127 + 16 - 64);

  assign constant = {1'b1, negative_i ? NegativeReciprocal[22:0] : Reciprocal[22:0]};

  fpq_dsp #(.LowBits(17)) u_low (
    .clk_i, .enable_i(1'b1), .a_i(25'(absmax_i[21:0])), .b_i(18'(constant[16:0])), .c_i('0), .cascade_i('0),
    .cascade_o(cascade), .p_o(low), .low_zero_o(low_zero)
  );
  fpq_dsp #(.InputStages(2), .Cascade(1'b1)) u_high (
    .clk_i, .enable_i(1'b1), .a_i(25'(absmax_i[21:0])), .b_i(18'(constant[23:17])), .c_i('0), .cascade_i(cascade),
    .cascade_o(), .p_o(high), .low_zero_o()
  );
  assign product = high[28:0];

  always_ff @(posedge clk_i) begin
    low_zero_q  <= low_zero;
    exponent0_q <= {2'd0, absmax_i[27:22]} + bias;
  end
  fpq_delay #(.Width(8), .Cycles(3)) u_exponent (.clk_i, .data_i(exponent0_q), .data_o(exponent));

  // 5. Cut to 24 bits. 6. Round to single; 2^24 may come out, which the next rounding takes as it is.
  logic [23:0] cut_q;
  logic guard_q, sticky_q;
  logic [24:0] single_q;
  logic [7:0] cut_exponent_q, single_exponent_q;
  logic carry, unused_single;

  assign carry = product[45];

  always_ff @(posedge clk_i) begin
    cut_q             <= carry ? product[45:22] : product[44:21];
    guard_q           <= carry ? product[21] : product[20];
    sticky_q          <= ~low_zero_q | (|product[19:17]) | (carry & product[20]);
    cut_exponent_q    <= exponent + 8'(carry);
    {single_q, unused_single} <= {1'b0, cut_q, 1'b1} + {25'd0, guard_q & (sticky_q | cut_q[0])};
    single_exponent_q <= cut_exponent_q;
  end

  // 7. A field below 1 makes a subnormal: shift right by 1 - field, at most 15. Fields are kept + 64.
  logic [7:0] deficit;
  logic [4:0] field_q;  // less 1
  logic [3:0] shift_q;
  logic [24:0] whole6_q;
  logic subnormal, big_q;

  assign deficit = 8'd65 - single_exponent_q;
  assign subnormal = single_exponent_q < 8'd65;

  always_ff @(posedge clk_i) begin
    whole6_q <= single_q;
    shift_q  <= ~subnormal ? 4'd0 : (|deficit[7:4]) ? 4'd15 : deficit[3:0];
    field_q  <= subnormal ? 5'd0 : single_exponent_q[4:0] - 5'd1;
    big_q    <= single_exponent_q > 8'd94;
  end

  // 8. Shift by nibbles, 9. by the rest; lost bits are remembered in one.
  logic [24:0] whole7_q, whole8_q;
  logic lost7, lost7_q, lost8, lost8_q;
  logic [1:0] fine_q;

  always_comb begin
    case (shift_q[3:2])
      2'd0: lost7 = 1'b0;
      2'd1: lost7 = |whole6_q[3:0];
      2'd2: lost7 = |whole6_q[7:0];
      default: lost7 = |whole6_q[11:0];
    endcase
    case (fine_q)
      2'd0: lost8 = 1'b0;
      2'd1: lost8 = whole7_q[0];
      2'd2: lost8 = |whole7_q[1:0];
      default: lost8 = |whole7_q[2:0];
    endcase
  end

  always_ff @(posedge clk_i) begin
    whole7_q <= whole6_q >> {shift_q[3:2], 2'd0};
    lost7_q  <= lost7;
    fine_q   <= shift_q[1:0];
    whole8_q <= whole7_q >> fine_q;
    lost8_q  <= lost7_q | lost8;
  end

  // 10. What is below the rounding bit. 11. Field and significand are added: the hidden bit counts for the field.
  logic [11:0] sig_q;
  logic half_guard_q, half_sticky_q, big10, unused_half;
  logic [4:0] field9;
  logic [15:0] half_q;

  fpq_delay #(.Width(5), .Cycles(3)) u_field (.clk_i, .data_i(field_q), .data_o(field9));
  fpq_delay #(.Width(1), .Cycles(4)) u_big (.clk_i, .data_i(big_q), .data_o(big10));

  always_ff @(posedge clk_i) begin
    sig_q     <= whole8_q[24:13];
    half_guard_q  <= whole8_q[12];
    half_sticky_q <= (|whole8_q[11:0]) | lost8_q;
    {half_q, unused_half} <= {1'b0, field9, 10'd0, half_guard_q} +
                             {4'd0, sig_q, half_guard_q & (half_sticky_q | sig_q[0])};
  end

  // 12. Saturate.
  always_ff @(posedge clk_i) begin
    scale_o <= (big10 | (half_q >= 16'h7c00)) ? 16'h7bff : half_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[10:0], valid_i};
  end
  assign valid_o = valid_q[11];

  logic unused_low;
  assign unused_low = ^{low, high[47:29]};

endmodule
