// SPDX-License-Identifier: Apache-2.0
// What the modules of a bank agree on: the internal float, the widths of a family, the latencies.

// No one module uses all of it.
// verilator lint_off UNUSEDPARAM
package fpq_bank_pkg;

  // Which description of a module is built: behaviour, for any tool and for fast simulation, or the primitives of a device.
  typedef enum logic [1:0] {
    TargetGeneric = 2'd0,
    TargetUltrascale = 2'd1,  // UltraScale and UltraScale+: LUT6_2, CARRY8, RAM32M16, DSP48E2
    TargetSeries7 = 2'd2      // LUT6_2, CARRY4, RAM32M, DSP48E1
  } target_e;

`ifdef FPQ_ULTRASCALE
  localparam target_e DefaultTarget = TargetUltrascale;
`elsif FPQ_SERIES7
  localparam target_e DefaultTarget = TargetSeries7;
`else
  localparam target_e DefaultTarget = TargetGeneric;
`endif

  // The float inside a bank: significand * 2^(exponent - ExponentBias), the significand in two's complement with
  // 2^23 <= |significand| <= 2^24, or both fields zero. Two's complement needs no sign logic: rounding to nearest even is
  // the same for it. The exponent spans every sum that the contract allows: 2^-54 to 2^61, or zero.
  localparam int SignificandBits = 25;
  localparam int ExponentBits = 7;
  localparam int ExponentBias = 79;

  typedef struct packed {
    logic [ExponentBits-1:0]           exponent;
    logic signed [SignificandBits-1:0] significand;
  } float_t;

  // An FP16 scale, normalised: significand * 2^(exponent - ScaleBias), significand >= 2^10, or zero.
  localparam int ScaleBias = 34;

  typedef struct packed {
    logic        zero;
    logic [5:0]  exponent;
    logic [10:0] significand;
  } scale_t;

  // Cycles from operands to result, without a stall.
  localparam int DspLatency = 3;
  localparam int NormalizeLatency = 3 + DspLatency;
  localparam int AddLatency = 4 + DspLatency + NormalizeLatency;
  localparam int ScaleLatency = 2;
  localparam int Fp16Latency = 5;

  // Fewest cycles between the ends of two group passes of one accumulator slot: read, add, write.
  localparam int SlotSpacing = AddLatency + 2;

  // A bank tells so many cycles ahead that a slot may take its next sum: fpq_issue takes no fewer from hearing of a free slot
  // to the end of a pass at the bank. So its way does not add to SlotSpacing.
  localparam int AnswerLead = 7;

  // Bits of a bias entry's number. An entry is kept from the reading of a tile's weights to the end of its outputs, so weights
  // are at most so many tiles ahead; two columns' parts of 16 fill a LUTRAM's 32 words.
  localparam int BiasWidth = 4;

  // An FP4 array's products are added by DSP slices where there are enough of them, else by LUTs.
  function automatic bit adds_in_dsp(target_e target);
    return target == TargetUltrascale;
  endfunction

  localparam int Fp4ClassBits = 13;  // classes and sign of a recoded FP4 operand
  localparam int Fp6UnitBits = 7;     // an FP6 operand as an integer
  localparam int Fp6TripleBits = 15;  // as a sign, three times its magnitude, and its magnitude

  // fpq_dot_fp4_dsp: slices of a cascade, of 8 lanes each; the slice of a lane; cycles from the first slice's recoded operands
  // to the accumulator's.
  localparam int DspStages = 4;

  function automatic int dsp_stage(int lane);
    return lane % 32 / 8;
  endfunction

  function automatic int dot_dsp_cycles(int lanes);
    return 1 + DspStages + tree_levels(lanes / 8) + 1;
  endfunction

  // fpq_array_fp4: cycles from a chunk to the accumulators' operands; recoding takes the first two.
  function automatic int fp4_sum_cycle(target_e target, int lanes);
    return 2 + (adds_in_dsp(target) ? dot_dsp_cycles(lanes) : 1 + tree_levels(lanes));
  endfunction

  // fpq_dot_fp6_dsp: lanes of a cascade, a slice each; cycles from lane 0's operands to the accumulators'.
  localparam int Fp6Cascade = 32;

  function automatic int fp6_dot_cycles(int lanes);
    return Fp6Cascade + 2 + (lanes / Fp6Cascade > 2 ? 1 : 0);
  endfunction

  // fpq_array_fp6_dsp, fpq_array_fp6_lut: cycles from a chunk to the accumulators' operands.
  function automatic int fp6_dsp_sum_cycle(int lanes);
    return 1 + fp6_dot_cycles(lanes);
  endfunction

  function automatic int fp6_lut_sum_cycle(int lanes);
    return 2 + 3 + tree_levels(lanes);
  endfunction

  // What an FP6 array is multiplied by, where nothing else is asked for.
  localparam bit DefaultFp6Dsp = DefaultTarget == TargetUltrascale;

  // Which arrays are built of a device's primitives; the others are behaviour.
  function automatic bit is_mapped(target_e target, fpq_pkg::family_e family);
    return target != TargetGeneric && (family == fpq_pkg::FamilyFp4 || family == fpq_pkg::FamilyFp6);
  endfunction

  // fpq_operands: bits of an activation as the dot units take it.
  function automatic int operand_bits(target_e target, fpq_pkg::family_e family, bit fp6_dsp);
    if (!is_mapped(target, family)) return code_bits(family);
    if (family == fpq_pkg::FamilyFp4) return Fp4ClassBits;
    return fp6_dsp ? Fp6UnitBits : Fp6TripleBits;
  endfunction

  // fpq_array: cycles from the last chunk to the group's sums. fp6_dsp: an FP6 array is made of DSP slices, else of LUTs.
  function automatic int array_latency(target_e target, fpq_pkg::family_e family, int lanes, bit fp6_dsp);
    if (!is_mapped(target, family)) return 4;
    if (family == fpq_pkg::FamilyFp4) return 2 + fp4_sum_cycle(target, lanes);
    return 2 + (fp6_dsp ? fp6_dsp_sum_cycle(lanes) : fp6_lut_sum_cycle(lanes));
  endfunction

  // Bits of a group's sum: of MaxK products of the largest magnitudes.
  function automatic int sum_bits(fpq_pkg::family_e family);
    unique case (family)
      fpq_pkg::FamilyFp4, fpq_pkg::FamilyInt4: return 22;  // 144 * 9216 < 2^21
      fpq_pkg::FamilyFp6: return 26;                       // 3600 * 9216 < 2^25
      default: return 29;                                  // 16384 * 9216 < 2^28
    endcase
  endfunction

  // fpq_term: cycle of the normalised sum, cycle of the scales, latency.
  function automatic int term_normal_latency(fpq_pkg::family_e family);
    return NormalizeLatency + (sum_bits(family) > 25 ? 2 : 0);
  endfunction

  function automatic int term_scale_delay(fpq_pkg::family_e family);
    return term_normal_latency(family) - DspLatency;
  endfunction

  function automatic int term_latency(fpq_pkg::family_e family);
    return term_normal_latency(family) + DspLatency + 4;
  endfunction

  // Bits of a family's codes.
  function automatic int code_bits(fpq_pkg::family_e family);
    return fpq_pkg::format_bits(fpq_pkg::family_weights(family));
  endfunction

  // log2 of the product's unit, for plain activations and positive halves, or for negative halves.
  function automatic int unit_log2(fpq_pkg::family_e family, bit negative);
    automatic fpq_pkg::format_e weights = fpq_pkg::family_weights(family);
    automatic fpq_pkg::format_e activations =
        negative && fpq_pkg::family_has_dual(family) ? fpq_pkg::family_dual(family) : weights;
    return fpq_pkg::unit_log2(activations, negative) + fpq_pkg::unit_log2(weights, 1'b0);
  endfunction

  // What a pass counts: everything, or one sign of a dual format.
  typedef enum logic [1:0] {
    PassPlain = 2'd0,
    PassPositive = 2'd1,
    PassNegative = 2'd2
  } pass_e;

  function automatic pass_e pass_of(logic dual, logic negative);
    return !dual ? PassPlain : negative ? PassNegative : PassPositive;
  endfunction

  // The integer that a code of an activation stands for in a pass, in units; weights are as in a plain pass.
  function automatic int signed code_units(fpq_pkg::family_e family, pass_e pass, int unsigned code);
    automatic fpq_pkg::format_e fmt =
        pass == PassPlain ? fpq_pkg::family_weights(family) : fpq_pkg::family_dual(family);
    automatic int unsigned top = 32'd1 << (code_bits(family) - 1);
    automatic bit negative = code >= top;
    automatic int unsigned index = negative ? code - top : code;
    if (pass != PassPlain && !fpq_pkg::family_has_dual(family)) return 0;  // no such pass, and no such format
    if (fpq_pkg::format_is_integer(fmt)) return negative ? int'(index) - int'(top) : int'(index);
    if (pass == (negative ? PassPositive : PassNegative)) return 0;
    if (negative) return -int'(fpq_pkg::magnitude(fmt, 1'b1, index + fpq_pkg::negative_offset(fmt)));
    return int'(fpq_pkg::magnitude(fmt, 1'b0, index));
  endfunction

  // fpq_sum: levels of three-operand adders from `count` operands to two, and the bits of those.
  function automatic int tree_levels(int count);
    automatic int result = 0;
    for (int n = count; n > 2; n = n / 3 + n % 3) result++;
    return result;
  endfunction

  function automatic int tree_width(int count, int largest);
    automatic int top = largest;
    for (int n = count; n > 2; n = n / 3 + n % 3) top = 3 * top + 2;
    return $clog2(top + 1);
  endfunction

  // How many rows share a float unit: a divisor of the rows, at most the cycles between two passes.
  function automatic int share(int rows, int spacing);
    automatic int result = 1;
    for (int i = 2; i <= rows && i <= spacing; i++) begin
      if (rows % i == 0) result = i;
    end
    return result;
  endfunction

endpackage
// verilator lint_on UNUSEDPARAM
