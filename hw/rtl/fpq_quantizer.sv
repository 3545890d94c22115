// SPDX-License-Identifier: Apache-2.0
// Turns the row buffer's words into codes, once the tables of their segment are filled.

`include "fpq_assert.svh"

module fpq_quantizer #(
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Words = 8,
  localparam int CodeBits = fpq_pkg::format_bits(fpq_pkg::family_weights(Family))
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       segment_valid_i,
  output logic                       segment_ready_o,
  input  fpq_prologue_pkg::segment_t segment_i,
  input  logic                       scale_valid_i,
  output logic                       scale_ready_o,
  input  logic [15:0]                scale_i,
  input  logic [15:0]                scale_negative_i,
  input  logic                       zero_i,            // scale_i is
  input  logic                       zero_negative_i,   // the scale of negative elements is
  // The row buffer's head.
  input  logic                       valid_i,
  output logic                       pop_o,
  input  logic [Words*23-1:0]        keys_i,
  input  logic                       segment_last_i,
  input  logic                       group_last_i,
  input  logic                       row_last_i,
  input  logic                       nonfinite_i,
  output logic                       valid_o,
  output logic                       group_last_o,
  output logic                       row_last_o,
  output logic                       nonfinite_o,
  output logic [Words*CodeBits-1:0]  codes_o,
  output logic [15:0]                scale_o,
  output logic [15:0]                scale_negative_o
);
  import fpq_pkg::*;

  localparam format_e Plain = family_weights(Family);
  localparam bit HasDual = family_has_dual(Family);
  localparam int Offset = HasDual ? int'(negative_offset(family_dual(Family))) : 0;
  localparam int IndexBits = CodeBits - 1;
  // Tables fill the search's last memory: 32 bounds where that is enough for two segments of a dual format.
  localparam int Tables = IndexBits <= 3 ? 8 : HasDual ? 4 : 2;
  localparam int TableWidth = $clog2(Tables);
  localparam int Latency = IndexBits + 2;  // of fpq_search

  // Segments with tables, in order; `ready` counts those whose bounds are written.
  logic table_valid, table_ready, entry_valid, filled, ready, free;
  logic [TableWidth-1:0] new_table, entry_table, entry_table_negative;
  logic entry_ght, entry_dual, entry_zero, entry_zero_negative, segment_end;
  logic [15:0] entry_scale, entry_scale_negative;

  assign pop_o = valid_i & entry_valid & ready;
  assign segment_end = pop_o & segment_last_i;

  fpq_fifo #(.Width(2 * TableWidth + 36), .Depth(Tables)) u_entries (
    .clk_i, .rst_ni, .valid_i(table_valid), .ready_o(table_ready),
    .data_i({new_table, new_table + TableWidth'(segment_i.dual), segment_i.ght, segment_i.dual, zero_i,
             zero_negative_i, scale_i, scale_negative_i}),
    .valid_o(entry_valid), .ready_i(segment_end),
    .data_o({entry_table, entry_table_negative, entry_ght, entry_dual, entry_zero, entry_zero_negative,
             entry_scale, entry_scale_negative})
  );

  fpq_credit #(.Width(TableWidth + 1)) u_ready (
    .clk_i, .rst_ni, .give_i(filled), .take_i(segment_end), .any_o(ready)
  );

  logic write, write_first, free_dual;
  logic [IndexBits-2:0] write_steps, write_pair;
  logic [TableWidth-1:0] write_table;
  logic [21:0] even_bound, odd_bound;

  fpq_thresholds #(.Family(Family), .Tables(Tables)) u_thresholds (
    .clk_i, .rst_ni, .segment_valid_i, .segment_ready_o, .segment_i,
    .scale_valid_i, .scale_ready_o, .scale_i, .scale_negative_i,
    .table_valid_o(table_valid), .table_o(new_table), .filled_o(filled),
    .free_i(free), .free_two_i(free_dual),
    .write_o(write), .write_steps_o(write_steps), .write_first_o(write_first),
    .write_table_o(write_table), .write_pair_o(write_pair),
    .even_bound_o(even_bound), .odd_bound_o(odd_bound)
  );

  // The bound between magnitudes 0 and 1 of negative elements: one for all elements of a word.
  logic [21:0] first_bound;
  if (Offset != 0) begin : gen_first
    logic [21:0] bounds [Tables];
    logic [TableWidth-1:0] table_q;
    always_ff @(posedge clk_i) begin
      if (write_first) bounds[write_table] <= odd_bound;
      table_q <= entry_table_negative;
    end
    assign first_bound = bounds[table_q];
  end else begin : gen_no_first
    logic unused_first;
    assign unused_first = write_first;
    assign first_bound = '0;
  end

  for (genvar i = 0; i < Words; i++) begin : gen_search
    fpq_search #(
      .IndexBits(IndexBits), .Tables(Tables), .Twos(int'(format_is_integer(Plain))), .Offset(Offset)
    ) u_search (
      .clk_i, .key_i(keys_i[i*23 +: 23]), .ght_i(entry_ght), .dual_i(entry_dual),
      .table_i(entry_table), .table_negative_i(entry_table_negative),
      .zero_i(entry_zero), .zero_negative_i(entry_zero_negative),
      .first_bound_i(first_bound), .code_o(codes_o[i*CodeBits +: CodeBits]),
      .write_i(write), .write_steps_i(write_steps), .write_table_i(write_table),
      .write_pair_i(write_pair), .even_bound_i(even_bound), .odd_bound_i(odd_bound)
    );
  end

  logic [Latency-1:0] valid_q, end_q;
  always_ff @(posedge clk_i) begin
    valid_q <= {Latency{rst_ni}} & {valid_q[Latency-2:0], pop_o};
    end_q   <= {Latency{rst_ni}} & {end_q[Latency-2:0], segment_end};
  end
  assign valid_o = valid_q[Latency-1];
  assign free    = end_q[Latency-1];

  fpq_delay #(.Width(36), .Cycles(Latency)) u_side (
    .clk_i,
    .data_i({entry_dual, group_last_i, row_last_i, nonfinite_i, entry_scale, entry_scale_negative}),
    .data_o({free_dual, group_last_o, row_last_o, nonfinite_o, scale_o, scale_negative_o})
  );

  `FPQ_ASSERT(EntryRoom, !(table_valid && !table_ready))

endmodule
