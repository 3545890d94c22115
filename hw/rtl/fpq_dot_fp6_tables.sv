// SPDX-License-Identifier: Apache-2.0
// An FP6 dot unit without multipliers (distributed arithmetic): a table holds the 32 sums of subsets of five activations, and
// the weights' bit planes are its addresses. A weight is an integer of seven bits in two's complement, so each of the 26
// tables is read seven times a cycle; the planes are added by themselves, then joined by their powers of two, the sign's
// plane taken away. Activations stand, weights stream: see fpq_table_writer for how tables come to be.
//
// Words are unsigned: a subset's sum + FirstStart, in the last table + LastStart, C in all. With S(j) the words' sum of plane j
// over tables 0 to 24 (14 bits) and L(j) the last table's word (10 bits), -S = ~S + 1 - 2^14 and -L = ~L + 1 - 2^10, so
//   sum of products = sum over j < 6 of 2^j * (S(j) + L(j)) + 64 * (~S(6) + ~L(6)) + C + 128 - 2^20 - 2^16,
// and C is 2^13 - 128, which leaves three single bits to put right.
// valid_i and first_i come 6 cycles after w_units_i; sum_o is the sum of the last pass for which keep_i was given, a cycle after
// valid_i's last.

`include "fpq_assert.svh"

module fpq_dot_fp6_tables
  import fpq_bank_pkg::*;
#(
  parameter target_e Target = TargetUltrascale,
  parameter int Lanes = 128,
  parameter int FirstStart = 5 * 60,                        // no subset's sum is below -FirstStart
  parameter int LastStart = 2 ** 13 - 128 - 25 * FirstStart,
  localparam int Tables = 26,
  localparam int WordBits = 10,
  localparam int SumBits = sum_bits(fpq_pkg::FamilyFp6)
) (
  input  logic                            clk_i,
  input  logic                            valid_i,
  input  logic                            first_i,
  input  logic                            keep_i,
  input  logic                            write_i,          // not while w_units_i are to be multiplied
  input  logic [4:0]                      write_address_i,
  input  logic [Tables-1:0][WordBits-1:0] write_words_i,
  input  logic [Lanes-1:0][6:0]           w_units_i,        // signed integers in units
  output logic [SumBits-1:0]              sum_o
);

  localparam int Fan = 5;                            // activations of a table
  localparam int Planes = 7;
  localparam int Largest = 2 * FirstStart;           // a word of tables 0 to 24
  localparam int LastLargest = LastStart + FirstStart;
  localparam int PlaneBits = tree_width(Tables, Largest);            // of a plane of tables 0 to 24
  localparam int PartBits = $clog2(7 * (Tables - 1) * Largest + 1);  // of three planes of tables 0 to 24
  localparam int LastPartBits = $clog2(7 * LastLargest + 1);         // of three planes of table 25

  `FPQ_REQUIRE(gen_bad_lanes, Lanes > Fan * (Tables - 1) && Lanes <= Fan * Tables,
               "fpq_dot_fp6_tables: Lanes must be 126 to 130: 26 tables of five")
  // The last table's part leaves bit 13 free.
  `FPQ_REQUIRE(gen_bad_starts, (Tables - 1) * FirstStart + LastStart == 2 ** 13 - 128 && PlaneBits == 14 &&
               LastLargest < 2 ** WordBits && LastPartBits == 13,
               "fpq_dot_fp6_tables: FirstStart and LastStart must add up to 2^13 - 128, and sums keep 14 and 13 bits")

  // Cycle 1: the tables.
  logic [Fan*Tables-1:0][6:0] w_units;
  logic [Tables-1:0][Planes-1:0][WordBits-1:0] words, words_q;

  assign w_units = (7 * Fan * Tables)'(w_units_i);

  for (genvar t = 0; t < Tables; t++) begin : gen_tables
    logic [Planes-1:0][Fan-1:0] addresses;

    for (genvar j = 0; j < Planes; j++) begin : gen_planes
      for (genvar i = 0; i < Fan; i++) begin : gen_lanes
        assign addresses[j][i] = w_units[Fan*t+i][j];
      end
    end
    fpq_table #(
      .Target (Target),
      .Width  (WordBits),
      .Readers(Planes)
    ) u_table (
      .clk_i,
      .write_i,
      .write_address_i,
      .write_data_i    (write_words_i[t]),
      .read_addresses_i(addresses),
      .read_data_o     (words[t])
    );
  end

  always_ff @(posedge clk_i) words_q <= words;

  // Cycles 2 to 4: each plane of tables 0 to 24, which three levels of adders bring down to one number.
  logic [Planes-1:0][PlaneBits-1:0] planes;

  for (genvar j = 0; j < Planes; j++) begin : gen_sums
    logic [Tables-1:0][WordBits-1:0] operands;
    logic [1:0][PlaneBits-1:0] sums;
    logic [1:0] ones;

    for (genvar t = 0; t < Tables; t++) begin : gen_operands
      assign operands[t] = t < Tables - 1 ? words_q[t][j] : '0;
    end
    fpq_sum #(
      .Target (Target),
      .Count  (Tables),
      .Largest(Largest)
    ) u_sum (
      .clk_i,
      .operands_i(operands),
      .ones_i    ('0),
      .operands_o(sums),
      .ones_o    (ones)
    );
    assign planes[j] = sums[0];

    logic unused;
    assign unused = ^{sums[1], ones};
  end

  // Cycles 5 and 6: the planes joined. Meanwhile, in cycles 2 and 3, those of table 25, which then waits.
  logic [1:0][PartBits-1:0] parts;
  logic [1:0][LastPartBits-1:0] last_parts;
  logic [PlaneBits-1:0] not_sign_q;
  logic [WordBits-1:0] last_not_sign_q;
  logic [20:0] joined;
  logic [16:0] last_joined, last_late;

  for (genvar i = 0; i < 2; i++) begin : gen_parts
    fpq_table_merge #(
      .Target  (Target),
      .Shift   (1),
      .XWidth  (PlaneBits),
      .YWidth  (PlaneBits),
      .ZWidth  (PlaneBits),
      .SumWidth(PartBits)
    ) u_part (
      .clk_i,
      .x_i  (planes[3*i]),
      .y_i  (planes[3*i+1]),
      .z_i  (planes[3*i+2]),
      .sum_o(parts[i])
    );
    fpq_table_merge #(
      .Target  (Target),
      .Shift   (1),
      .XWidth  (WordBits),
      .YWidth  (WordBits),
      .ZWidth  (WordBits),
      .SumWidth(LastPartBits)
    ) u_last_part (
      .clk_i,
      .x_i  (words_q[Tables-1][3*i]),
      .y_i  (words_q[Tables-1][3*i+1]),
      .z_i  (words_q[Tables-1][3*i+2]),
      .sum_o(last_parts[i])
    );
  end

  always_ff @(posedge clk_i) begin
    not_sign_q      <= ~planes[Planes-1];
    last_not_sign_q <= ~words_q[Tables-1][Planes-1];
  end

  fpq_table_merge #(
    .Target  (Target),
    .Shift   (3),
    .XWidth  (PartBits),
    .YWidth  (PartBits),
    .ZWidth  (PlaneBits),
    .SumWidth(21)
  ) u_join (
    .clk_i,
    .x_i  (parts[0]),
    .y_i  (parts[1]),
    .z_i  (not_sign_q),
    .sum_o(joined)
  );
  fpq_table_merge #(
    .Target  (Target),
    .Shift   (3),
    .XWidth  (LastPartBits + 1),
    .YWidth  (LastPartBits),
    .ZWidth  (WordBits),
    .SumWidth(17)
  ) u_last_join (
    .clk_i,
    .x_i  ({1'b1, last_parts[0]}),  // 2^13
    .y_i  (last_parts[1]),
    .z_i  (last_not_sign_q),
    .sum_o(last_joined)
  );
  fpq_delay #(
    .Width (17),
    .Cycles(3)
  ) u_last_late (
    .clk_i,
    .data_i(last_joined),
    .data_o(last_late)
  );

  // The accumulator. Taking 2^20 from 21 bits, and 2^16 from 17, is the complement of the top bit, which is then the sign.
  logic [SumBits-1:0] sum, sum_q;

  fpq_add3 #(
    .Target  (Target),
    .Width   (SumBits),
    .SumWidth(SumBits)
  ) u_accumulate (
    .x_i    (SumBits'(signed'({~joined[20], joined[19:0]}))),
    .y_i    (SumBits'(signed'({~last_late[16], last_late[15:0]}))),
    .z_i    (sum_q),
    .clear_i(first_i),
    .ones_i (2'b00),
    .sum_o  (sum)
  );

  always_ff @(posedge clk_i) begin
    if (valid_i) sum_q <= sum;
    // The finished sum stands while the next pass begins.
    if (keep_i) sum_o <= sum_q;
  end

endmodule
