// SPDX-License-Identifier: Apache-2.0
// sum = a + b of two internal floats, rounded once to nearest even. Latency AddLatency.
//
// The one with the smaller exponent is shifted right and added in one DSP slice: 16 bits below the greater one's last are
// kept, and beyond those a sticky bit. Operands 26 binades apart do not touch: the smaller is less than a quarter of the
// larger one's last bit. Leading zeros that matter arise only where the exponents differ by at most one, and there the sum
// is exact; so it is first rounded as if its leading bit stood at one of three places, then normalised.

module fpq_add
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget
) (
  input  logic   clk_i,
  input  logic   enable_i,
  input  float_t a_i,
  input  float_t b_i,
  output float_t sum_o
);

  localparam int Guard = 16;                       // bits of the aligned sum below the larger operand's last bit
  localparam int CoarseAlign = 9;                  // a right shift made before the multiplication
  localparam int FarExponents = 26;                // operands as far apart as this do not touch
  localparam int NormalizeCoarse = SignificandBits - 13;

  // Cycle 1: difference of the exponents.
  float_t a_q, b_q;
  logic signed [ExponentBits:0] delta_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      a_q     <= a_i;
      b_q     <= b_i;
      delta_q <= signed'({1'b0, a_i.exponent}) - signed'({1'b0, b_i.exponent});
    end
  end

  // Cycle 2: which one is shifted, and how far. A difference below 32 is looked up by its sign and five bits.
  typedef struct packed {
    logic       far;
    logic       coarse;
    logic [4:0] align;  // fine shift, at most Guard
  } shift_t;

  function automatic shift_t shift_of(logic [5:0] delta);
    automatic logic [5:0] distance = delta[5] ? -{1'b1, delta[4:0]} : delta;
    if (distance >= 6'(FarExponents)) return '{far: 1'b1, coarse: 1'b0, align: 5'd0};
    if (distance > 6'(Guard)) return '{far: 1'b0, coarse: 1'b1, align: 5'(distance - 6'(CoarseAlign))};
    return '{far: 1'b0, coarse: 1'b0, align: 5'(distance)};
  endfunction

  function automatic logic [63:0][$bits(shift_t)-1:0] shift_table();
    for (int i = 0; i < 64; i++) shift_table[i] = shift_of(6'(i));
  endfunction

  localparam logic [63:0][$bits(shift_t)-1:0] ShiftTable = shift_table();

  float_t a_2_q, b_2_q;
  shift_t shift_q;
  logic swap_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      a_2_q   <= a_q;
      b_2_q   <= b_q;
      swap_q  <= delta_q[ExponentBits];
      shift_q <= ShiftTable[{delta_q[ExponentBits], delta_q[4:0]}];
      if (delta_q[ExponentBits:5] != {3{delta_q[ExponentBits]}}) shift_q <= '{far: 1'b1, coarse: 1'b0, align: 5'd0};
    end
  end

  // Cycle 3: swap; coarse shift. The DSP slice's input registers are the other half of this cycle's.
  logic signed [SignificandBits-1:0] greater, lesser, greater_q;
  logic [Guard:0] factor;
  logic sticky_q;
  logic [ExponentBits-1:0] exponent_q;

  assign greater  = swap_q ? b_2_q.significand : a_2_q.significand;
  assign lesser  = swap_q ? a_2_q.significand : b_2_q.significand;
  assign factor = shift_q.far ? '0 : {1'b1, (Guard)'(0)} >> shift_q.align;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      greater_q    <= greater;
      sticky_q   <= shift_q.coarse & (lesser[CoarseAlign-1:0] != '0);
      exponent_q <= swap_q ? b_2_q.exponent : a_2_q.exponent;
    end
  end

  // Cycles 3 to 5: shift and add.
  localparam int SumBits = SignificandBits + Guard + 1;
  logic signed [47:0] aligned;
  logic low_zero;

  fpq_dsp #(
    .Target (Target),
    .LowBits(Guard - 2)
  ) u_align (
    .clk_i,
    .enable_i,
    .a_i       (shift_q.coarse ? lesser >>> CoarseAlign : lesser),
    .b_i       (18'(factor)),
    .c_i       (48'(greater_q) <<< Guard),
    .cascade_i ('0),
    .cascade_o (),
    .p_o       (aligned),
    .low_zero_o(low_zero)
  );

  logic sticky_5_q;
  logic [ExponentBits-1:0] exponent_5_q;

  fpq_bank_delay #(
    .Width (ExponentBits + 1),
    .Cycles(2)
  ) u_aligned_delay (
    .clk_i,
    .enable_i,
    .data_i({sticky_q, exponent_q}),
    .data_o({sticky_5_q, exponent_5_q})
  );

  // Cycle 6: where is the leading bit, and is the sum rounded up? 2: Guard + 24, 1: Guard + 23, 0: Guard + 22 or lower.
  logic [SumBits-1:Guard-1] sum_q;
  logic [1:0] place, place_q;
  logic round_up, round_up_q;
  logic [ExponentBits-1:0] exponent_6_q;

  always_comb begin
    automatic logic rest = sticky_5_q | ~low_zero;
    automatic logic [3:0] low = aligned[Guard+1:Guard-2];
    if (aligned[Guard+24] != aligned[SumBits-1]) begin
      place    = 2'd2;
      round_up = low[2] & (low[3] | low[1] | low[0] | rest);
    end else if (aligned[Guard+23] != aligned[SumBits-1]) begin
      place    = 2'd1;
      round_up = low[1] & (low[2] | low[0] | rest);
    end else begin
      place    = 2'd0;
      round_up = low[0] & (low[1] | rest);
    end
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      sum_q        <= aligned[SumBits-1:Guard-1];
      place_q      <= place;
      round_up_q   <= round_up;
      exponent_6_q <= exponent_5_q;
    end
  end

  // Cycle 7: round.
  logic [SignificandBits:0] kept, rounded_q;
  logic [1:0] place_7_q;
  logic [ExponentBits-1:0] exponent_7_q;

  assign kept = place_q == 2'd2 ? {sum_q[SumBits-1], sum_q[SumBits-1:Guard+1]} :
                place_q == 2'd1 ? sum_q[SumBits-1:Guard] : sum_q[SumBits-2:Guard-1];

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      rounded_q    <= kept + (SignificandBits + 1)'(round_up_q);
      place_7_q    <= place_q;
      exponent_7_q <= exponent_6_q;
    end
  end

  // Cycles 8 to 13: normalise. Rounding up to 2^24 gives 2^23 and one more in the exponent.
  logic carried, carried_q, coarse, zero;
  logic [4:0] normalize_shift;
  logic [1:0] place_8_q;
  logic [ExponentBits-1:0] exponent_8_q, exponent_9_q, exponent_12_q, exponent_13_q;
  logic [SignificandBits-1:0] significand;

  assign carried = rounded_q[SignificandBits] != rounded_q[SignificandBits-1];

  fpq_normalize #(
    .Target(Target),
    .Width (SignificandBits)
  ) u_normalize (
    .clk_i,
    .enable_i,
    .x_i     ({rounded_q[SignificandBits], rounded_q[SignificandBits-2:0]}),
    .top_i   (carried),
    .coarse_o(coarse),
    .shift_o (normalize_shift),
    .zero_o  (zero),
    .y_o     (significand)
  );

  fpq_bank_delay #(
    .Width (ExponentBits),
    .Cycles(3)
  ) u_exponent_delay (
    .clk_i,
    .enable_i,
    .data_i(exponent_9_q),
    .data_o(exponent_12_q)
  );

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      carried_q     <= carried;
      place_8_q     <= place_7_q;
      exponent_8_q  <= exponent_7_q;
      exponent_9_q  <= exponent_8_q + ExponentBits'(place_8_q) + ExponentBits'(carried_q) -
                       (coarse ? ExponentBits'(NormalizeCoarse + 1) : ExponentBits'(1));
      exponent_13_q <= zero ? '0 : exponent_12_q - ExponentBits'(normalize_shift);
    end
  end

  assign sum_o = '{exponent: exponent_13_q, significand: significand};

endmodule
