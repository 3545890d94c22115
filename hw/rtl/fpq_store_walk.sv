// SPDX-License-Identifier: Apache-2.0
// Says where the banks' outputs go: the rows of each row tile, over a set of column tiles, in the order in which the tiles
// leave the banks. Neighbouring banks have neighbouring column tiles, so a row of a set is one run of bytes. A nop is one row
// that is not kept.

`include "fpq_assert.svh"

module fpq_store_walk
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Banks = 1
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       job_valid_i,
  output logic       job_ready_o,
  input  store_job_t job_i,
  output logic       row_valid_o,
  input  logic       row_ready_i,
  output row_t       row_o,
  output logic       row_nop_o
);

  localparam int RowLog2 = Rows > 1 ? $clog2(Rows) : 1;
  localparam int SetColumns = Banks * Columns;
  localparam int HalfWidth = RowSpanWidth - 1;  // bits of a row's columns: two bytes each

  // One bit each, so that what is added needs no decoding.
  typedef enum logic [5:0] {
    Idle  = 6'b000001,
    Block = 6'b000010,
    Set   = 6'b000100,  // a set of column tiles, over all row tiles of the block
    Row   = 6'b001000,
    Next  = 6'b010000,  // the set's rows are out
    Nop   = 6'b100000
  } state_e;

  // What has to tell its end counts down below 0, and tells it by its sign.
  state_e state_q;
  store_job_t job_q;
  logic in_nop, in_next, in_row, in_set, in_block, in_idle;
  logic [32:0] rows_q, block_rows_q;               // rows of the command from this one on, less 2; at the block's first
  logic keep_q;                                    // the row exists
  logic [BlockWidth:0] tiles_q;                    // rows of the block after this tile, less 1
  logic [32:0] columns_q;                          // columns after this set, less 1
  logic [63:0] block_addr_q, set_addr_q, row_addr_q;  // first byte: of the next block, of the set, of the row
  logic first_set_q;
  logic [MaxBanks-1:0] banks_q;                    // that have a tile of the set
  logic [HalfWidth-1:0] width_q;                   // columns of the set
  logic [RowLog2-1:0] row_q;
  logic row_last_q, tile_last, row_ready, row_valid, step;
  row_t row;

  assign {in_nop, in_next, in_row, in_set, in_block, in_idle} = state_q;
  assign job_ready_o = in_idle;
  assign tile_last = tiles_q[BlockWidth] | rows_q[32] | ~keep_q;  // if this row is the last of its tile
  assign row_valid = in_row | in_nop;
  assign step = in_row & row_ready;

  always_comb begin
    row.addr = row_addr_q;
    row.bytes = {width_q, 1'b0};
    row.keep = keep_q;
    row.banks = banks_q;
    row.set_last = tile_last & row_last_q;
    row.command_last = columns_q[32] & rows_q[32] & keep_q;
    row.tag = job_q.tag;
  end

  // What the packer asks about a row it asks a register.
  fpq_slice #(.Width($bits(row_t) + 1)) u_row (
    .clk_i, .rst_ni,
    .valid_i(row_valid), .ready_o(row_ready), .data_i({in_nop, row}),
    .valid_o(row_valid_o), .ready_i(row_ready_i), .data_o({row_nop_o, row_o})
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle:  if (job_valid_i) state_q <= job_i.nop ? Nop : Block;
        Block: state_q <= Set;
        Set:   state_q <= Row;
        Row:   if (row_ready & row_last_q & tile_last) state_q <= Next;
        Next:  state_q <= ~columns_q[32] ? Set : keep_q ? Block : Idle;  // keep_q: rows are left after the block's last
        Nop:   if (row_ready) state_q <= Idle;
        default: state_q <= Idle;
      endcase
    end

    if (in_idle) job_q <= job_i;
    if (in_idle | in_set | step) begin
      rows_q <= (in_idle ? {1'b0, job_i.m} : in_set ? block_rows_q : rows_q) + {{32{~in_set}}, step};
    end
    if (in_block) block_rows_q <= rows_q;
    if (in_set | step) begin
      keep_q     <= in_set | (keep_q & ~rows_q[32]);
      row_q      <= in_set | row_last_q ? '0 : row_q + 1'b1;
      row_last_q <= Rows == 1 || (!in_set && !row_last_q && row_q == RowLog2'(Rows - 2));
      row_addr_q <= (in_set ? set_addr_q : row_addr_q) + {32'd0, job_q.stride & {32{~in_set}}};
    end
    if (in_set | (step & row_last_q)) begin
      tiles_q <= (in_set ? {1'b0, job_q.block_rows} : tiles_q) - (BlockWidth + 1)'(in_set ? Rows + 1 : Rows);
    end
    // The first set's last row leads to the next block.
    if (in_idle) block_addr_q <= job_i.address;
    else if (in_next & first_set_q) block_addr_q <= row_addr_q;
    if (in_block | in_next) begin
      first_set_q <= in_block;
      set_addr_q  <= (in_block ? block_addr_q : set_addr_q) + 64'(in_block ? 0 : 2 * SetColumns);
      columns_q   <= (in_block ? {1'b0, job_q.n} : columns_q) - 33'(in_block ? SetColumns + 1 : SetColumns);
    end
    if (in_set) begin
      // Where the set is the last, columns_q is what is missing in it, below 0.
      width_q <= (columns_q[HalfWidth-1:0] | {HalfWidth{~columns_q[32]}}) + HalfWidth'(SetColumns + 1);
      for (int p = 0; p < MaxBanks; p++) begin
        banks_q[p] <= p < Banks && (!columns_q[32] ||
                                    $signed(columns_q[HalfWidth:0]) >= (HalfWidth + 1)'(p * Columns - SetColumns));
      end
    end
  end

  `FPQ_ASSERT(WholeTiles, !job_valid_i || job_i.nop || job_i.block_rows % BlockWidth'(Rows) == '0)

  logic unused;
  assign unused = ^{job_q.nop, job_q.address, job_q.m};

endmodule
