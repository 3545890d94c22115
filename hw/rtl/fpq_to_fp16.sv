// SPDX-License-Identifier: Apache-2.0
// FP16 of an internal float: to nearest even, with subnormals, saturated at 65504. Latency Fp16Latency.

module fpq_to_fp16
  import fpq_bank_pkg::*;
(
  input  logic        clk_i,
  input  logic        enable_i,
  input  float_t      x_i,
  output logic [15:0] y_o,
  output logic        overflow_o  // y_o is saturated
);

  // The exponent at which 2^23 has FP16's exponent field 1, and its bits that FP16 does not keep.
  localparam int FieldOne = ExponentBias - 23 - 14;
  localparam int Dropped = 13;

  // Cycle 1: magnitude; 2^24 is taken as 2^23 with the next exponent. The exponent field less 1 (negative: a subnormal), for
  // this exponent and the next: `power` chooses a cycle later, and no carry chain waits for it.
  logic [SignificandBits-1:0] magnitude;
  logic [SignificandBits-2:0] magnitude_q;
  logic [ExponentBits:0] field_1, field_this_q, field_next_q;
  logic negative_q, power, power_q;

  // Only -2^24 has the magnitude 2^24. It is looked for apart: the exponent need not wait for the negation's carries.
  assign power     = x_i.significand[SignificandBits-1] & (x_i.significand[SignificandBits-2:0] == '0);
  assign magnitude = x_i.significand[SignificandBits-1] ? -x_i.significand : x_i.significand;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      magnitude_q  <= {magnitude[SignificandBits-2] | power, magnitude[SignificandBits-3:0]};
      field_this_q <= {1'b0, x_i.exponent} - (ExponentBits + 1)'(FieldOne);
      field_next_q <= {1'b0, x_i.exponent} - (ExponentBits + 1)'(FieldOne - 1);
      power_q      <= power;
      negative_q   <= x_i.significand[SignificandBits-1];
    end
  end

  // Cycle 2: the exponent field, and how much further a subnormal is shifted.
  logic [SignificandBits-2:Dropped-1] magnitude_2_q;
  logic low_q;  // one of the bits below
  logic negative_2_q, large_q, subnormal, far;
  logic [4:0] field_q;
  logic [3:0] shift_q;  // 12: everything is below the rounding bit

  assign field_1   = power_q ? field_next_q : field_this_q;
  assign subnormal = field_1[ExponentBits];
  assign far       = field_1[ExponentBits-1:4] != '1;  // of a subnormal: 17 places or more

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      magnitude_2_q <= magnitude_q[SignificandBits-2:Dropped-1];
      low_q         <= magnitude_q[Dropped-2:0] != '0;
      negative_2_q  <= negative_q;
      large_q       <= ~subnormal & ((field_1[ExponentBits-1:5] != '0) | (&field_1[4:1]));
      field_q       <= subnormal ? 5'd0 : power_q ? plus_1(field_next_q[4:0]) : field_next_q[4:0];
      shift_q       <= ~subnormal ? 4'd0 : (far | (field_1[3:2] == 2'd0)) ? 4'd12 : minus(field_1[3:0]);
    end
  end

  // Tables of a LUT a bit, where an operator would become a carry chain.
  function automatic logic [4:0] plus_1(logic [4:0] x);
    for (int i = 0; i < 5; i++) plus_1[i] = x[i] ^ (&(x | ~5'((1 << i) - 1)));
  endfunction

  function automatic logic [3:0] minus(logic [3:0] x);
    for (int i = 0; i < 4; i++) minus[i] = x[i] ^ (|(x & 4'((1 << i) - 1)));
  endfunction

  // Cycle 3: shift by fours. Cycle 4: by ones. One bit of rounding and a sticky bit are kept below the eleven.
  logic [12:0] coarse, coarse_q, fine, fine_q;
  logic negative_3_q, large_3_q, negative_4_q, large_4_q;
  logic [4:0] field_3_q, field_4_q;
  logic [1:0] shift_3_q;

  // The last bit is for everything below: the bits that are never kept, and four more for each place of the shift.
  assign coarse = {
    magnitude_2_q >> {shift_q[3:2], 2'b00},
    low_q | ((shift_q[3:2] != 2'd0) & (magnitude_2_q[15:12] != '0)) | (shift_q[3] & (magnitude_2_q[19:16] != '0)) |
    ((shift_q[3:2] == 2'd3) & (magnitude_2_q[23:20] != '0))
  };
  assign fine        = {coarse_q[12:1] >> shift_3_q,
                        coarse_q[0] | ((coarse_q[12:1] & ~(12'hfff << shift_3_q)) != '0)};

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      coarse_q <= coarse;
      fine_q   <= fine;
      {negative_4_q, large_4_q, field_4_q} <= {negative_3_q, large_3_q, field_3_q};
      {negative_3_q, large_3_q, field_3_q, shift_3_q} <= {negative_2_q, large_q, field_q, shift_q[1:0]};
    end
  end

  // Cycle 5: round; the carry runs into the exponent field as it should.
  logic [14:0] rounded;
  logic overflow;

  assign rounded  = {field_4_q, fine_q[11:2]} + {14'd0, fine_q[1] & (fine_q[2] | fine_q[0])};
  assign overflow = large_4_q | (rounded[14:10] == 5'd31);

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      y_o        <= {negative_4_q, overflow ? 15'h7bff : rounded};
      overflow_o <= overflow;
    end
  end

endmodule
