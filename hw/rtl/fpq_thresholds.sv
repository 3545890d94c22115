// SPDX-License-Identifier: Apache-2.0
// Fills the quantizer's tables: for each segment one table of bounds, for a dual format two. Two bounds a cycle.

`include "fpq_assert.svh"

module fpq_thresholds #(
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Tables = 8,  // a power of two
  localparam int TableWidth = $clog2(Tables),
  localparam int IndexBits = fpq_pkg::format_bits(fpq_pkg::family_weights(Family)) - 1,
  localparam int PairWidth = IndexBits - 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       segment_valid_i,
  output logic                       segment_ready_o,
  input  fpq_prologue_pkg::segment_t segment_i,
  input  logic                       scale_valid_i,     // of the segment's group
  output logic                       scale_ready_o,
  input  logic [15:0]                scale_i,
  input  logic [15:0]                scale_negative_i,
  // A segment's tables were given out; all of its bounds are written; its tables are free again (two of them).
  output logic                       table_valid_o,
  output logic [TableWidth-1:0]      table_o,           // dual: the next is for negative elements
  output logic                       filled_o,
  input  logic                       free_i,
  input  logic                       free_two_i,
  // Bounds, see fpq_search; and the one between magnitudes 0 and 1 of a format with an offset.
  output logic                       write_o,
  output logic [IndexBits-2:0]       write_steps_o,
  output logic                       write_first_o,
  output logic [TableWidth-1:0]      write_table_o,
  output logic [PairWidth-1:0]       write_pair_o,
  output logic [21:0]                even_bound_o,
  output logic [21:0]                odd_bound_o
);
  import fpq_pkg::*;

  localparam format_e Plain = family_weights(Family);
  localparam bit HasDual = family_has_dual(Family);
  localparam format_e Dual = HasDual ? family_dual(Family) : Plain;
  localparam int Offset = int'(negative_offset(Dual));
  localparam int Latency = 10;  // of fpq_threshold

  // Where a threshold lies on the grid, but for the scale's exponent; see fpq_threshold.
  function automatic logic [6:0] base_place(logic ght, logic [4:0] exponent,
                                            logic signed [6:0] unit);
    return ght ? 7'd19 + 7'(exponent) - unit : 7'd6 + unit;
  endfunction

  // 1. The next pass: a table to fill.
  logic second_q, dual, accept, last_pass, go_q;  // go: a table is free, and so is the next step
  logic prep_valid_q, prep_negative_q, prep_ght_q, prep_last_q, walk_free;
  logic [14:0] prep_scale_q;  // never negative
  logic [6:0] prep_place_q;
  logic [TableWidth-1:0] next_q, prep_table_q;
  logic [TableWidth:0] used_q, used_change;
  logic free_q, free_two_q;  // a cycle late, which only keeps a table busy for longer

  assign dual = HasDual & segment_i.dual;
  assign last_pass = ~dual | second_q;
  assign accept = segment_valid_i & scale_valid_i & go_q;
  assign segment_ready_o = accept & last_pass;
  assign scale_ready_o = segment_ready_o & segment_i.group_last;
  assign table_valid_o = accept & ~second_q;
  assign table_o = next_q;

  // From -2 to 1.
  assign used_change = {{TableWidth{free_two_q | (free_q & ~accept)}}, accept ^ (free_q & ~free_two_q)};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      second_q     <= 1'b0;
      next_q       <= '0;
      used_q       <= '0;
      free_q       <= 1'b0;
      free_two_q   <= 1'b0;
      go_q         <= 1'b0;
      prep_valid_q <= 1'b0;
    end else begin
      if (accept) begin
        second_q <= ~last_pass;
        next_q   <= next_q + 1'b1;
      end
      {free_q, free_two_q} <= {free_i, free_i & free_two_i};
      used_q <= used_q + used_change;
      go_q   <= ~accept & (~prep_valid_q | walk_free) & (used_q < (TableWidth + 1)'(Tables));
      if (accept) prep_valid_q <= 1'b1;
      else if (walk_free) prep_valid_q <= 1'b0;
    end
    if (accept) begin
      prep_table_q    <= next_q;
      prep_negative_q <= second_q;
      prep_ght_q      <= segment_i.ght;
      prep_last_q     <= last_pass;
      prep_scale_q    <= second_q ? scale_negative_i[14:0] : scale_i[14:0];
      prep_place_q    <= base_place(segment_i.ght, segment_i.exponent,
                                    7'(second_q ? unit_log2(Dual, 1'b1) : unit_log2(Plain, 1'b0)));
    end
  end

  // 2. Walk through its pairs of bounds.
  logic walk_valid_q, walk_negative_q, walk_ght_q, walk_last_q;
  logic walk_end;  // a register: the last pair is at hand
  logic [TableWidth-1:0] walk_table_q;
  logic [10:0] walk_sig_q;
  logic [5:0] walk_place_q;
  logic [PairWidth-1:0] pair_q;
  logic [4:0] prep_field;
  logic [6:0] place;
  logic unused_place;

  assign walk_free = ~walk_valid_q | walk_end;
  assign prep_field = {prep_scale_q[14:11], prep_scale_q[10] | (prep_scale_q[14:10] == 5'd0)};
  assign {place, unused_place} = {prep_place_q, 1'b1} + {7'(prep_field) ^ {7{prep_ght_q}}, prep_ght_q};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      walk_valid_q <= 1'b0;
      walk_end     <= 1'b0;
      pair_q       <= '0;
    end else begin
      walk_end <= walk_valid_q & (pair_q == PairWidth'(2 ** PairWidth - 2));
      if (walk_free) walk_valid_q <= prep_valid_q;
      if (walk_valid_q) pair_q <= pair_q + 1'b1;
    end
    if (walk_free) begin
      walk_table_q    <= prep_table_q;
      walk_negative_q <= prep_negative_q;
      walk_ght_q      <= prep_ght_q;
      walk_last_q     <= prep_last_q;
      walk_sig_q      <= {prep_scale_q[14:10] != 5'd0, prep_scale_q[9:0]};
      walk_place_q    <= place[6] ? 6'd0 : place[5:0];  // below 0 every bound is beyond the grid
    end
  end

  // 3. Two bounds: threshold 2 * pair (+ offset) and the one after it. A table has no bound for index
  // 2^IndexBits - 1, whose place is taken by threshold 0 of a format with an offset.
  logic [IndexBits:0] even_index, odd_index;
  logic [IndexBits-1:0] table_index;
  logic [7:0] even_multiple, odd_multiple;
  logic shifted;

  assign shifted = Offset != 0 && walk_negative_q;
  assign table_index = {pair_q, 1'b0};
  assign even_index = {1'b0, table_index} + (IndexBits + 1)'(shifted);
  assign odd_index  = (shifted & walk_end) ? '0 : even_index + 1'b1;

  always_comb begin
    if (walk_negative_q) begin
      even_multiple = 8'(threshold(Dual, 1'b1, 32'(even_index)));
      odd_multiple  = 8'(threshold(Dual, 1'b1, 32'(odd_index)));
    end else begin
      even_multiple = 8'(threshold(Plain, 1'b0, 32'(even_index)));
      odd_multiple  = walk_end ? 8'd0 : 8'(threshold(Plain, 1'b0, 32'(odd_index)));
    end
  end

  // A tie goes up, to the even index, above an odd threshold.
  fpq_threshold u_even (
    .clk_i, .multiple_i(even_multiple), .up_i(even_index[0]), .sig_i(walk_sig_q),
    .ght_i(walk_ght_q), .place_i(walk_place_q), .bound_o(even_bound_o)
  );
  fpq_threshold u_odd (
    .clk_i, .multiple_i(odd_multiple), .up_i(odd_index[0]), .sig_i(walk_sig_q),
    .ght_i(walk_ght_q), .place_i(walk_place_q), .bound_o(odd_bound_o)
  );

  logic [Latency-1:0] valid_q, last_q;

  always_ff @(posedge clk_i) begin
    valid_q <= {Latency{rst_ni}} & {valid_q[Latency-2:0], walk_valid_q};
    last_q  <= {Latency{rst_ni}} & {last_q[Latency-2:0], walk_valid_q & walk_last_q & walk_end};
  end

  fpq_delay #(.Width(TableWidth + PairWidth), .Cycles(Latency)) u_address (
    .clk_i, .data_i({walk_table_q, pair_q}), .data_o({write_table_o, write_pair_o})
  );

  // The odd bound's index, {pair, 1}, ends in as many ones as the bit has places that it decides.
  assign write_o  = valid_q[Latency-1];
  assign filled_o = last_q[Latency-1];
  assign write_first_o = write_o & (&write_pair_o);

  for (genvar s = 0; s < IndexBits - 1; s++) begin : gen_step
    localparam int Ones = IndexBits - 2 - s;  // of the pair
    assign write_steps_o[s] = write_o & (write_pair_o[Ones:0] == (Ones + 1)'((1 << Ones) - 1));
  end

  logic unused_sign;
  assign unused_sign = scale_i[15] ^ scale_negative_i[15];

  `FPQ_ASSERT(ScaleNeeded, !(scale_ready_o && !scale_valid_i))

endmodule
