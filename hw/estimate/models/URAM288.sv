// SPDX-License-Identifier: Apache-2.0
// Simulation model of UltraRAM as synthesis uses it: 4,096 words of 72 bits, one clock, two ports, no registers before or behind
// the memory, no cascade, no errors. In a cycle port A comes before port B; a port that writes keeps its output. The nine write
// enables are of eight bits and, interleaved, of the parity bit on top that belongs to them.

module URAM288 #(
  parameter string BWE_MODE_A = "PARITY_INTERLEAVED",
  parameter string BWE_MODE_B = "PARITY_INTERLEAVED",
  parameter string EN_AUTO_SLEEP_MODE = "FALSE",
  parameter string IREG_PRE_A = "FALSE",
  parameter string IREG_PRE_B = "FALSE",
  parameter bit IS_CLK_INVERTED = 1'b0,
  parameter string OREG_A = "FALSE",
  parameter string OREG_B = "FALSE",
  parameter string RST_MODE_A = "SYNC",
  parameter string RST_MODE_B = "SYNC"
) (
  input  logic        CLK,
  input  logic        SLEEP,
  input  logic [22:0] ADDR_A,
  input  logic [22:0] ADDR_B,
  input  logic [8:0]  BWE_A,
  input  logic [8:0]  BWE_B,
  input  logic [71:0] DIN_A,
  input  logic [71:0] DIN_B,
  input  logic        EN_A,
  input  logic        EN_B,
  input  logic        RDB_WR_A,
  input  logic        RDB_WR_B,
  input  logic        RST_A,
  input  logic        RST_B,
  input  logic        INJECT_DBITERR_A,
  input  logic        INJECT_DBITERR_B,
  input  logic        INJECT_SBITERR_A,
  input  logic        INJECT_SBITERR_B,
  output logic [71:0] DOUT_A,
  output logic [71:0] DOUT_B
);

  if (IREG_PRE_A != "FALSE" || IREG_PRE_B != "FALSE" || OREG_A != "FALSE" || OREG_B != "FALSE" || IS_CLK_INVERTED ||
      EN_AUTO_SLEEP_MODE != "FALSE") begin : gen_not_foreseen
    $fatal(1, "URAM288: this model has no registers of its own, no sleep and no inverted clock");
  end

  logic [71:0] words [4096];

  initial begin
    for (int i = 0; i < 4096; i++) words[i] = '0;
  end

  function automatic logic [71:0] mask(string mode, logic [8:0] enables);
    for (int i = 0; i < 72; i++) begin
      mask[i] = mode == "PARITY_INDEPENDENT" ? enables[i/8] : enables[i < 64 ? i / 8 : i - 64];
    end
  endfunction

  // Port A goes first: what it writes port B sees in the same cycle.
  // verilog_lint: waive-start always-ff-non-blocking
  always_ff @(posedge CLK) begin
    if (EN_A) begin
      if (RDB_WR_A) begin
        words[ADDR_A[11:0]] = (words[ADDR_A[11:0]] & ~mask(BWE_MODE_A, BWE_A))
                              | (DIN_A & mask(BWE_MODE_A, BWE_A));
      end else DOUT_A <= words[ADDR_A[11:0]];
    end
    if (EN_B) begin
      if (RDB_WR_B) begin
        words[ADDR_B[11:0]] = (words[ADDR_B[11:0]] & ~mask(BWE_MODE_B, BWE_B))
                              | (DIN_B & mask(BWE_MODE_B, BWE_B));
      end else DOUT_B <= words[ADDR_B[11:0]];
    end
    if (RST_A) DOUT_A <= '0;
    if (RST_B) DOUT_B <= '0;
  end
  // verilog_lint: waive-stop always-ff-non-blocking

  logic unused;
  assign unused = ^{
    SLEEP, ADDR_A[22:12], ADDR_B[22:12], INJECT_DBITERR_A, INJECT_DBITERR_B, INJECT_SBITERR_A, INJECT_SBITERR_B
  };

endmodule
