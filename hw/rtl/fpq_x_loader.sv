// SPDX-License-Identifier: Apache-2.0
// Asks for the rows of X, job after job, as far ahead as the activation buffer has room.

`include "fpq_assert.svh"

module fpq_x_loader
  import fpq_core_pkg::*;
#(
  parameter int Rows = 4,
  parameter int ActDepth = 1024,
  localparam int CreditWidth = $clog2(ActDepth) + 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     job_valid_i,
  output logic                     job_ready_o,
  input  x_job_t                   job_i,
  input  logic [TagWidth-1:0]      retired_tag_i,  // the first command whose writes are not all complete
  // The multiplier has done with a row tile of so many chunks.
  input  logic                     free_valid_i,
  input  logic [ChunkWidth-1:0]    free_chunks_i,
  // The form of the job's rows, before the first of them.
  output logic                     form_valid_o,
  input  logic                     form_ready_i,
  output x_job_t                   form_o,
  // Rows to read.
  output logic                     row_valid_o,
  input  logic                     row_ready_i,
  output logic [63:0]              row_addr_o,
  output logic [RowBytesWidth-1:0] row_span_o,      // its bytes, less 1
  output logic [TagWidth-1:0]      row_tag_o
);

  localparam int RowLog2 = Rows > 1 ? $clog2(Rows) : 1;
  localparam logic [RowLog2:0] TileRows = (RowLog2 + 1)'(Rows - 2);

  typedef enum logic [2:0] {
    Idle,     // no job
    Form,     // waiting for the fence, then telling the prologue
    Check,    // is there room for a row tile?
    Reserve,
    Read      // its rows
  } state_e;

  state_e state_q;
  x_job_t job_q;
  logic [63:0] addr_q;
  logic [32:0] left_q;               // rows of the job from this one on, less 2: the sign tells of the last
  logic [RowLog2:0] rows_q;          // rows of the tile from this one on, less 2: likewise
  logic [CreditWidth-1:0] credit_q;  // free entries of the activation buffer
  logic [CreditWidth-1:0] credit_change;
  logic room_q, open_q, reserve, row_taken, tile_end, job_end;  // open_q: the fence is passed

  assign job_ready_o  = state_q == Idle;
  assign form_valid_o = state_q == Form && open_q;
  assign form_o       = job_q;
  assign row_valid_o  = state_q == Read;
  assign row_addr_o   = addr_q;
  assign row_tag_o    = job_q.tag;
  assign row_taken    = row_valid_o & row_ready_i;
  assign tile_end     = rows_q[RowLog2];
  assign job_end      = left_q[32];

  // Entries come back at any time; they are handed out in the other cycles.
  assign reserve = state_q == Reserve && !free_valid_i;
  assign credit_change = free_valid_i ? CreditWidth'(free_chunks_i) : ~CreditWidth'(job_q.chunks);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) credit_q <= CreditWidth'(ActDepth);
    else if (free_valid_i | reserve) credit_q <= credit_q + credit_change + {{CreditWidth-1{1'b0}}, ~free_valid_i};
    room_q <= credit_q >= CreditWidth'(job_q.chunks);
    row_span_o <= {job_q.k, 1'b0} - 1'b1;  // long there when the job's first row is read
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: if (job_valid_i) state_q <= Form;
        Form: if (form_valid_o && form_ready_i) state_q <= Check;
        Check: if (room_q) state_q <= Reserve;
        Reserve: if (reserve) state_q <= Read;
        Read: begin
          if (row_taken && job_end) state_q <= Idle;
          else if (row_taken && tile_end) state_q <= Check;
        end
        default: state_q <= Idle;
      endcase
    end
    if (job_ready_o) begin
      job_q  <= job_i;
      addr_q <= job_i.address;
      rows_q <= TileRows;
    end else if (row_taken) begin
      addr_q <= addr_q + 64'(job_q.stride);
      rows_q <= tile_end ? TileRows : rows_q - 1'b1;
    end
    // The tag stays there until this command's own writes are complete.
    open_q <= job_ready_o ? !job_i.fence : open_q | (retired_tag_i == job_q.tag);
    if (job_ready_o | row_taken) left_q <= (job_ready_o ? {1'b0, job_i.m} : left_q) - (job_ready_o ? 33'd2 : 33'd1);
  end

  `FPQ_ASSERT_STABLE(FormStable, form_valid_o, form_ready_i, form_o)
  `FPQ_ASSERT_STABLE(RowStable, row_valid_o, row_ready_i, {row_addr_o, row_span_o})
  `FPQ_ASSERT(CreditBound, credit_q <= CreditWidth'(ActDepth))

endmodule
