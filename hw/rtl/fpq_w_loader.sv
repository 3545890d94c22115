// SPDX-License-Identifier: Apache-2.0
// Asks for the column tiles of one bank, job after job, as far ahead as its buffers have room. Within a job the weights are
// streamed once a row block; bank Bank takes tile set * Banks + Bank of each set. Where the last set has no tile for it,
// the bank's rings still step, so that one set of addresses serves all banks.

`include "fpq_assert.svh"

module fpq_w_loader
  import fpq_core_pkg::*;
#(
  parameter int Bank = 0,
  parameter int Banks = 1,
  parameter int Columns = 8,
  parameter int ChunkDepth = 512,  // entries of the bank's ring of chunks
  parameter int ScaleDepth = 512   // entries of its ring of scales
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  job_valid_i,
  output logic                  job_ready_o,
  input  w_job_t                job_i,
  // Room that comes back: a chunk; a set's scales; a set's bias.
  input  logic                  free_chunk_i,
  input  logic                  free_set_i,
  input  logic [ChunkWidth-1:0] free_groups_i,
  input  logic                  free_bias_i,
  // Tiles to read, and what is in them
  output logic                  run_valid_o,
  input  logic                  run_ready_i,
  output logic [63:0]           run_addr_o,
  output logic [BytesWidth-1:0] run_span_o,
  output logic                  tile_valid_o,
  input  logic                  tile_ready_i,
  output w_tile_t               tile_o
);

  localparam int ChunkCredit = $clog2(ChunkDepth) + 1;
  localparam int ScaleCredit = $clog2(ScaleDepth) + 1;
  localparam int PhaseWidth = Banks > 1 ? $clog2(Banks) : 1;

  typedef enum logic [2:0] {
    Idle,
    Set,      // a set begins: a bias entry is needed
    Compare,  // whose tile is it, and is it the last one?
    Reserve,  // it is ours: its room is taken, there or not
    Room,     // is it there?
    Ask,      // read it
    Note,     // and say what is in it
    Step
  } state_e;

  state_e state_q;
  w_job_t job_q;
  logic [63:0] addr_q;
  logic [32:0] columns_q, rows_q;          // columns after this tile, rows after this block, less 1: the sign tells
  logic [PhaseWidth-1:0] phase_q;          // the bank whose turn it is
  logic [BiasWidth-1:0] bias_q;            // the set's bias entry
  logic absent_q;                          // the tiles have run out before this turn
  logic last_tile, last_block;
  logic [ChunkCredit-1:0] chunk_credit_q;
  logic [ScaleCredit-1:0] scale_credit_q;
  logic bias_any, mine, set_end, block_end, reserve;

  assign job_ready_o = state_q == Idle;
  assign mine = phase_q == PhaseWidth'(Bank);
  assign set_end = phase_q == PhaseWidth'(Banks - 1);
  assign last_tile  = columns_q[32];
  assign last_block = rows_q[32];
  assign block_end  = set_end & (last_tile | absent_q);  // with a step

  // An absent tile has only the note.
  assign run_valid_o  = state_q == Ask;
  assign tile_valid_o = state_q == Note;
  assign run_addr_o = addr_q;
  assign run_span_o = job_q.tile_span | BytesWidth'(fpq_pkg::SectionBytes - 1);  // whole sections
  assign tile_o = '{
    absent: absent_q, scale_beats: job_q.scale_beats, chunks: job_q.chunks, groups: job_q.groups,
    bias: bias_q, tag: job_q.tag
  };

  // Room is taken in a cycle in which none comes back; one adder a ring. A credit may be below zero then, until enough has
  // come back. It is told by the top bit: a tile has a chunk and a group at least, so a credit is not whole while it waits.
  assign reserve = state_q == Reserve && !free_chunk_i && !free_set_i;

  fpq_credit #(.Width(BiasWidth + 1), .Initial(2 ** BiasWidth)) u_bias (
    .clk_i, .rst_ni, .give_i(free_bias_i), .take_i(state_q == Set && bias_any), .any_o(bias_any)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      chunk_credit_q <= ChunkCredit'(ChunkDepth);
      scale_credit_q <= ScaleCredit'(ScaleDepth);
    end else begin
      if (free_chunk_i | reserve) begin
        chunk_credit_q <= chunk_credit_q + (free_chunk_i ? '0 : ~ChunkCredit'(job_q.chunks)) + 1'b1;
      end
      if (free_set_i | reserve) begin
        scale_credit_q <= scale_credit_q + (free_set_i ? ScaleCredit'(free_groups_i) : ~ScaleCredit'(job_q.groups))
                        + {{ScaleCredit-1{1'b0}}, ~free_set_i};
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      bias_q  <= '0;
    end else begin
      unique case (state_q)
        Idle: if (job_valid_i) state_q <= Set;
        Set: if (bias_any) state_q <= Compare;
        Compare: state_q <= mine ? Reserve : Step;
        Reserve: if (reserve) state_q <= Room;
        Room: if (!chunk_credit_q[ChunkCredit-1] && !scale_credit_q[ScaleCredit-1]) state_q <= absent_q ? Note : Ask;
        Ask: if (run_ready_i) state_q <= Note;
        Note: if (tile_ready_i) state_q <= Step;
        Step: begin
          if (!set_end) state_q <= Compare;
          else begin
            bias_q  <= bias_q + 1'b1;
            state_q <= block_end & last_block ? Idle : Set;
          end
        end
        default: state_q <= Idle;
      endcase
    end
    if (job_ready_o) begin
      job_q    <= job_i;
      addr_q   <= job_i.address;
      phase_q  <= '0;
      absent_q <= 1'b0;
    end else if (state_q == Step) begin
      phase_q  <= set_end ? '0 : phase_q + 1'b1;
      addr_q   <= block_end ? job_q.address : addr_q + 64'(run_span_o) + 64'd1;
      absent_q <= ~block_end & (last_tile | absent_q);
    end
    // One adder each, to begin with and to go on.
    if (job_ready_o | (state_q == Step)) begin
      columns_q <= (job_ready_o ? {1'b0, job_i.n} : block_end ? {1'b0, job_q.n} : columns_q)
                 - 33'(job_ready_o | block_end ? Columns + 1 : Columns);
    end
    if (job_ready_o | (state_q == Step && block_end)) begin
      rows_q <= (job_ready_o ? {1'b0, job_i.m} : rows_q) + ~33'(job_ready_o ? job_i.block_rows : job_q.block_rows)
              + {32'd0, ~job_ready_o};
    end
  end

  logic unused_m;
  assign unused_m = ^job_q.m;

  `FPQ_ASSERT_STABLE(TileStable, tile_valid_o, tile_ready_i, tile_o)
  `FPQ_ASSERT_STABLE(RunStable, run_valid_o, run_ready_i, {run_addr_o, run_span_o})
  `FPQ_ASSERT(ChunkBound, state_q != Reserve || chunk_credit_q <= ChunkCredit'(ChunkDepth))
  `FPQ_ASSERT(ScaleBound, state_q != Reserve || scale_credit_q <= ScaleCredit'(ScaleDepth))

endmodule
