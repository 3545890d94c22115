// SPDX-License-Identifier: Apache-2.0
// One stage of the Walsh-Hadamard transform between elements of the same word. One cycle.

module fpq_hadamard_near #(
  parameter int Words = 8,
  parameter int Width = 16,
  parameter int Distance = 1  // between the two elements of a pair
) (
  input  logic                       clk_i,
  input  logic [Words*Width-1:0]     data_i,
  output logic [Words*(Width+1)-1:0] data_o
);

  for (genvar i = 0; i < Words; i++) begin : gen_pair
    if ((i / Distance) % 2 == 0) begin : gen_sum_difference
      logic signed [Width-1:0] a, b;
      assign a = data_i[i*Width +: Width];
      assign b = data_i[(i+Distance)*Width +: Width];
      always_ff @(posedge clk_i) begin
        data_o[i*(Width+1) +: Width+1]            <= {a[Width-1], a} + {b[Width-1], b};
        data_o[(i+Distance)*(Width+1) +: Width+1] <= {a[Width-1], a} - {b[Width-1], b};
      end
    end
  end

endmodule
