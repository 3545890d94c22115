// SPDX-License-Identifier: Apache-2.0
// Brings a pass's scales to the float units: delays them as long as the dot products take, lets the rows of a unit take
// turns, and normalises. The outputs come term_scale_delay + 1 cycles after step_i.

module fpq_bank_scales
  import fpq_bank_pkg::*;
#(
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Share = 4,
  parameter int Cycles = 4,  // from the pass's last chunk to start_i
  localparam int Groups = Rows / Share,
  localparam int StepBits = Share > 1 ? $clog2(Share) : 1
) (
  input  logic                           clk_i,
  input  logic                           negative_i,        // with the scales
  input  logic [Rows*16-1:0]             a_scales_i,
  input  logic [Columns*16-1:0]          w_scales_i,
  input  logic                           start_i,           // Cycles later: the pass's first turn
  input  logic [StepBits-1:0]            step_i,            // and which turn it is
  output logic [Groups*11-1:0]           a_significands_o,
  output logic [Groups*ExponentBits-1:0] a_exponents_o,     // with every constant: see fpq_term
  output logic [Groups-1:0]              a_zeros_o,
  output logic [Columns*11-1:0]          w_significands_o,
  output logic [Columns*6-1:0]           w_exponents_o,
  output logic [Columns-1:0]             w_zeros_o
);

  // exponent(term) = exponent(a) + exponent(w) - shifts + this.
  localparam int Constant = ExponentBias + sum_bits(Family) - 5 - 2 * ScaleBias;
  localparam int Positive = Constant + unit_log2(Family, 1'b0);
  localparam int Negative = Constant + unit_log2(Family, 1'b1);
  // Cycles from the registers below to the outputs.
  localparam int Wait = term_scale_delay(Family) - ScaleLatency;

  logic negative, negative_q, negative_late;
  logic [Rows*16-1:0] a_late, a_held, a_held_q;
  logic [Columns*16-1:0] w_late, w_q;

  fpq_delay #(
    .Width ((Rows + Columns) * 16 + 1),
    .Cycles(Cycles)
  ) u_delay (
    .clk_i,
    .data_i({negative_i, w_scales_i, a_scales_i}),
    .data_o({negative_late, w_late, a_late})
  );

  // The scales stand for the later turns.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      a_held_q   <= a_late;
      w_q        <= w_late;
      negative_q <= negative_late;
    end
  end
  assign a_held = start_i ? a_late : a_held_q;

  for (genvar g = 0; g < Groups; g++) begin : gen_groups
    logic [15:0] a_q;
    scale_t a, a_ready;

    always_ff @(posedge clk_i) begin
      a_q <= a_held[(g*Share+int'(step_i))*16+:16];
    end

    fpq_bank_scale u_a (
      .clk_i,
      .scale_i(a_q),
      .scale_o(a)
    );

    fpq_delay #(
      .Width ($bits(scale_t)),
      .Cycles(Wait - 1)
    ) u_wait (
      .clk_i,
      .data_i(a),
      .data_o(a_ready)
    );

    // The last of the cycles adds what is constant: fpq_term has an adder of its own behind it.
    always_ff @(posedge clk_i) begin
      a_significands_o[11*g+:11] <= a_ready.significand;
      a_zeros_o[g] <= a_ready.zero;
      a_exponents_o[ExponentBits*g+:ExponentBits] <=
          ExponentBits'(a_ready.exponent) + (negative ? ExponentBits'(Negative) : ExponentBits'(Positive));
    end
  end

  for (genvar c = 0; c < Columns; c++) begin : gen_columns
    scale_t w, w_out;

    fpq_bank_scale u_w (
      .clk_i,
      .scale_i(w_q[16*c+:16]),
      .scale_o(w)
    );

    fpq_delay #(
      .Width ($bits(scale_t)),
      .Cycles(Wait)
    ) u_wait (
      .clk_i,
      .data_i(w),
      .data_o(w_out)
    );

    assign w_significands_o[11*c+:11] = w_out.significand;
    assign w_exponents_o[6*c+:6] = w_out.exponent;
    assign w_zeros_o[c] = w_out.zero;
  end

  fpq_delay #(
    .Width (1),
    .Cycles(ScaleLatency + Wait - 1)
  ) u_negative (
    .clk_i,
    .data_i(negative_q),
    .data_o(negative)
  );

endmodule
