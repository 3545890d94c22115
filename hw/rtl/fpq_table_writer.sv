// SPDX-License-Identifier: Apache-2.0
// Writes the tables of fpq_dot_fp6_tables for one row of activations, all 26 at once, a word a cycle: the sums of the subsets of
// five in the order of the Gray code, so that each word is the last one and one activation more or less. A row of an array
// has one, whose words go to all its columns. 33 cycles a row of activations, which stands until it is taken with the last word.

`include "fpq_assert.svh"

module fpq_table_writer #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Lanes = 128,
  parameter int FirstStart = 5 * 60,  // of the empty subset, in tables 0 to 24; see fpq_dot_fp6_tables
  parameter int LastStart = 2 ** 13 - 128 - 25 * FirstStart,
  localparam int Tables = 26,
  localparam int WordBits = 10
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            valid_i,
  output logic                            ready_o,
  input  logic [Lanes-1:0][6:0]           units_i,    // signed integers
  output logic                            write_o,
  output logic [4:0]                      address_o,
  output logic [Tables-1:0][WordBits-1:0] words_o
);

  localparam int Fan = 5;

  `FPQ_REQUIRE(gen_bad_lanes, Lanes > Fan * (Tables - 1) && Lanes <= Fan * Tables,
               "fpq_table_writer: Lanes must be 126 to 130: 26 tables of five")

  // The address counts in Gray code. From step n to n + 1 it changes in the bit of n's first zero: in bit 0 after every even
  // step; after an odd step in another, which is chosen a step before.
  logic write_q, down, down_q, later_down;
  logic [4:0] step_q;
  logic [1:0] choice;

  assign ready_o   = write_q && &step_q;
  assign write_o   = write_q;
  assign address_o = step_q ^ (step_q >> 1);
  assign down      = step_q[0] ? down_q : step_q[1];

  // The bit changes to 0 where the step's next higher bit is set.
  always_comb begin
    if (!step_q[1]) {choice, later_down} = {2'd0, step_q[2]};
    else if (!step_q[2]) {choice, later_down} = {2'd1, step_q[3]};
    else if (!step_q[3]) {choice, later_down} = {2'd2, step_q[4]};
    else {choice, later_down} = {2'd3, 1'b0};
  end

  always_ff @(posedge clk_i) begin
    down_q <= later_down;
    if (!rst_ni) begin
      write_q <= 1'b0;
      step_q  <= '0;
    end else begin
      write_q <= write_q ? !ready_o : valid_i;
      if (write_q) step_q <= step_q + 5'd1;
    end
  end

  for (genvar t = 0; t < Tables; t++) begin : gen_tables
    localparam int Start = t < Tables - 1 ? FirstStart : LastStart;

    logic [Fan-1:0][6:0] values;
    logic [Fan-2:0][6:0] others;
    logic [6:0] chosen_q, change;
    logic [WordBits-1:0] word_q, word, changed;
    logic carry;

    for (genvar i = 0; i < Fan; i++) begin : gen_lanes
      assign values[i] = Fan * t + i < Lanes ? units_i[Fan*t+i<Lanes?Fan*t+i : 0] : '0;
    end
    assign others     = values[Fan-1:1];
    assign change     = step_q[0] ? chosen_q : values[0];
    assign changed    = WordBits'(signed'(change)) ^ {WordBits{down}};
    assign words_o[t] = word_q;

    // word_q + change, or - change: the choice and the complement are in the adder's own LUTs.
    fpq_chain #(
      .Target(Target),
      .Width (WordBits)
    ) u_add (
      .carry_i    (down),
      .propagate_i(word_q ^ changed),
      .generate_i (word_q),
      .sum_o      (word),
      .carry_o    (carry)
    );

    always_ff @(posedge clk_i) begin
      chosen_q <= others[choice];
      if (!write_q) word_q <= WordBits'(Start);
      else word_q <= word;
    end

    logic unused;
    assign unused = carry;
  end

  `FPQ_ASSERT_STABLE(OfferStable, valid_i, ready_o, units_i)

endmodule
