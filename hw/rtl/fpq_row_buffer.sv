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
  logic latch_valid_q, move, fetch, any;
  logic write_last_q, read_last_q;  // the pointer is at the memory's end

  // Memory's output register, then one more.
  assign move  = latch_valid_q & (~valid_o | pop_i);
  assign fetch = any & (~latch_valid_q | move);

  fpq_credit #(.Width(AddrWidth + 1)) u_words (
    .clk_i, .rst_ni, .give_i(write_i), .take_i(fetch), .any_o(any)
  );

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
      write_last_q  <= 1'b0;
      read_last_q   <= 1'b0;
      latch_valid_q <= 1'b0;
      valid_o       <= 1'b0;
    end else begin
      if (write_i) begin
        write_q      <= write_last_q ? '0 : write_q + 1'b1;
        write_last_q <= write_q == AddrWidth'(Depth - 2);
      end
      if (fetch) begin
        read_q      <= read_last_q ? '0 : read_q + 1'b1;
        read_last_q <= read_q == AddrWidth'(Depth - 2);
      end
      if (fetch | move) latch_valid_q <= fetch;
      if (move | pop_i) valid_o <= move;
    end
  end

  `FPQ_ASSERT(NotFull, !(write_i && (write_last_q ? '0 : write_q + 1'b1) == read_q))
  `FPQ_ASSERT(NotEmpty, !(pop_i && !valid_o))

endmodule
