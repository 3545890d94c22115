// SPDX-License-Identifier: Apache-2.0
// Counts the chunks of weights that have come to a bank and are not taken: one by one, or a whole column tile's, there or not.
// What has come before all that was taken is below zero, and none is there then.

`include "fpq_assert.svh"

module fpq_chunk_credit
  import fpq_core_pkg::*;
#(
  parameter int Width = 12  // bits of the count, its sign included
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  give_i,
  input  logic                  take_i,       // only while any_o
  input  logic                  take_tile_i,  // not with take_i
  input  logic [ChunkWidth-1:0] tile_chunks_i,
  output logic                  any_o         // two cycles after take_tile_i it is right again
);

  // Given, and not counted yet: one adder counts one thing a cycle.
  logic [1:0] given_q;
  logic [Width-1:0] count_q;
  logic give, change;

  assign give = (given_q != 2'd0) & ~take_tile_i;
  assign change = take_tile_i | (give ^ take_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      given_q <= '0;
      count_q <= '0;
      any_o   <= 1'b0;
    end else begin
      given_q <= given_q + {~give_i & give, give_i ^ give};  // by 1 or -1
      if (change) begin
        count_q <= count_q + (take_tile_i ? ~Width'(tile_chunks_i) : give ? '0 : '1)
                 + {{Width-1{1'b0}}, take_tile_i | give};
      end
      any_o <= ~count_q[Width-1] & (give | (count_q[Width-2:1] != '0) | (count_q[0] & ~take_i));
    end
  end

  `FPQ_ASSERT(NoUnderflow, !(take_i && !any_o))
  `FPQ_ASSERT(OneThing, !(take_i && take_tile_i))
  `FPQ_ASSERT(GivenFits, !(give_i && !give && given_q == 2'd3))

endmodule
