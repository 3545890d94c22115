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

  typedef enum logic [2:0] {
    Idle,
    Block,
    Set,   // a set of column tiles, over all row tiles of the block
    Tile,  // one row tile
    Row,
    Nop
  } state_e;

  state_e state_q;
  store_job_t job_q;
  logic [31:0] rows_q, block_rows_q, tile_rows_q;  // left: of command, block, set
  logic [31:0] set_columns_q;                      // left: from the set on
  logic [63:0] block_q, tile_q, row_addr_q;        // where rows begin, without the set's column
  logic [32:0] set_offset_q;                       // the set's first byte in a row
  logic [MaxBanks-1:0] banks_q;                    // that have a tile of the set
  logic [RowSpanWidth-1:0] bytes_q;                // of a row of the set
  logic [RowLog2-1:0] row_q;
  logic [31:0] valid_rows_q;                       // rows of the tile that exist, when it is the last one
  logic last_block_q, last_set_q, last_tile_q, row_last;
  logic row_ready, row_valid;
  row_t row;

  assign job_ready_o = state_q == Idle;
  assign row_last = row_q == RowLog2'(Rows - 1);
  assign row_valid = state_q == Row || state_q == Nop;

  always_comb begin
    row.addr = row_addr_q + 64'(set_offset_q);
    row.bytes = bytes_q;
    row.keep = 32'(row_q) < valid_rows_q;
    row.banks = banks_q;
    row.set_last = last_tile_q & row_last;
    row.command_last = last_block_q & last_set_q & last_tile_q & (32'(row_q) == valid_rows_q - 1'b1);
    row.tag = job_q.tag;
  end

  fpq_fifo #(.Width($bits(row_t) + 1), .Depth(4)) u_row (
    .clk_i, .rst_ni,
    .valid_i(row_valid), .ready_o(row_ready), .data_i({state_q == Nop, row}),
    .valid_o(row_valid_o), .ready_i(row_ready_i), .data_o({row_nop_o, row_o})
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: begin
          if (job_valid_i) state_q <= job_i.nop ? Nop : Block;
          job_q   <= job_i;
          rows_q  <= job_i.m;
          block_q <= job_i.address;
        end
        Block: begin
          state_q <= Set;
          last_block_q  <= rows_q <= 32'(job_q.block_rows);
          block_rows_q  <= rows_q <= 32'(job_q.block_rows) ? rows_q : 32'(job_q.block_rows);
          set_columns_q <= job_q.n;
          set_offset_q  <= '0;
        end
        Set: begin
          state_q <= Tile;
          tile_q      <= block_q;
          tile_rows_q <= block_rows_q;
          last_set_q  <= set_columns_q <= 32'(Banks * Columns);
          bytes_q     <= set_columns_q < 32'(Banks * Columns) ? RowSpanWidth'(set_columns_q << 1)
                                                              : RowSpanWidth'(2 * Banks * Columns);
          for (int p = 0; p < MaxBanks; p++) banks_q[p] <= p < Banks && set_columns_q > 32'(p * Columns);
        end
        Tile: begin
          state_q <= Row;
          row_addr_q   <= tile_q;
          row_q        <= '0;
          valid_rows_q <= tile_rows_q;
          last_tile_q  <= tile_rows_q <= 32'(Rows);
        end
        Row: if (row_ready) begin
          row_q      <= row_q + 1'b1;
          row_addr_q <= row_addr_q + 64'(job_q.stride);
          if (row_last && !last_tile_q) begin
            state_q     <= Tile;
            tile_q      <= row_addr_q + 64'(job_q.stride);
            tile_rows_q <= tile_rows_q - 32'(Rows);
          end else if (row_last && !last_set_q) begin
            state_q       <= Set;
            set_columns_q <= set_columns_q - 32'(Banks * Columns);
            set_offset_q  <= set_offset_q + 33'(2 * Banks * Columns);
          end else if (row_last) begin
            state_q <= last_block_q ? Idle : Block;
            rows_q  <= rows_q - 32'(job_q.block_rows);
            block_q <= row_addr_q + 64'(job_q.stride);
          end
        end
        Nop: if (row_ready) state_q <= Idle;
        default: state_q <= Idle;
      endcase
    end
  end

  logic unused;
  assign unused = ^{job_q.nop, job_q.address, job_q.m};

endmodule
