// SPDX-License-Identifier: Apache-2.0
// FP6 dot products of rows that stand and columns that stream, by fpq_dot_fp6_tables. A chunk of activations is offered when the
// last chunk of weights for the one before it has been taken; from then on no weights are taken until it is in the tables, 34
// cycles. So tables are reloaded anywhere, also within a group. The engine does not use it: see docs/rtl.md, 6.

`include "fpq_assert.svh"

module fpq_array_fp6_tables
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = DefaultTarget,
  parameter int Rows = 1,
  parameter int Columns = 1,
  parameter int Lanes = 128,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                                        clk_i,
  input  logic                                        rst_ni,
  input  logic                                        a_valid_i,
  output logic                                        a_ready_o,
  input  pass_e                                       a_pass_i,
  input  logic [Rows-1:0][Lanes-1:0][5:0]             a_codes_i,
  input  logic                                        w_valid_i,
  output logic                                        w_ready_o,
  input  logic                                        w_first_i,     // of a group pass: the sums start again
  input  logic                                        w_last_i,      // of a group pass: the sums are complete
  input  logic [Columns-1:0][Lanes-1:0][5:0]          w_codes_i,
  output logic                                        sums_valid_o,
  output logic [Rows-1:0][Columns-1:0][SumBits-1:0]   sums_o
);

  localparam int Tables = 26;
  localparam int WordBits = 10;
  localparam int FirstStart = 5 * code_units(fpq_pkg::FamilyFp6, PassPlain, 31);  // five of the largest magnitude
  localparam int LastStart = 2 ** 13 - 128 - (Tables - 1) * FirstStart;           // see fpq_dot_fp6_tables
  localparam int SumCycle = 1 + 6;  // from a chunk of weights to the accumulators' operands

  `FPQ_REQUIRE(gen_bad_size, Rows >= 1 && Columns >= 1, "fpq_array_fp6_tables: Rows and Columns must be at least 1")

  // The activations' integers lag an offer by a cycle, and so does the writer's start.
  logic offered_q, loaded_q, write_start;
  logic [Rows-1:0] written, writing;
  logic taken;

  assign write_start = a_valid_i && offered_q;
  assign a_ready_o   = written[0];
  assign w_ready_o   = loaded_q && !offered_q && !a_valid_i;
  assign taken       = w_valid_i && w_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      offered_q <= 1'b0;
      loaded_q  <= 1'b0;
    end else begin
      offered_q <= a_valid_i && !a_ready_o;
      if (a_ready_o) loaded_q <= 1'b1;
    end
  end

  // Control beside the joined planes, and a cycle later.
  logic valid, first, last, last_q;

  fpq_pipe #(
    .Width (3),
    .Cycles(SumCycle)
  ) u_control (
    .clk_i,
    .rst_ni,
    .data_i({taken, w_first_i, taken & w_last_i}),
    .data_o({valid, first, last})
  );
  fpq_pipe #(
    .Width (2),
    .Cycles(1)
  ) u_sums_valid (
    .clk_i,
    .rst_ni,
    .data_i({last_q, last}),
    .data_o({sums_valid_o, last_q})
  );

  logic [Columns-1:0][Lanes-1:0][6:0] w_units;

  for (genvar c = 0; c < Columns; c++) begin : gen_weights
    for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
      fpq_recode_a_fp6 u_recode (
        .clk_i,
        .pass_i (PassPlain),
        .code_i (w_codes_i[c][l]),
        .units_o(w_units[c][l])
      );
    end
  end

  for (genvar r = 0; r < Rows; r++) begin : gen_rows
    logic [Lanes-1:0][6:0] a_units;
    logic [4:0] address;
    logic [Tables-1:0][WordBits-1:0] words;

    for (genvar l = 0; l < Lanes; l++) begin : gen_lanes
      fpq_recode_a_fp6 u_recode (
        .clk_i,
        .pass_i (a_pass_i),
        .code_i (a_codes_i[r][l]),
        .units_o(a_units[l])
      );
    end
    fpq_table_writer #(
      .Target    (Target),
      .Lanes     (Lanes),
      .FirstStart(FirstStart),
      .LastStart (LastStart)
    ) u_writer (
      .clk_i,
      .rst_ni,
      .valid_i  (write_start),
      .ready_o  (written[r]),
      .units_i  (a_units),
      .write_o  (writing[r]),
      .address_o(address),
      .words_o  (words)
    );

    for (genvar c = 0; c < Columns; c++) begin : gen_columns
      fpq_dot_fp6_tables #(
        .Target    (Target),
        .Lanes     (Lanes),
        .FirstStart(FirstStart),
        .LastStart (LastStart)
      ) u_dot (
        .clk_i,
        .valid_i        (valid),
        .first_i        (first),
        .keep_i         (last_q),
        .write_i        (writing[r]),
        .write_address_i(address),
        .write_words_i  (words),
        .w_units_i      (w_units[c]),
        .sum_o          (sums_o[r][c])
      );
    end
  end

  logic unused;
  assign unused = ^written;

  `FPQ_ASSERT_STABLE(ActivationsStable, a_valid_i, a_ready_o, {a_pass_i, a_codes_i})
  `FPQ_ASSERT_STABLE(WeightsStable, w_valid_i, w_ready_o, {w_first_i, w_last_i, w_codes_i})
  `FPQ_ASSERT(NotTakenWhileWritten, !(taken && writing[0]))

endmodule
