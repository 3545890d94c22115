// SPDX-License-Identifier: Apache-2.0
// Starts and ends a run. It ends when the last command is complete, or when every command before a refused or failed one
// is. Then the memory masters are stopped, their open bursts are waited for, and the whole core is reset: after an error
// nothing is left for the next run to stumble over.

`include "fpq_assert.svh"

module fpq_run
  import fpq_core_pkg::*;
  import fpq_pkg::*;
#(
  parameter int Banks = 1
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  logic                            start_i,      // one cycle
  input  logic [63:0]                     list_addr_i,
  input  logic [31:0]                     count_i,
  output logic                            busy_o,
  output logic                            done_o,       // one cycle
  // The core
  output logic                            core_rst_no,
  output logic                            fetch_start_o,
  output logic                            stop_o,       // begin no burst
  input  logic                            idle_i,       // no burst is under way
  input  logic                            dispatch_i,   // a command goes to the units
  output logic                            room_o,       // another may
  input  logic                            retire_i,     // a command is complete
  output logic [TagWidth-1:0]             retired_tag_o,
  // Refused commands and failed reads (each says so once, or as long as it lasts) and writes (of the oldest command)
  input  logic                            refuse_i,
  input  error_e                          refuse_code_i,
  input  logic [TagWidth-1:0]             refuse_tag_i,
  input  logic                            fetch_error_i,
  input  logic [TagWidth-1:0]             fetch_tag_i,
  input  logic                            x_error_i,
  input  logic [TagWidth-1:0]             x_error_tag_i,
  input  logic [Banks-1:0]                w_error_i,
  input  logic [Banks-1:0][TagWidth-1:0]  w_error_tag_i,
  input  logic                            y_error_i,
  input  logic                            overflow_i,
  input  logic [TagWidth-1:0]             overflow_tag_i,
  input  logic                            nonfinite_i,
  input  logic [TagWidth-1:0]             nonfinite_tag_i,
  // Registers
  output error_e                          status_o,
  output logic [31:0]                     error_index_o,
  output logic [31:0]                     flags_o,
  output logic [31:0]                     overflow_index_o,
  output logic [31:0]                     nonfinite_index_o
);

  // Longer than anything in the core takes to run empty.
  localparam int FlushCycles = 64;

  typedef enum logic [2:0] {
    Flush,
    Idle,
    Busy,
    Stop,   // until no burst can begin
    Drain,
    Done
  } state_e;

  state_e state_q;
  logic running_q;                              // a run is on, so Flush ends in Done
  logic flush_q, idle_q;
  logic [$clog2(FlushCycles)-1:0] wait_q;
  logic retire_q;                               // a cycle later, for the counts
  logic [31:0] retired_q;                       // commands that are complete
  logic [32:0] left_q;                          // those that are not, less 1: the sign tells that none is left
  logic [TagWidth-1:0] after_q;                 // the tag after retired_tag_o
  logic [TagWidth-1:0] under_way_q;

  assign room_o = under_way_q < TagWidth'(2 ** WindowLog2);

  // Sources of failed reads, each with the first (so the lowest) command that it failed for.
  localparam int Sources = Banks + 1;
  logic [Sources-1:0] source_error_q, failed_q;
  logic [Sources-1:0][TagWidth-1:0] source_tag_q, tag_q;

  always_ff @(posedge clk_i) begin
    source_error_q <= {Sources{core_rst_no}} & {w_error_i, x_error_i};
    source_tag_q   <= {w_error_tag_i, x_error_tag_i};
    for (int i = 0; i < Sources; i++) begin
      if (!core_rst_no) failed_q[i] <= 1'b0;
      else if (source_error_q[i]) failed_q[i] <= 1'b1;
      if (!failed_q[i]) tag_q[i] <= source_tag_q[i];
    end
  end

  // It is the oldest command's turn to fail: then it does not retire. Whose turn it is is found a cycle ahead, for the
  // command that is the oldest then; what failed to be read or was refused is known long before it could retire.
  function automatic logic turn(logic error, logic [TagWidth-1:0] tag, logic next, logic [TagWidth-1:0] oldest,
                                logic [TagWidth-1:0] after);
    return error && (next ? same(tag, after) : same(tag, oldest));
  endfunction

  // Half by half: a LUT each.
  function automatic logic same(logic [TagWidth-1:0] a, logic [TagWidth-1:0] b);
    return (a[TagWidth-1:TagWidth/2] == b[TagWidth-1:TagWidth/2]) & (a[TagWidth/2-1:0] == b[TagWidth/2-1:0]);
  endfunction

  logic [Sources:0] read_turn_q;  // the last is the command list's
  logic refuse_turn_q, read_error, fault, fault_q, retire;
  error_e code_q;

  assign read_error = |read_turn_q;
  assign fault = refuse_turn_q | read_error | y_error_i;
  assign retire = retire_i & ~fault & ~fault_q;  // fault_q: the turns are those after a retirement that was none

  always_ff @(posedge clk_i) begin
    for (int i = 0; i < Sources; i++) read_turn_q[i] <= turn(failed_q[i], tag_q[i], retire_i, retired_tag_o, after_q);
    read_turn_q[Sources] <= turn(fetch_error_i, fetch_tag_i, retire_i, retired_tag_o, after_q);
    refuse_turn_q        <= turn(refuse_i, refuse_tag_i, retire_i, retired_tag_o, after_q);
    fault_q  <= core_rst_no & fault;
    retire_q <= retire && state_q == Busy;
    code_q   <= y_error_i ? ErrWrite : read_error ? ErrRead : refuse_code_i;
  end

  // The registers are written before the run is started.
  logic list_bad_q, list_empty_q;

  always_ff @(posedge clk_i) begin
    list_bad_q   <= list_addr_i[$clog2(SectionBytes)-1:0] != '0;
    list_empty_q <= count_i == '0;
    if (state_q == Idle || retire_q) begin
      left_q <= (state_q == Idle ? {1'b0, count_i} : left_q) - 1'b1;
    end
    fetch_start_o <= 1'b0;
    flush_q       <= state_q == Flush;
    idle_q        <= idle_i;  // long after the last burst could begin
    stop_o        <= state_q == Stop || state_q == Drain;
    if (!rst_ni) begin
      state_q   <= Flush;
      running_q <= 1'b0;
      wait_q    <= '0;
      flush_q   <= 1'b1;
      status_o    <= ErrOk;
      error_index_o <= '0;
    end else begin
      wait_q <= wait_q + 1'b1;
      unique case (state_q)
        Flush: if (&wait_q) state_q <= running_q ? Done : Idle;
        Idle: if (start_i) begin
          running_q     <= 1'b1;
          status_o      <= ErrOk;
          error_index_o <= '0;
          if (list_empty_q) state_q <= Done;
          else if (list_bad_q) begin
            state_q  <= Done;
            status_o <= ErrAlignment;
          end else begin
            state_q <= Busy;
            fetch_start_o <= 1'b1;
          end
        end
        Busy: begin
          wait_q <= '0;
          if (fault_q) begin
            state_q <= Stop;
            status_o <= code_q;
            error_index_o <= retired_q;
          end else if (left_q[32]) begin
            state_q <= Stop;
          end
        end
        Stop: if (wait_q[3]) state_q <= Drain;
        Drain: begin
          wait_q <= '0;
          if (idle_q) state_q <= Flush;
        end
        Done: begin
          state_q   <= Idle;
          running_q <= 1'b0;
        end
        default: state_q <= Flush;
      endcase
    end
  end

  assign core_rst_no = rst_ni & ~flush_q;
  assign busy_o = running_q;
  assign done_o = state_q == Done;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || state_q == Idle) begin
      retired_q   <= '0;
      retired_tag_o <= '0;
      after_q     <= TagWidth'(1);
      under_way_q <= '0;
    end else if (state_q == Busy) begin
      if (retire) begin
        retired_tag_o <= after_q;
        after_q       <= after_q + 1'b1;
      end
      if (retire_q) retired_q <= retired_q + 1'b1;
      if (dispatch_i ^ retire_q) under_way_q <= under_way_q + (dispatch_i ? TagWidth'(1) : '1);
    end
  end

  // Sticky flags, with the first command that raised them: its index is the tag below the oldest command's upper bits, or
  // these and 1 where the tag has wrapped, which is where the oldest one's tag and the complement of it carry.
  logic [31:0] overflow_index, nonfinite_index;
  assign overflow_index  = retired_q + {{32-TagWidth{1'b0}}, ~overflow_tag_i};
  assign nonfinite_index = retired_q + {{32-TagWidth{1'b0}}, ~nonfinite_tag_i};

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (state_q == Idle && start_i)) begin
      flags_o <= '0;
      overflow_index_o  <= '0;
      nonfinite_index_o <= '0;
    end else if (state_q == Busy) begin
      if (overflow_i && !flags_o[EngineFlagOverflow]) begin
        flags_o[EngineFlagOverflow] <= 1'b1;
        overflow_index_o <= {overflow_index[31:TagWidth], overflow_tag_i};
      end
      if (nonfinite_i && !flags_o[EngineFlagNonfinite]) begin
        flags_o[EngineFlagNonfinite] <= 1'b1;
        nonfinite_index_o <= {nonfinite_index[31:TagWidth], nonfinite_tag_i};
      end
    end
  end

  logic unused;
  assign unused = ^{list_addr_i[63:$clog2(SectionBytes)], overflow_index[TagWidth-1:0], nonfinite_index[TagWidth-1:0]};

  `FPQ_ASSERT(RetireBusy, !retire_i || state_q != Idle)
  `FPQ_ASSERT(Window, under_way_q <= TagWidth'(2 ** WindowLog2))

endmodule
