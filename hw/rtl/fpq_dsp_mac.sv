// SPDX-License-Identifier: Apache-2.0
// One DSP slice in a cascade: p = cascade_i + a * b, of 25 and 18 bits. Latency 3; cascade_i belongs two cycles after a_i and b_i.

module fpq_dsp_mac #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::TargetUltrascale,
  parameter bit First = 1'b0  // of a cascade: p = a * b
) (
  input  logic               clk_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic signed [47:0] cascade_i,
  output logic signed [47:0] cascade_o,  // p_o, on the wires between slices
  output logic signed [47:0] p_o
);

  if (Target != fpq_bank_pkg::TargetGeneric) begin : gen_slice
    logic unused;

    fpq_dsp_slice #(
      .Target(Target),
      .OpMode(First ? 9'b00_000_01_01 : 9'b00_001_01_01)  // W = 0, Z = 0 or PCIN, Y and X = product
    ) u_slice (
      .clk_i,
      .enable_i(1'b1),
      .a_i     (30'(a_i)),
      .b_i      (b_i),
      .c_i     ('0),
      .cascade_i(cascade_i),
      .cascade_o(cascade_o),
      .p_o      (p_o),
      .zero_o  (unused)
    );
  end else begin : gen_generic
    logic signed [24:0] a_q;
    logic signed [17:0] b_q;
    logic signed [42:0] m_q;

    always_ff @(posedge clk_i) begin
      {a_q, b_q} <= {a_i, b_i};
      m_q <= 43'(a_q) * 43'(b_q);
      p_o <= (First ? 48'sd0 : cascade_i) + 48'(m_q);
    end
    assign cascade_o = p_o;
  end

endmodule
