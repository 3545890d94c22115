// SPDX-License-Identifier: Apache-2.0
// The code of one element: a binary search among its table's bounds, one bit of the index a cycle, most significant first.
// IndexBits + 2 cycles.
//
// Bit k is decided by the bound whose index ends in 0 and k ones, below the bits already known. So each step has a small memory
// of its own, and two bounds can be written at a time: an even one to the last step, an odd one to a step before.

module fpq_search #(
  parameter int IndexBits = 3,
  parameter int Tables = 8,     // a power of two
  parameter int Twos = 0,       // two's complement codes
  parameter int Offset = 0,     // 1: a negative dual code's index counts from magnitude 1
  localparam int TableWidth = $clog2(Tables)
) (
  input  logic                  clk_i,
  // An element: transformed, two's complement; else the FP16 pattern, one's complement if negative.
  input  logic [22:0]           key_i,
  input  logic                  ght_i,
  input  logic                  dual_i,
  input  logic [TableWidth-1:0] table_i,           // dual: of positive elements
  input  logic [TableWidth-1:0] table_negative_i,
  input  logic                  zero_i,            // the scale is zero
  input  logic                  zero_negative_i,
  input  logic [21:0]           first_bound_i,     // Offset: between magnitudes 0 and 1
  output logic [IndexBits:0]    code_o,
  // Bounds 2 * pair and 2 * pair + 1 of a table. Which step the odd one belongs to is given decoded; the last is left out.
  input  logic                  write_i,
  input  logic [IndexBits-2:0]  write_steps_i,
  input  logic [TableWidth-1:0] write_table_i,
  input  logic [IndexBits-2:0]  write_pair_i,
  input  logic [21:0]           even_bound_i,
  input  logic [21:0]           odd_bound_i
);

  // Registers before each step, and behind the last.
  logic [IndexBits:0][22:0] key_q;
  logic [IndexBits:0] ght_q, dead_q, none_q, dual_q;
  logic [IndexBits:0][TableWidth-1:0] table_q;
  logic [IndexBits:0][IndexBits-1:0] index_q;
  logic negative;

  assign negative = key_i[22] & dual_i;

  always_ff @(posedge clk_i) begin
    key_q[0]   <= key_i;
    ght_q[0]   <= ght_i;
    dual_q[0]  <= dual_i;
    table_q[0] <= negative ? table_negative_i : table_i;
    dead_q[0]  <= negative ? zero_negative_i : zero_i;
    index_q[0] <= '0;
    none_q[0]  <= 1'b0;
  end

  // Whether a key's size is greater than a bound: two bits of both, and the sign, are a LUT's inputs and a place of a carry
  // chain. A negative integer's one's complement is one less than its size: the chain's first carry makes up for it.
  function automatic logic exceeds(logic [22:0] key, logic ght, logic [21:0] bound);
    automatic logic [10:0] greater, not_less, unused_sum;
    automatic logic [1:0] size;
    automatic logic carry, unused_first;
    for (int i = 0; i < 11; i++) begin
      size = key[2*i +: 2] ^ {2{key[22]}};
      greater[i]  = size > bound[2*i +: 2];
      not_less[i] = size >= bound[2*i +: 2];
    end
    {carry, unused_sum, unused_first} = {1'b0, greater, 1'b1} + {1'b0, not_less, key[22] & ght};
    return carry;
  endfunction

  for (genvar s = 0; s < IndexBits; s++) begin : gen_step
    localparam int Depth = Tables << s;
    logic [21:0] bounds [Depth];
    logic [TableWidth+s-1:0] read_addr, write_addr;
    logic [21:0] bound;
    logic above;

    if (s == 0) begin : gen_first
      assign read_addr  = table_q[0];
      assign write_addr = write_table_i;
    end else begin : gen_later
      assign read_addr  = {table_q[s], index_q[s][s-1:0]};
      assign write_addr = {write_table_i, write_pair_i[IndexBits-2 -: s]};
    end

    if (s == IndexBits - 1) begin : gen_even
      always_ff @(posedge clk_i) if (write_i) bounds[write_addr] <= even_bound_i;
    end else begin : gen_odd
      always_ff @(posedge clk_i) if (write_steps_i[s]) bounds[write_addr] <= odd_bound_i;
    end

    assign bound = bounds[read_addr];
    assign above = exceeds(key_q[s], ght_q[s], bound);

    always_ff @(posedge clk_i) begin
      key_q[s+1]   <= key_q[s];
      ght_q[s+1]   <= ght_q[s];
      dual_q[s+1]  <= dual_q[s];
      dead_q[s+1]  <= dead_q[s];
      table_q[s+1] <= table_q[s];
      index_q[s+1] <= IndexBits'({index_q[s], above});
    end

    if (Offset != 0 && s == 0) begin : gen_offset
      logic over;
      assign over = exceeds(key_q[0], ght_q[0], first_bound_i);
      always_ff @(posedge clk_i) none_q[1] <= dual_q[0] & key_q[0][22] & ~over;
    end else begin : gen_pass
      always_ff @(posedge clk_i) none_q[s+1] <= none_q[s];
    end
  end

  logic sign;
  logic [IndexBits-1:0] index;

  assign sign  = key_q[IndexBits][22];
  assign index = index_q[IndexBits];

  always_ff @(posedge clk_i) begin
    if (dead_q[IndexBits] | none_q[IndexBits]) code_o <= '0;
    else if (Twos != 0 && sign) code_o <= ~{1'b0, index} + 1'b1;
    else code_o <= {sign & (Twos == 0), index};
  end

  logic unused;
  assign unused = ^{first_bound_i, table_q[IndexBits], ght_q[IndexBits], dual_q[IndexBits],
                    key_q[IndexBits][21:0]};

endmodule
