// SPDX-License-Identifier: Apache-2.0
// The command processor: reads descriptors, checks and plans them, and queues each unit's part of them.

`include "fpq_assert.svh"

module fpq_commands
  import fpq_core_pkg::*;
  import fpq_pkg::*;
#(
  parameter family_e Family = FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter int ActDepth = 1024,
  parameter int BusBits = 128,
  parameter int Banks = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  input  logic [63:0]         list_addr_i,
  input  logic [31:0]         count_i,
  input  logic                room_i,
  output logic                dispatch_o,
  // Reads of the list
  output logic                fetch_valid_o,
  input  logic                fetch_ready_i,
  output logic [63:0]         fetch_addr_o,
  output logic [TagWidth-1:0] fetch_tag_o,
  input  logic                beat_valid_i,
  input  logic [BusBits-1:0]  beat_data_i,
  input  logic                beat_error_i,
  // Jobs
  output logic                x_valid_o,
  input  logic                x_ready_i,
  output x_job_t              x_job_o,
  output logic [Banks-1:0]    w_valid_o,
  input  logic [Banks-1:0]    w_ready_i,
  output w_job_t [Banks-1:0]  w_job_o,
  output logic                issue_valid_o,
  input  logic                issue_ready_i,
  output issue_job_t          issue_job_o,
  output logic                store_valid_o,
  input  logic                store_ready_i,
  output store_job_t          store_job_o,
  // Faults
  output logic                refuse_o,
  output error_e              refuse_code_o,
  output logic [TagWidth-1:0] refuse_tag_o,
  output logic                error_o,
  output logic [TagWidth-1:0] error_tag_o
);

  localparam int HalfBits = DescriptorBytes * 4;

  logic command_valid, command_ready, command_rest;
  logic [HalfBits-1:0] command;
  logic [TagWidth-1:0] command_tag;

  fpq_fetch #(.BusBits(BusBits)) u_fetch (
    .clk_i, .rst_ni, .start_i, .list_addr_i, .count_i, .room_i,
    .fetch_valid_o, .fetch_ready_i, .fetch_addr_o, .fetch_tag_o, .beat_valid_i, .beat_data_i, .beat_error_i,
    .command_valid_o(command_valid), .command_ready_i(command_ready), .command_o(command),
    .command_rest_o(command_rest), .command_tag_o(command_tag), .error_o
  );
  assign error_tag_o = command_tag;

  logic x_valid, w_valid, issue_valid, store_valid, x_ready, issue_ready, store_ready, jobs_ready;
  logic [Banks-1:0] w_ready;
  x_job_t x_job;
  w_job_t w_job;
  issue_job_t issue_job;
  store_job_t store_job;

  fpq_plan #(
    .Family(Family), .Rows(Rows), .Columns(Columns), .Lanes(Lanes), .ActDepth(ActDepth), .BusBits(BusBits)
  ) u_plan (
    .clk_i, .rst_ni,
    .command_valid_i(command_valid), .command_ready_o(command_ready), .command_i(command),
    .command_rest_i(command_rest), .command_tag_i(command_tag),
    .x_valid_o(x_valid), .x_job_o(x_job), .w_valid_o(w_valid), .w_job_o(w_job),
    .issue_valid_o(issue_valid), .issue_job_o(issue_job), .store_valid_o(store_valid), .store_job_o(store_job),
    .jobs_ready_i(jobs_ready), .refuse_o, .refuse_code_o, .refuse_tag_o
  );

  // All queues take their part at once.
  assign jobs_ready = x_ready & (&w_ready) & issue_ready & store_ready;
  assign dispatch_o = command_ready;

  fpq_fifo #(.Width($bits(x_job_t)), .Depth(4)) u_x (
    .clk_i, .rst_ni, .valid_i(x_valid), .ready_o(x_ready), .data_i(x_job),
    .valid_o(x_valid_o), .ready_i(x_ready_i), .data_o(x_job_o)
  );
  for (genvar p = 0; p < Banks; p++) begin : gen_w
    fpq_fifo #(.Width($bits(w_job_t)), .Depth(4)) u_w (
      .clk_i, .rst_ni, .valid_i(w_valid), .ready_o(w_ready[p]), .data_i(w_job),
      .valid_o(w_valid_o[p]), .ready_i(w_ready_i[p]), .data_o(w_job_o[p])
    );
  end
  fpq_fifo #(.Width($bits(issue_job_t)), .Depth(4)) u_issue (
    .clk_i, .rst_ni, .valid_i(issue_valid), .ready_o(issue_ready), .data_i(issue_job),
    .valid_o(issue_valid_o), .ready_i(issue_ready_i), .data_o(issue_job_o)
  );
  fpq_fifo #(.Width($bits(store_job_t)), .Depth(4)) u_store (
    .clk_i, .rst_ni, .valid_i(store_valid), .ready_o(store_ready), .data_i(store_job),
    .valid_o(store_valid_o), .ready_i(store_ready_i), .data_o(store_job_o)
  );

endmodule
