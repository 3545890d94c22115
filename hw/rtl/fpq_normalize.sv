// SPDX-License-Identifier: Apache-2.0
// Shifts a two's-complement integer left until its two top bits differ: 0.1... or 1.0...; the shift is done by a multiplier.
// Latency NormalizeLatency, one more where Width > 25. A zero comes out as zero, with zero_o.
//
// The shift is first coarse (0 or Coarse), then 0 to Positions - 1, which is found as a one-hot code, digit by digit of
// four bits, and is itself the factor. -1 counts as having its leading bit below bit 0.

module fpq_normalize #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Width = 25,
  localparam int Coarse = Width <= 26 ? Width - 13 : 12,
  localparam int Digits = Width <= 26 ? 3 : 4,
  localparam int Positions = 4 * Digits + 1
) (
  input  logic             clk_i,
  input  logic             enable_i,
  input  logic [Width-1:0] x_i,
  input  logic             top_i,     // the second bit from the top is set, whatever x_i has there
  output logic             coarse_o,  // the coarse shift is needed: 1 cycle after x_i
  output logic [4:0]       shift_o,   // the fine shift: 5 cycles after x_i
  output logic             zero_o,    // 5 cycles after x_i
  output logic [Width-1:0] y_o        // NormalizeLatency cycles after x_i, one more where Width > 25
);

  // Cycle 1: are the top bits all alike?
  logic [Width-1:0] x_q;
  logic coarse_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      x_q      <= {x_i[Width-1], x_i[Width-2] | top_i, x_i[Width-3:0]};
      coarse_q <= ~top_i & (x_i[Width-2-:Coarse] == {Coarse{x_i[Width-1]}});
    end
  end

  // Cycle 2: coarse shift.
  logic [Width-1:0] coarse_x_q;
  logic coarse_2_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      coarse_x_q <= coarse_q ? x_q << Coarse : x_q;
      coarse_2_q <= coarse_q;
    end
  end
  assign coarse_o = coarse_q;

  // Cycle 3: for each digit, whether all down to it are sign bits. Digit i of `bits` is the i-th from the top.
  logic [Width-1:0] digits_x_q;
  logic [Digits:0]  blank, blank_q;  // blank[i]: the i top digits
  logic coarse_3_q;

  always_comb begin
    automatic logic all = 1'b1;
    blank[0] = 1'b1;
    for (int i = 0; i < Digits; i++) begin
      all &= coarse_x_q[Width-2-4*i-:4] == {4{coarse_x_q[Width-1]}};
      blank[i+1] = all;
    end
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      digits_x_q <= coarse_x_q;
      blank_q    <= blank;
      coarse_3_q <= coarse_2_q;
    end
  end

  // Cycle 4: the factor, 2^shift.
  logic [Positions-1:0] factor, factor_q;
  logic zero_q;

  always_comb begin
    factor = '0;
    for (int i = 0; i < Digits; i++) begin
      automatic logic [3:0] digit = digits_x_q[Width-2-4*i-:4] ^ {4{digits_x_q[Width-1]}};
      automatic logic here = blank_q[i] & ~blank_q[i+1];
      factor[4*i+0] = here & digit[3];
      factor[4*i+1] = here & (digit[3:2] == 2'b01);
      factor[4*i+2] = here & (digit[3:1] == 3'b001);
      factor[4*i+3] = here & (digit == 4'b0001);
    end
    factor[Positions-1] = blank_q[Digits];
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      factor_q <= factor;
      zero_q   <= coarse_3_q & blank_q[Digits] & ~digits_x_q[Width-1];
    end
  end

  // Cycle 5: the factor's logarithm.
  logic [4:0] shift;

  always_comb begin
    shift = '0;
    for (int i = 0; i < Positions; i++) begin
      shift |= factor_q[i] ? 5'(i) : 5'd0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      shift_o <= shift;
      zero_o  <= zero_q;
    end
  end

  // Cycles 4 to 6: multiply. What is too wide for one slice takes two, and a cycle more.
  if (Width <= 25) begin : gen_narrow
    logic signed [47:0] product;

    fpq_dsp #(
      .Target(Target)
    ) u_shift (
      .clk_i,
      .enable_i,
      .a_i       (25'(signed'(digits_x_q))),
      .b_i       (18'(factor)),
      .c_i       ('0),
      .cascade_i ('0),
      .cascade_o (),
      .p_o       (product),
      .low_zero_o()
    );
    assign y_o = product[Width-1:0];
  end else begin : gen_wide
    logic signed [47:0] cascade, low, high;
    logic [16:0] low_q;

    fpq_dsp #(
      .Target(Target)
    ) u_low (
      .clk_i,
      .enable_i,
      .a_i       (25'(digits_x_q[16:0])),
      .b_i       (18'(factor)),
      .c_i       ('0),
      .cascade_i ('0),
      .cascade_o (cascade),
      .p_o       (low),
      .low_zero_o()
    );

    fpq_dsp #(
      .Target     (Target),
      .InputStages(2),
      .Cascade    (1'b1)
    ) u_high (
      .clk_i,
      .enable_i,
      .a_i       (25'(signed'(digits_x_q[Width-1:17]))),
      .b_i       (18'(factor)),
      .c_i       ('0),
      .cascade_i (cascade),
      .cascade_o (),
      .p_o       (high),
      .low_zero_o()
    );

    always_ff @(posedge clk_i) begin
      if (enable_i) low_q <= low[16:0];
    end
    assign y_o = {high[Width-18:0], low_q};
  end

endmodule
