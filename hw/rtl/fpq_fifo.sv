// SPDX-License-Identifier: Apache-2.0
// A first-in first-out queue with registered flags. Depth 2 is a register slice that keeps full throughput.

`include "fpq_assert.svh"

module fpq_fifo #(
  parameter int Width = 32,
  parameter int Depth = 2  // a power of two, at least 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  localparam int PtrWidth = $clog2(Depth);

  `FPQ_REQUIRE(gen_bad_depth, Depth >= 2 && 2 ** PtrWidth == Depth,
               "fpq_fifo: Depth must be a power of two and at least 2")

  logic [Width-1:0] mem [Depth];
  logic [PtrWidth-1:0] write_q, read_q;
  logic [PtrWidth-1:0] count_q;  // modulo Depth: the flags tell empty from full
  logic push, pop;

  assign push = valid_i & ready_o;
  assign pop  = valid_o & ready_i;
  assign data_o = mem[read_q];

  always_ff @(posedge clk_i) begin
    if (push) mem[write_q] <= data_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      count_q <= '0;
      valid_o <= 1'b0;
      ready_o <= 1'b1;
    end else begin
      if (push) write_q <= write_q + 1'b1;
      if (pop) read_q <= read_q + 1'b1;
      if (push ^ pop) count_q <= count_q + (push ? PtrWidth'(1) : '1);  // one adder; by 1 or -1
      // Until the last entry goes and none comes; until the last place is taken and none is given.
      valid_o <= push | (valid_o & ~(ready_i & count_q == PtrWidth'(1)));
      ready_o <= pop | (ready_o & ~(valid_i & (&count_q)));
    end
  end

  `FPQ_ASSERT_STABLE(OutputStable, valid_o, ready_i, data_o)

endmodule
