// SPDX-License-Identifier: Apache-2.0
// term = fp32(sum) * (activation scale * weight scale * unit) as an internal float, each rounding of docs/contract.md 1.5
// made once. Latency term_latency(family). The scales come term_scale_delay(family) cycles after the sum.
//
// The sum is normalised to 25 bits at most (and rounded to 24 where it has more), the significands are multiplied exactly
// in three DSP slices, and the product of 42 to 47 bits, whose leading bit stands at one of three places, is rounded.

module fpq_term
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  localparam int SumBits = sum_bits(Family)
) (
  input  logic                      clk_i,
  input  logic signed [SumBits-1:0] sum_i,
  // Both normalised; the activation scale's exponent has ExponentBias, both ScaleBias and the unit in it.
  input  logic [10:0]               a_significand_i,
  input  logic [ExponentBits-1:0]   a_exponent_i,
  input  logic [10:0]               w_significand_i,
  input  logic [5:0]                w_exponent_i,
  input  logic                      zero_i,          // one of the scales is zero
  output float_t                    term_o
);

  localparam bit Wide = SumBits > 25;
  localparam int NormalBits = Wide ? 25 : SumBits;      // of the normalised sum
  localparam int Coarse = SumBits <= 26 ? SumBits - 13 : 12;
  localparam int Normal = term_normal_latency(Family);  // cycle of the normalised sum
  localparam int Dropped = NormalBits - 5;           // bits of the product below its significand, at the lowest place

  // Cycles 1 to Normal: the sum.
  logic coarse, zero;
  logic [4:0] shift;
  logic [SumBits-1:0] normal_sum;
  logic signed [NormalBits-1:0] normal;
  logic carried;

  fpq_normalize #(
    .Target(Target),
    .Width (SumBits)
  ) u_normalize (
    .clk_i,
    .enable_i(1'b1),
    .x_i     (sum_i),
    .top_i   (1'b0),
    .coarse_o(coarse),
    .shift_o (shift),
    .zero_o  (zero),
    .y_o     (normal_sum)
  );

  if (Wide) begin : gen_round_sum
    localparam int Lost = SumBits - NormalBits;
    logic round_up;
    logic [NormalBits:0] rounded_q;

    localparam logic [SumBits-1:0] Below = SumBits'(2 ** (Lost - 1) - 1);
    assign round_up = normal_sum[Lost-1] & (normal_sum[Lost] | ((normal_sum & Below) != '0));
    always_ff @(posedge clk_i) begin
      rounded_q <= (NormalBits + 1)'(signed'(normal_sum[SumBits-1:Lost])) + (NormalBits + 1)'(round_up);
    end
    assign carried = rounded_q[NormalBits] != rounded_q[NormalBits-1];
    assign normal  = {rounded_q[NormalBits], rounded_q[NormalBits-2] | carried, rounded_q[NormalBits-3:0]};
  end else begin : gen_exact
    assign carried = 1'b0;
    assign normal  = normal_sum;
  end

  // The scales' product is there at the same cycle.
  logic [21:0] scale;
  logic signed [47:0] scale_product;

  fpq_dsp #(
    .Target(Target)
  ) u_scale (
    .clk_i,
    .enable_i  (1'b1),
    .a_i       (25'(a_significand_i)),
    .b_i       (18'(w_significand_i)),
    .c_i       ('0),
    .cascade_i ('0),
    .cascade_o (),
    .p_o       (scale_product),
    .low_zero_o()
  );
  assign scale = scale_product[21:0];

  // Cycles Normal + 1 to Normal + 4: the product, 17 bits of the sum and then the rest.
  logic signed [47:0] cascade, low, high;
  logic low_zero;
  logic [NormalBits+21:0] product;
  logic [16:16] low_q;
  logic low_zero_q;

  fpq_dsp #(
    .Target (Target),
    .LowBits(16)
  ) u_low (
    .clk_i,
    .enable_i  (1'b1),
    .a_i       (25'(scale)),
    .b_i       (18'(normal[16:0])),
    .c_i       ('0),
    .cascade_i ('0),
    .cascade_o (cascade),
    .p_o       (low),
    .low_zero_o(low_zero)
  );

  fpq_dsp #(
    .Target     (Target),
    .InputStages(2),
    .Cascade    (1'b1)
  ) u_high (
    .clk_i,
    .enable_i  (1'b1),
    .a_i       (25'(scale)),
    .b_i       (18'(signed'(normal[NormalBits-1:17]))),
    .c_i       ('0),
    .cascade_i (cascade),
    .cascade_o (),
    .p_o       (high),
    .low_zero_o()
  );

  always_ff @(posedge clk_i) begin
    low_q      <= low[16];
    low_zero_q <= low_zero;
  end
  assign product = {high[NormalBits+4:0], low_q, 16'd0};  // but for the 16 bits that low_zero_q stands for

  // Cycle Normal + 5: the place of the leading bit; round up?
  logic [1:0] place, place_q, place_6_q;
  logic round_up, round_up_q;
  logic [NormalBits+21:Dropped] product_q;

  always_comb begin
    automatic logic rest = ~low_zero_q;
    for (int i = 16; i < Dropped - 1; i++) rest |= product[i];
    if (product[Dropped+25] != product[NormalBits+21]) begin
      place    = 2'd2;
      round_up = product[Dropped+1] & (product[Dropped+2] | product[Dropped] | product[Dropped-1] | rest);
    end else if (product[Dropped+24] != product[NormalBits+21]) begin
      place    = 2'd1;
      round_up = product[Dropped] & (product[Dropped+1] | product[Dropped-1] | rest);
    end else begin
      place    = 2'd0;
      round_up = product[Dropped-1] & (product[Dropped] | rest);
    end
  end

  always_ff @(posedge clk_i) begin
    place_q    <= place;
    round_up_q <= round_up;
    product_q  <= product[NormalBits+21:Dropped];
    place_6_q  <= place_q;
  end

  // Cycle Normal + 6: round. Cycle Normal + 7: rounding up to 2^24 gives 2^23 and one more in the exponent.
  logic signed [SignificandBits:0] kept, rounded_q;
  logic rounded_carried;

  assign kept = place_q == 2'd2 ? (SignificandBits + 1)'(signed'(product_q[NormalBits+21:Dropped+2])) :
                place_q == 2'd1 ? (SignificandBits + 1)'(signed'(product_q[NormalBits+21:Dropped+1])) :
                                  product_q[Dropped+:SignificandBits+1];
  assign rounded_carried = rounded_q[SignificandBits] != rounded_q[SignificandBits-1];

  always_ff @(posedge clk_i) begin
    rounded_q          <= kept + (SignificandBits + 1)'(round_up_q);
    term_o.significand <= {
      rounded_q[SignificandBits], rounded_q[SignificandBits-2] | rounded_carried, rounded_q[SignificandBits-3:0]
    };
  end

  // The exponent. coarse comes in cycle 1, shift and zero in cycle 5, the scales in cycle Normal - 3.
  localparam int Wait = Normal - 6;
  logic [ExponentBits-1:0] shift_q, shift_late, scale_exponent_q, scale_exponent_3, exponent_q, exponent_6;
  logic coarse_5, zero_q, zero_late, scale_zero_q, scale_zero_3, sum_carried_q, sum_zero_q, zero_6;

  fpq_delay #(.Width(1), .Cycles(4)) u_coarse (.clk_i, .data_i(coarse), .data_o(coarse_5));

  fpq_delay #(
    .Width (ExponentBits + 1),
    .Cycles(Wait)
  ) u_shift (
    .clk_i,
    .data_i({zero_q, shift_q}),
    .data_o({zero_late, shift_late})
  );

  always_ff @(posedge clk_i) begin
    shift_q <= ExponentBits'(shift) + (coarse_5 ? ExponentBits'(Coarse) : '0);
    zero_q  <= zero;

    scale_exponent_q <= a_exponent_i + ExponentBits'(w_exponent_i);
    scale_zero_q     <= zero_i;

    exponent_q    <= scale_exponent_3 - shift_late;
    sum_zero_q    <= scale_zero_3 | zero_late;
    sum_carried_q <= carried;
  end

  fpq_delay #(
    .Width (ExponentBits + 1),
    .Cycles(2)
  ) u_scale_exponent (
    .clk_i,
    .data_i({scale_zero_q, scale_exponent_q}),
    .data_o({scale_zero_3, scale_exponent_3})
  );

  fpq_delay #(
    .Width (ExponentBits + 1),
    .Cycles(5)
  ) u_exponent (
    .clk_i,
    .data_i({sum_zero_q, exponent_q}),
    .data_o({zero_6, exponent_6})
  );

  // sum_carried_q, of cycle Normal + 1, waits only where it can be set.
  logic sum_carried_6;

  fpq_delay #(.Width(1), .Cycles(Wide ? 5 : 0)) u_carried (
    .clk_i,
    .data_i(Wide & sum_carried_q),
    .data_o(sum_carried_6)
  );

  always_ff @(posedge clk_i) begin
    term_o.exponent <= zero_6 ? '0 : exponent_6 + ExponentBits'(place_6_q) + ExponentBits'(rounded_carried) +
                                     ExponentBits'(sum_carried_6);
  end

endmodule
