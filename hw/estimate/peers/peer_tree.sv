// SPDX-License-Identifier: Apache-2.0
// A plain tree of two-operand adders, a register a level: the sum of Count signed numbers. Latency log2(Count).

module peer_tree #(
  parameter int Count = 32,  // a power of two
  parameter int Width = 9,
  localparam int SumWidth = Width + $clog2(Count)
) (
  input  logic                       clk_i,
  input  logic [Count*Width-1:0]     operands_i,
  output logic signed [SumWidth-1:0] sum_o
);

  if (Count == 1) begin : gen_done
    assign sum_o = operands_i;
  end else begin : gen_level
    logic [Count/2*(Width+1)-1:0] sums_q;

    always_ff @(posedge clk_i) begin
      for (int i = 0; i < Count / 2; i++) begin
        sums_q[i*(Width+1)+:Width+1] <= $signed(operands_i[2*i*Width+:Width]) +
                                        $signed(operands_i[(2*i+1)*Width+:Width]);
      end
    end

    peer_tree #(
      .Count(Count / 2),
      .Width(Width + 1)
    ) u_next (
      .clk_i,
      .operands_i(sums_q),
      .sum_o
    );
  end

endmodule
