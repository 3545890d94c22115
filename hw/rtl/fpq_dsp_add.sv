// SPDX-License-Identifier: Apache-2.0
// One DSP slice as four adders of 12 bits: p = a + b + cascade_i, or a + b + Offset in the first slice of a cascade, field by
// field. a_i and b_i are registered, p_o too: latency 2; cascade_i belongs to the cycle after a_i and b_i.

`include "fpq_assert.svh"

module fpq_dsp_add #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale,
  parameter bit First = 1'b0,               // of a cascade
  parameter logic [11:0] Offset = 12'h800   // in each field of the first slice
) (
  input  logic        clk_i,
  input  logic [47:0] a_i,
  input  logic [47:0] b_i,
  input  logic [47:0] cascade_i,
  output logic [47:0] cascade_o,  // p_o, on the wires between slices
  output logic [47:0] p_o
);

  `FPQ_REQUIRE(gen_bad_target, Target != fpq_bank_pkg::TargetSeries7,
               "fpq_dsp_add: a DSP48E1 has no fourth operand for the offset")

  if (Target == fpq_bank_pkg::TargetUltrascale) begin : gen_slice
    logic unused;

    fpq_dsp_slice #(
      .Target (Target),
      .OpMode (First ? 9'b10_000_11_11 : 9'b00_001_11_11),  // W = RND or 0, Z = 0 or PCIN, Y = C, X = A:B
      .UseMult("NONE"),
      .UseSimd("FOUR12"),
      .Rnd    ({4{Offset}})
    ) u_slice (
      .clk_i,
      .enable_i(1'b1),
      .a_i     (a_i[47:18]),
      .b_i     (a_i[17:0]),
      .c_i     (b_i),
      .cascade_i,
      .cascade_o,
      .p_o,
      .zero_o  (unused)
    );
  end else begin : gen_generic
    logic [47:0] a_q, b_q;

    always_ff @(posedge clk_i) begin
      {a_q, b_q} <= {a_i, b_i};
      for (int i = 0; i < 4; i++) begin
        p_o[12*i+:12] <= a_q[12*i+:12] + b_q[12*i+:12] + (First ? Offset : cascade_i[12*i+:12]);
      end
    end
    assign cascade_o = p_o;
  end

endmodule
