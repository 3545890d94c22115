// SPDX-License-Identifier: Apache-2.0
// What a run did: cycles and beats since its start.

module fpq_counters #(
  parameter int Readers = 2,   // read masters
  parameter int Width = 48     // bits of a counter: ten days at 300 MHz
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               clear_i,
  input  logic               busy_i,
  input  logic               compute_i,
  input  logic               load_stall_i,
  input  logic               store_stall_i,
  input  logic [Readers-1:0] read_beat_i,
  input  logic               write_beat_i,
  output logic [63:0]        busy_o,
  output logic [63:0]        compute_o,
  output logic [63:0]        load_stall_o,
  output logic [63:0]        store_stall_o,
  output logic [63:0]        read_beats_o,
  output logic [63:0]        write_beats_o
);

  localparam int Counters = 6;
  localparam int SumWidth = $clog2(Readers + 1);

  logic [SumWidth-1:0] read_sum, read_sum_q;
  logic [Counters-2:0] step_q;
  logic [Counters-1:0][Width-1:0] count_q;

  always_comb begin
    read_sum = '0;
    for (int i = 0; i < Readers; i++) read_sum += SumWidth'(read_beat_i[i]);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      step_q     <= '0;
      read_sum_q <= '0;
      count_q    <= '0;
    end else begin
      step_q <= {write_beat_i, store_stall_i & busy_i, load_stall_i & busy_i, compute_i, busy_i};
      read_sum_q <= read_sum;
      for (int i = 0; i < Counters - 1; i++) count_q[i] <= count_q[i] + Width'(step_q[i]);
      count_q[Counters-1] <= count_q[Counters-1] + Width'(read_sum_q);
    end
  end

  assign busy_o        = 64'(count_q[0]);
  assign compute_o     = 64'(count_q[1]);
  assign load_stall_o  = 64'(count_q[2]);
  assign store_stall_o = 64'(count_q[3]);
  assign write_beats_o = 64'(count_q[4]);
  assign read_beats_o  = 64'(count_q[5]);

endmodule
