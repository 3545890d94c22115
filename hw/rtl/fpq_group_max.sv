// SPDX-License-Identifier: Apache-2.0
// Magnitudes of 32 elements, each an integer with an exponent, to the largest of each group, normalised. With two channels,
// positive and negative come in turn. Six cycles.

module fpq_group_max #(
  parameter int Channels = 1
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        valid_i,
  input  logic        last_i,       // the last of its group
  input  logic [5:0]  exponent_i,   // the value is magnitude * 2^(exponent - 36)
  input  logic [21:0] magnitude_i,
  output logic        valid_o,      // with a group's last
  output logic [27:0] value_o       // real_t: exponent, mantissa
);

  // 1. Which byte is the first that is not zero. 2. Shift left by whole bytes, 3. by pairs, 4. by one; the exponent, offset by
  // 16, follows.
  logic [21:0] magnitude_q, bytes_q, pairs_q, mantissa_q;
  logic [5:0] magnitude_exponent_q, bytes_exponent_q, pairs_exponent_q, exponent_q;
  logic [4:0] valid_q, last_q;
  logic top_q, mid_q;
  logic [1:0] zero_pairs;

  always_comb begin
    zero_pairs = 2'd3;
    if (|bytes_q[21:20]) zero_pairs = 2'd0;
    else if (|bytes_q[19:18]) zero_pairs = 2'd1;
    else if (|bytes_q[17:16]) zero_pairs = 2'd2;
  end

  always_ff @(posedge clk_i) begin
    magnitude_q          <= magnitude_i;
    magnitude_exponent_q <= exponent_i;
    top_q                <= |magnitude_i[21:14];
    mid_q                <= |magnitude_i[13:6];
    bytes_q          <= top_q ? magnitude_q : mid_q ? {magnitude_q[13:0], 8'd0} : {magnitude_q[5:0], 16'd0};
    bytes_exponent_q <= magnitude_exponent_q + {1'b0, top_q, mid_q & ~top_q, 3'd0};
    pairs_q          <= bytes_q << {zero_pairs, 1'b0};
    pairs_exponent_q <= bytes_exponent_q - {3'd0, zero_pairs, 1'b0};
    mantissa_q       <= pairs_q[21] ? pairs_q : {pairs_q[20:0], 1'b0};
    exponent_q       <= pairs_exponent_q + {6{~pairs_q[21]}};
    last_q           <= {last_q[3:0], last_i};
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[3:0], valid_i};
  end

  // 5. A zero is all zeros, so that values compare as integers.
  logic [27:0] value_q, running;
  logic [Channels*28-1:0] running_q;
  logic [Channels-1:0] first_q;  // the next value of the channel begins a group
  logic first, last;

  always_ff @(posedge clk_i) value_q <= mantissa_q[21] ? {exponent_q, mantissa_q} : 28'd0;

  // 6. The largest so far; the channels' registers go round.
  assign first   = first_q[Channels-1];
  assign running = running_q[(Channels-1)*28 +: 28];
  assign last    = last_q[4];

  logic [27:0] largest;
  assign largest = (first | (value_q > running)) ? value_q : running;
  assign value_o = running_q[27:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      first_q <= '1;
      valid_o <= 1'b0;
    end else begin
      if (valid_q[4]) first_q <= Channels'({first_q, last});
      valid_o <= valid_q[4] & last;
    end
    if (valid_q[4]) running_q <= (Channels * 28)'({running_q, largest});
  end

endmodule
