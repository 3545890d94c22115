// SPDX-License-Identifier: Apache-2.0
// Checks a descriptor, in the order of the error codes, works out the sizes that the units need, and hands each its part.
// No multiplier and no divider: a walk over the chunks of a row adds everything up, while earlier commands compute.

`include "fpq_assert.svh"

module fpq_plan
  import fpq_core_pkg::*;
  import fpq_pkg::*;
#(
  parameter family_e Family = FamilyFp4,
  parameter int Rows = 4,
  parameter int Columns = 8,
  parameter int Lanes = 32,
  parameter int ActDepth = 1024,
  parameter int BusBits = 128,
  localparam int HalfBits = DescriptorBytes * 4
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                command_valid_i,
  output logic                command_ready_o,
  input  logic [HalfBits-1:0] command_i,
  input  logic                command_rest_i,
  input  logic [TagWidth-1:0] command_tag_i,
  // Jobs: all that are wanted in one cycle, taken at once
  output logic                x_valid_o,
  output x_job_t              x_job_o,
  output logic                w_valid_o,
  output w_job_t              w_job_o,
  output logic                issue_valid_o,
  output issue_job_t          issue_job_o,
  output logic                store_valid_o,
  output store_job_t          store_job_o,
  input  logic                jobs_ready_i,  // every unit has room, and keeps it until it is given a job
  // The command with refuse_tag_o is not acceptable: nothing comes after it.
  output logic                refuse_o,
  output error_e              refuse_code_o,
  output logic [TagWidth-1:0] refuse_tag_o
);

  localparam int CodeBits = format_bits(family_weights(Family));
  localparam int ChunkBytes = Columns * Lanes * CodeBits / 8;
  localparam int BeatLog2 = $clog2(BusBits / 8);
  localparam int SectionLog2 = $clog2(SectionBytes);
  localparam int BiasBytes = (Columns * 4 + SectionBytes - 1) / SectionBytes * SectionBytes;
  localparam int UnitLog2 = $clog2(KMultiple);           // K and groups are counted in units of 32
  localparam int UnitWidth = KWidth - UnitLog2;
  localparam logic [UnitWidth-1:0] LaneUnits = UnitWidth'(Lanes / KMultiple);
  localparam int ActWidth = $clog2(ActDepth) + 1;        // bits of a number of row tiles that may be legal
  localparam int TotalWidth = ActWidth + ChunkWidth;

  typedef enum logic [4:0] {
    Idle,
    Opcode,
    Format,
    Reserved,
    Shape,
    Capacity,   // of K and row_tiles alone
    Group,      // the next group's length
    Chunk,      // one chunk of it
    Sum,        // row_tiles * chunks is complete
    Total,      // and compared
    Alignment,
    Stride,
    Sections,   // sizes in whole sections
    Tile,
    Offer,      // is there room for all jobs?
    Give,
    Refused
  } state_e;

  state_e state_q;
  descriptor_t command;
  logic dual;
  logic [UnitWidth-1:0] k_left_q, group_q, chunk_left_q;  // units left of the row, of a whole group, of the group
  logic [UnitWidth-1:0] length;                           // units of the next group
  logic [ChunkWidth-1:0] chunks_q, groups_q, count_q, group_chunks_q;
  logic [TotalWidth-1:0] total_q;                         // row_tiles * chunks so far
  logic [BytesWidth-1:0] code_bytes_q, scale_bytes_q, tile_span_q;
  logic group_end, nop, nop_q;
  logic shorter_q;  // a whole group is left, and more: known a cycle after k_left_q, which stands for two

  assign command = {{HalfBits{1'b0}}, command_i};
  assign dual = family_has_dual(Family) && command.a_format == 8'(family_dual(Family));
  assign nop = command.opcode == OpNop;
  assign length = shorter_q ? group_q : k_left_q;
  assign group_end = chunk_left_q <= LaneUnits;

  // The command stands while it is walked through, so its checks are made beforehand, in one cycle or in two: those of the
  // first cycle are there for Opcode, those of the second for Format.
  logic bad_opcode_q, bad_format_q, rest_q, bad_flags_q, bad_reserved_q;
  logic [4:0] zero_q;
  logic ragged_q, ght_ragged_q, bad_shape_q, bad_capacity_q, bad_total_q, bad_alignment_q, bad_stride_q;
  logic long_k_q, many_tiles_q, short_x_q, short_y_q;

  always_ff @(posedge clk_i) begin
    nop_q        <= nop;
    bad_opcode_q <= !nop && command.opcode != OpGemm;
    bad_format_q <= command.w_format != 8'(family_weights(Family))
                    || (command.a_format != 8'(family_weights(Family)) && !dual);
    rest_q       <= command_rest_i || command.reserved_3 != '0 || command.reserved_36 != '0;
    bad_flags_q  <= (command.flags & ~CmdFlagMask) != '0;
    zero_q       <= {command.m == '0, command.n == '0, command.k == '0, command.group == '0, command.row_tiles == '0};
    ragged_q     <= (command.n[UnitLog2-1:0] | command.k[UnitLog2-1:0] | command.group[UnitLog2-1:0]) != '0;
    ght_ragged_q <= command.flags[CmdFlagGht] && command.k[$clog2(GhtBlock)-1:0] != '0;
    long_k_q     <= command.k > MaxK;
    many_tiles_q <= command.row_tiles > 32'(ActDepth);
    short_x_q    <= command.x_stride < {command.k[30:0], 1'b0};
    short_y_q    <= {1'b0, command.y_stride} < {command.n, 1'b0};
    bad_alignment_q <= (command.x_address[SectionLog2-1:0] | command.w_address[SectionLog2-1:0]
                        | command.y_address[SectionLog2-1:0]) != '0
                       || (command.x_stride % StrideMultiple) != '0 || (command.y_stride % StrideMultiple) != '0;

    bad_reserved_q <= rest_q | bad_flags_q;
    bad_shape_q    <= (|zero_q) | ragged_q | ght_ragged_q;
    bad_capacity_q <= long_k_q | many_tiles_q;
    bad_total_q    <= total_q > TotalWidth'(ActDepth);
    bad_stride_q   <= short_x_q | short_y_q;
  end

  // The error code of a state's check, in case that it fails.
  error_e refusal;
  always_comb begin
    unique case (state_q)
      Opcode:  refusal = ErrOpcode;
      Format:  refusal = ErrFormat;
      Reserved: refusal = ErrReserved;
      Shape:   refusal = ErrShape;
      Capacity, Total: refusal = ErrCapacity;
      default: refusal = ErrAlignment;  // Alignment, Stride
    endcase
  end

  assign store_valid_o = state_q == Give;
  assign x_valid_o     = state_q == Give && !nop_q;
  assign w_valid_o     = x_valid_o;
  assign issue_valid_o = x_valid_o;
  assign command_ready_o = state_q == Give;
  assign refuse_o = state_q == Refused;
  assign refuse_tag_o = command_tag_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
    end else begin
      unique case (state_q)
        Idle: if (command_valid_i) state_q <= Opcode;
        Opcode: state_q <= bad_opcode_q ? Refused : nop_q ? Offer : Format;
        Format: state_q <= bad_format_q ? Refused : Reserved;
        Reserved: state_q <= bad_reserved_q ? Refused : Shape;
        Shape: state_q <= bad_shape_q ? Refused : Capacity;
        Capacity: state_q <= bad_capacity_q ? Refused : Group;
        Group: state_q <= Chunk;
        Chunk: if (group_end) state_q <= k_left_q == '0 ? Sum : Group;
        Sum: state_q <= Total;
        Total: state_q <= bad_total_q ? Refused : Alignment;
        Alignment: state_q <= bad_alignment_q ? Refused : Stride;
        Stride: state_q <= bad_stride_q ? Refused : Sections;
        Sections: state_q <= Tile;
        Tile: state_q <= Offer;
        Offer: if (jobs_ready_i) state_q <= Give;
        Give: state_q <= Idle;
        Refused: state_q <= Refused;
        default: state_q <= Idle;
      endcase
    end
    if (state_q != Refused) refuse_code_o <= refusal;

    shorter_q <= group_q < k_left_q;
    unique case (state_q)
      Shape: begin
        k_left_q <= command.k[KWidth-1:UnitLog2];
        group_q  <= command.group > command.k ? command.k[KWidth-1:UnitLog2] : command.group[KWidth-1:UnitLog2];
        chunks_q <= '0;
        groups_q <= '0;
        total_q  <= '0;
        code_bytes_q  <= '0;
        scale_bytes_q <= '0;
      end
      Group: begin
        chunk_left_q <= length;
        k_left_q     <= k_left_q - length;
        groups_q     <= groups_q + 1'b1;
        scale_bytes_q <= scale_bytes_q + BytesWidth'(2 * Columns);
        count_q      <= ChunkWidth'(1);
      end
      Chunk: begin
        chunk_left_q <= chunk_left_q - LaneUnits;
        chunks_q     <= chunks_q + 1'b1;
        count_q      <= count_q + 1'b1;
        total_q      <= total_q + TotalWidth'(command.row_tiles[ActWidth-1:0]);
        code_bytes_q <= code_bytes_q + BytesWidth'(ChunkBytes);
        if (groups_q == ChunkWidth'(1)) group_chunks_q <= count_q;
      end
      Sections: begin
        code_bytes_q  <= (code_bytes_q + BytesWidth'(BiasBytes - 1)) >> SectionLog2;  // with the bias, less 1
        scale_bytes_q <= (scale_bytes_q + BytesWidth'(SectionBytes - 1)) >> SectionLog2;
      end
      Tile: begin
        scale_bytes_q <= scale_bytes_q << SectionLog2;
        // The low bits, all ones, are the loader's to fill in: queues need not keep them.
        tile_span_q   <= (code_bytes_q + scale_bytes_q) << SectionLog2;
      end
      default: ;
    endcase
  end

  logic [BlockWidth-1:0] block_rows;
  assign block_rows = BlockWidth'(command.row_tiles) << $clog2(Rows);

  assign x_job_o = '{
    address: command.x_address, stride: command.x_stride, m: command.m, k: command.k[KWidth-1:0],
    group: {group_q, {UnitLog2{1'b0}}}, chunks: chunks_q, ght: command.flags[CmdFlagGht], dual: dual,
    fence: command.flags[CmdFlagFence], tag: command_tag_i
  };
  assign w_job_o = '{
    address: command.w_address, m: command.m, n: command.n, block_rows: block_rows, tile_span: tile_span_q,
    scale_beats: SectionWidth'(scale_bytes_q >> BeatLog2), chunks: chunks_q, groups: groups_q, tag: command_tag_i
  };
  // count_q has stopped one above the last group's chunks.
  assign issue_job_o = '{
    m: command.m, n: command.n, block_rows: block_rows, row_tiles: TileWidth'(command.row_tiles), chunks: chunks_q,
    groups: groups_q, group_chunks: group_chunks_q, last_chunks: count_q - 1'b1, dual: dual
  };
  assign store_job_o = '{
    nop: nop_q, address: command.y_address, stride: command.y_stride, m: command.m, n: command.n,
    block_rows: block_rows, tag: command_tag_i
  };

  logic unused_rest;
  assign unused_rest = ^command.reserved_64;

  `FPQ_REQUIRE(gen_max_chunks, MaxK / KMultiple == MaxChunks && MaxChunks < 2 ** ChunkWidth && MaxK < 2 ** KWidth,
               "fpq_plan: fpq_core_pkg does not fit the contract's MaxK")
  `FPQ_ASSERT(RoomKept, !store_valid_o || jobs_ready_i)
  `FPQ_ASSERT_STABLE(CommandStable, command_valid_i, command_ready_o, {command_i, command_rest_i, command_tag_i})

endmodule
