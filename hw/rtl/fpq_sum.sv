// SPDX-License-Identifier: Apache-2.0
// Adds `Count` unsigned operands and as many bits of weight one, three operands and two bits an adder, a level of adders a
// cycle, down to two operands and two bits: the caller's adder takes those. Latency tree_levels(Count).

module fpq_sum #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int Count = 32,
  parameter int Ones = Count,
  parameter int Largest = 511,  // of an operand
  parameter bit InvertTop = 0,  // the operands' top bits come complemented
  localparam int Width = $clog2(Largest + 1),
  localparam int ResultWidth = fpq_bank_pkg::tree_width(Count, Largest)
) (
  input  logic                     clk_i,
  input  logic [Count*Width-1:0]   operands_i,
  input  logic [Ones-1:0]          ones_i,
  output logic [2*ResultWidth-1:0] operands_o,
  output logic [1:0]               ones_o
);

  if (Count == 2) begin : gen_done
    assign operands_o = operands_i;
    assign ones_o     = ones_i;
  end else begin : gen_level
    localparam int Adders = Count / 3;
    localparam int Left = Count % 3;
    localparam int NextCount = Adders + Left;
    localparam int NextOnes = Ones - 2 * Adders;
    localparam int NextLargest = 3 * Largest + 2;
    localparam int NextWidth = $clog2(NextLargest + 1);

    logic [NextCount*NextWidth-1:0] sums, sums_q;
    logic [NextOnes-1:0] ones_q;

    for (genvar i = 0; i < Adders; i++) begin : gen_adders
      fpq_add3 #(
        .Target  (Target),
        .Width   (Width),
        .SumWidth(NextWidth),
        .InvertTop(InvertTop)
      ) u_add (
        .x_i    (operands_i[(3*i)*Width+:Width]),
        .y_i    (operands_i[(3*i+1)*Width+:Width]),
        .z_i    (operands_i[(3*i+2)*Width+:Width]),
        .clear_i(1'b0),
        .ones_i (ones_i[2*i+:2]),
        .sum_o  (sums[i*NextWidth+:NextWidth])
      );
    end
    for (genvar i = 0; i < Left; i++) begin : gen_left
      assign sums[(Adders+i)*NextWidth+:NextWidth] =
          NextWidth'(operands_i[(3*Adders+i)*Width+:Width] ^ {1'(InvertTop), {(Width - 1) {1'b0}}});
    end

    always_ff @(posedge clk_i) begin
      sums_q <= sums;
      ones_q <= ones_i[Ones-1:2*Adders];
    end

    fpq_sum #(
      .Target (Target),
      .Count  (NextCount),
      .Ones   (NextOnes),
      .Largest(NextLargest)
    ) u_next (
      .clk_i,
      .operands_i(sums_q),
      .ones_i    (ones_q),
      .operands_o,
      .ones_o
    );
  end

endmodule
