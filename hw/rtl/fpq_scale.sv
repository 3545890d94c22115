// SPDX-License-Identifier: Apache-2.0
// A group's scale: fp16(absmax * fp32(1/fmax)), rounded to single, then to half, both to nearest
// even (contract 1.2). One a cycle; eleven cycles.

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

  // 1 to 3. The product: 22 by 24 bits, in three registers, as a DSP has them.
  logic [10:0] valid_q;
  logic [23:0] constant_q;
  logic [21:0] mantissa_q;
  logic [45:0] product1_q, product_q;
  logic [7:0] exponent0_q, exponent1_q, exponent_q;
  logic [7:0] bias;

  // Half's exponent field for a product below 2^45: exponent - 16 + (constant's field) - 127, kept offset by 64.
  assign bias = (negative_i ? NegativeReciprocal[30:23] : Reciprocal[30:23]) - 8'(127 + 16 - 64);

  always_ff @(posedge clk_i) begin
    mantissa_q  <= absmax_i[21:0];
    constant_q  <= {1'b1, negative_i ? NegativeReciprocal[22:0] : Reciprocal[22:0]};
    exponent0_q <= {2'd0, absmax_i[27:22]} + bias;
    product1_q  <= mantissa_q * constant_q;
    exponent1_q <= exponent0_q;
    product_q   <= product1_q;
    exponent_q  <= exponent1_q;
  end

  // 4. Cut to 24 bits. 5. Round to single; 2^24 may come out, which the next rounding takes as it is.
  logic [23:0] cut_q;
  logic up_q, guard, sticky;
  logic [24:0] single_q;
  logic [7:0] cut_exponent_q, single_exponent_q;
  logic carry;

  assign carry  = product_q[45];
  assign guard  = carry ? product_q[21] : product_q[20];
  assign sticky = (|product_q[19:0]) | (carry & product_q[20]);

  always_ff @(posedge clk_i) begin
    cut_q             <= carry ? product_q[45:22] : product_q[44:21];
    up_q              <= guard & (sticky | (carry ? product_q[22] : product_q[21]));
    cut_exponent_q    <= exponent_q + 8'(carry);
    single_q          <= {1'b0, cut_q} + 25'(up_q);
    single_exponent_q <= cut_exponent_q;
  end

  // 6. A field below 1 makes a subnormal: shift right by 1 - field, at most 15. Fields are kept + 64.
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

  // 7. Shift by nibbles, 8. by the rest; lost bits are remembered in one.
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

  // 9. Whether to round up. 10. Field and significand are added: the hidden bit counts for the field.
  logic [11:0] sig_q;
  logic half_up_q, big10;
  logic [4:0] field9;
  logic [15:0] half_q;

  fpq_delay #(.Width(5), .Cycles(3)) u_field (.clk_i, .data_i(field_q), .data_o(field9));
  fpq_delay #(.Width(1), .Cycles(4)) u_big (.clk_i, .data_i(big_q), .data_o(big10));

  always_ff @(posedge clk_i) begin
    sig_q     <= whole8_q[24:13];
    half_up_q <= whole8_q[12] & (whole8_q[13] | (|whole8_q[11:0]) | lost8_q);
    half_q    <= {1'b0, field9, 10'd0} + {4'd0, sig_q} + 16'(half_up_q);
  end

  // 11. Saturate.
  always_ff @(posedge clk_i) begin
    scale_o <= (big10 | (half_q >= 16'h7c00)) ? 16'h7bff : half_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[9:0], valid_i};
  end
  assign valid_o = valid_q[10];

endmodule
