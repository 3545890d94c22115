// SPDX-License-Identifier: Apache-2.0
// The dot products of fpq_array as behaviour, written so that a simulator is quick with them: several lanes' integers are
// packed into one 64-bit word, activations in ascending and weights in descending order, and the top field of the words'
// product is then their dot product. (Synthesis takes the primitives of fpq_array_mapped instead, or fpq_array_plain.)

module fpq_array_generic
  import fpq_bank_pkg::*;
#(
  parameter fpq_pkg::family_e Family = fpq_pkg::FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  localparam int CodeBits = code_bits(Family),
  localparam int SumBits = sum_bits(Family)
) (
  input  logic                              clk_i,
  input  logic                              valid_i,
  input  logic                              first_i,
  input  logic                              last_i,
  input  pass_e                             pass_i,
  input  logic [Rows*Lanes*CodeBits-1:0]    a_codes_i,
  input  logic [Columns*Lanes*CodeBits-1:0] w_codes_i,
  output logic [Rows*Columns*SumBits-1:0]   sums_o
);

  // A field holds every partial sum of up to 128 lanes with its sign.
  localparam int Fields = CodeBits == 4 ? 4 : CodeBits == 6 ? 3 : 2;
  localparam int FieldBits = 64 / Fields;
  localparam int Top = FieldBits * (Fields - 1);
  localparam int Spare = 64 - FieldBits * Fields;  // bits above the top field, where products of other lanes end up
  localparam int Words = (Lanes + Fields - 1) / Fields;

  typedef logic [3*2**CodeBits-1:0][63:0] table_t;

  function automatic table_t make_table();
    automatic table_t result;
    for (int unsigned code = 0; code < 2 ** CodeBits; code++) begin
      result[0*2**CodeBits+code] = 64'(code_units(Family, PassPlain, code));
      result[1*2**CodeBits+code] = 64'(code_units(Family, PassPositive, code));
      result[2*2**CodeBits+code] = 64'(code_units(Family, PassNegative, code));
    end
    return result;
  endfunction

  localparam table_t Table = make_table();

  logic [63:0] a_words_q[Rows*Words];
  logic [63:0] w_words_q[Columns*Words];
  logic [63:0] dots_q[Rows*Columns];
  logic signed [SumBits-1:0] accumulators_q[Rows*Columns];
  logic valid_q, first_q, last_q, valid_2_q, first_2_q, last_2_q, last_3_q;

  always_ff @(posedge clk_i) begin
    {valid_q, first_q, last_q} <= {valid_i, first_i, last_i};
    {valid_2_q, first_2_q, last_2_q} <= {valid_q, first_q, last_q};
    last_3_q <= valid_2_q & last_2_q;
  end

  // Cycle 1: pack.
  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      for (int row = 0; row < Rows; row++) begin
        for (int word = 0; word < Words; word++) begin
          automatic logic [63:0] packed_word = '0;
          for (int field = 0; field < Fields && word * Fields + field < Lanes; field++) begin
            packed_word += Table[{pass_i, a_codes_i[(row*Lanes+word*Fields+field)*CodeBits+:CodeBits]}] <<
                           (field * FieldBits);
          end
          a_words_q[row*Words+word] <= packed_word;
        end
      end
      for (int column = 0; column < Columns; column++) begin
        for (int word = 0; word < Words; word++) begin
          automatic logic [63:0] packed_word = '0;
          for (int field = 0; field < Fields && word * Fields + field < Lanes; field++) begin
            packed_word += Table[{PassPlain, w_codes_i[(column*Lanes+word*Fields+field)*CodeBits+:CodeBits]}] <<
                           (Top - field * FieldBits);
          end
          w_words_q[column*Words+word] <= packed_word;
        end
      end
    end
  end

  // Cycle 2: multiply. Half a unit of the top field rounds away what the lower ones borrowed.
  always_ff @(posedge clk_i) begin
    if (valid_q) begin
      for (int row = 0; row < Rows; row++) begin
        for (int column = 0; column < Columns; column++) begin
          automatic logic [63:0] products = 64'd1 << (Top - 1);
          for (int word = 0; word < Words; word++) begin
            products += a_words_q[row*Words+word] * w_words_q[column*Words+word];
          end
          dots_q[row*Columns+column] <= products;
        end
      end
    end
  end

  // Cycle 3: accumulate. Cycle 4: keep the finished sums while the next pass begins.
  always_ff @(posedge clk_i) begin
    if (valid_2_q) begin
      for (int i = 0; i < Rows * Columns; i++) begin
        accumulators_q[i] <= (first_2_q ? '0 : accumulators_q[i])
            + SumBits'(signed'(dots_q[i] << Spare) >>> (Top + Spare));
      end
    end
    if (last_3_q) begin
      for (int i = 0; i < Rows * Columns; i++) sums_o[i*SumBits+:SumBits] <= accumulators_q[i];
    end
  end

endmodule
