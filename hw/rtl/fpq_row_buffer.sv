// SPDX-License-Identifier: Apache-2.0
// A queue in block RAM: words wait for their group's scale. It must not be written when full; others keep count.

`include "fpq_assert.svh"

module fpq_row_buffer #(
  parameter int Width = 184,
  parameter int Depth = 1280
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             write_i,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  output logic [Width-1:0] data_o,
  input  logic             pop_i
);

  localparam int AddrWidth = $clog2(Depth);

  logic [Width-1:0] mem [Depth];
  logic [AddrWidth-1:0] write_q, read_q;
  logic [Width-1:0] latch_q;
  logic latch_valid_q, move, fetch;

  // Memory's output register, then one more.
  assign move  = latch_valid_q & (~valid_o | pop_i);
  assign fetch = (read_q != write_q) & (~latch_valid_q | move);

  function automatic logic [AddrWidth-1:0] next(logic [AddrWidth-1:0] addr);
    return addr == AddrWidth'(Depth - 1) ? '0 : addr + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (write_i) mem[write_q] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (fetch) latch_q <= mem[read_q];
    if (move) data_o <= latch_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q       <= '0;
      read_q        <= '0;
      latch_valid_q <= 1'b0;
      valid_o       <= 1'b0;
    end else begin
      if (write_i) write_q <= next(write_q);
      if (fetch) read_q <= next(read_q);
      if (fetch | move) latch_valid_q <= fetch;
      if (move | pop_i) valid_o <= move;
    end
  end

  `FPQ_ASSERT(NotFull, !(write_i && next(write_q) == read_q))
  `FPQ_ASSERT(NotEmpty, !(pop_i && !valid_o))

endmodule
