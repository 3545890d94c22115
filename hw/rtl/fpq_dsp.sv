// SPDX-License-Identifier: Apache-2.0
// One DSP slice, fully registered: p = addend + a * b, the addend being c, or the cascaded p of a neighbour shifted right by 17.
// c and cascade_i belong to the cycle after a and b (InputStages = 1), which is where the slice's own C register stands.

module fpq_dsp #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int InputStages = 1,  // registers of a and b: 1 or 2
  parameter bit Cascade = 1'b0,   // addend: 0: c_i, 1: cascade_i >>> 17, which is a neighbour's p_o one cycle earlier
  parameter int LowBits = 1       // low_zero_o tells whether so many low bits of p are zero
) (
  input  logic               clk_i,
  input  logic               enable_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic signed [47:0] c_i,
  input  logic signed [47:0] cascade_i,
  output logic signed [47:0] p_o,
  output logic               low_zero_o
);

  logic signed [24:0] a_q;
  logic signed [17:0] b_q;
  logic signed [42:0] m_q;

  if (InputStages == 2) begin : gen_two_stages
    logic signed [24:0] a_first_q;
    logic signed [17:0] b_first_q;

    always_ff @(posedge clk_i) begin
      if (enable_i) begin
        {a_first_q, b_first_q} <= {a_i, b_i};
        {a_q, b_q} <= {a_first_q, b_first_q};
      end
    end
  end else begin : gen_one_stage
    always_ff @(posedge clk_i) begin
      if (enable_i) {a_q, b_q} <= {a_i, b_i};
    end
  end

  logic signed [47:0] addend;

  if (Cascade) begin : gen_cascade
    assign addend = cascade_i >>> 17;
  end else begin : gen_c
    logic signed [47:0] c_q;

    always_ff @(posedge clk_i) begin
      if (enable_i) c_q <= c_i;
    end
    assign addend = c_q;
  end

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      m_q <= 43'(a_q) * 43'(b_q);
      p_o <= addend + 48'(m_q);
    end
  end

  assign low_zero_o = p_o[LowBits-1:0] == '0;

endmodule
