// SPDX-License-Identifier: Apache-2.0
// The 128-point Walsh-Hadamard transform in natural order, unnormalised and exact, of a stream of words: align (contract 1.4),
// then seven stages of add and subtract. A block must come without a gap. Latency: 128 / Words + 10 cycles.

module fpq_hadamard #(
  parameter int Words = 8,
  localparam int OutWidth = 23
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      valid_i,
  input  logic                      first_i,     // the first word of a block
  input  logic [Words*16-1:0]       data_i,      // finite FP16
  input  logic [4:0]                exponent_i,  // the block's largest
  output logic                      valid_o,
  output logic [Words*OutWidth-1:0] data_o       // two's complement
);

  localparam int NearStages = $clog2(Words);
  localparam int FarStages = 7 - NearStages;
  localparam int Latency = 128 / Words + 10;

  logic [Latency-1:0] valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Latency-2:0], valid_i};
  end
  assign valid_o = valid_q[Latency-1];

  // Stage s takes Words values of 16 + s bits from the bottom of level[s].
  logic [Words*OutWidth-1:0] level [8];
  logic [3:0] aligned_first_q;
  logic [FarStages:0] first;

  for (genvar i = 0; i < Words; i++) begin : gen_align
    fpq_align u_align (.clk_i, .x_i(data_i[i*16 +: 16]), .exponent_i, .q_o(level[0][i*16 +: 16]));
  end
  assign level[0][Words*OutWidth-1:Words*16] = '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) aligned_first_q <= '0;
    else aligned_first_q <= {aligned_first_q[2:0], valid_i & first_i};
  end
  assign first[0] = aligned_first_q[3];

  for (genvar s = 0; s < 7; s++) begin : gen_stage
    if (s < FarStages) begin : gen_far  // far stages first: their delay lines are narrower there
      fpq_hadamard_far #(.Words(Words), .Width(16 + s), .Distance(64 / Words >> s)) u_far (
        .clk_i, .rst_ni, .first_i(first[s]), .data_i(level[s][Words*(16+s)-1:0]),
        .first_o(first[s+1]), .data_o(level[s+1][Words*(17+s)-1:0])
      );
    end else begin : gen_near
      fpq_hadamard_near #(.Words(Words), .Width(16 + s), .Distance(64 >> s)) u_near (
        .clk_i, .data_i(level[s][Words*(16+s)-1:0]), .data_o(level[s+1][Words*(17+s)-1:0])
      );
    end
    if (s < 6) begin : gen_rest
      assign level[s+1][Words*OutWidth-1:Words*(17+s)] = '0;
    end
  end

  assign data_o = level[7];

  logic unused_first;
  assign unused_first = first[FarStages];

endmodule
