// SPDX-License-Identifier: Apache-2.0
// One DSP slice, fully registered: p = addend + a * b, the addend being c, or the cascaded p of a neighbour shifted right by 17.
// c and cascade_i belong to the cycle after a and b (InputStages = 1), which is where the slice's own C register stands.

module fpq_dsp #(
  parameter fpq_bank_pkg::target_e Target = fpq_bank_pkg::DefaultTarget,
  parameter int InputStages = 1,  // registers of a and b: 1 or 2
  parameter bit Cascade = 1'b0,   // addend: 0: c_i; 1: cascade_i >>> 17, where cascade_i is a neighbour's cascade_o
  parameter int LowBits = 1       // low_zero_o tells whether so many low bits of p are zero
) (
  input  logic               clk_i,
  input  logic               enable_i,
  input  logic signed [24:0] a_i,
  input  logic signed [17:0] b_i,
  input  logic signed [47:0] c_i,
  input  logic signed [47:0] cascade_i,
  output logic signed [47:0] cascade_o,  // p_o, on the wires between slices
  output logic signed [47:0] p_o,
  output logic               low_zero_o
);

  localparam logic [47:0] Ignored = ~((48'd1 << LowBits) - 48'd1);

  if (Target != fpq_bank_pkg::TargetGeneric) begin : gen_slice
    fpq_dsp_slice #(
      .Target          (Target),
      .InputStages     (InputStages),
      .OpMode          (Cascade ? 9'b00_101_01_01 : 9'b00_011_01_01),  // W = 0, Z = PCIN >> 17 or C, Y and X = product
      .UsePatternDetect("PATDET"),
      .Mask            (Ignored)
    ) u_slice (
      .clk_i,
      .enable_i,
      .a_i      (30'(a_i)),
      .b_i      (b_i),
      .c_i      (c_i),
      .cascade_i(cascade_i),
      .cascade_o(cascade_o),
      .p_o      (p_o),
      .zero_o   (low_zero_o)
    );
  end else begin : gen_generic
    logic signed [24:0] a_q;
    logic signed [17:0] b_q;
    logic signed [42:0] m_q;
    logic signed [47:0] addend;

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

    assign cascade_o  = p_o;
    assign low_zero_o = (p_o & ~Ignored) == '0;
  end

endmodule
