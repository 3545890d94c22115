// SPDX-License-Identifier: Apache-2.0
// What travels beside the values inside the prologue.

package fpq_prologue_pkg;

  // Of one word: `Words` neighbouring elements of a row.
  typedef struct packed {
    logic ght;           // its row is transformed
    logic dual;          // its row's format is the family's dual one
    logic block_first;   // it is the first of 128 elements
    logic part_last;     // it is the last of 32 elements
    logic segment_last;  // it is the last of its group or, transformed, of its block
    logic group_last;    // it is the last of its group
    logic row_last;      // it is the last of its row
    logic nonfinite;     // with row_last: the row held an Inf or a NaN
  } marks_t;

  // Of one segment: the run of words that share thresholds.
  typedef struct packed {
    logic       ght;
    logic       dual;
    logic       group_last;  // it is the last of its group
    logic [4:0] exponent;    // of its block, if it is transformed
  } segment_t;

  // A magnitude: mantissa * 2^(exponent - 52), the mantissa's top bit set unless all is zero.
  typedef struct packed {
    logic [5:0]  exponent;
    logic [21:0] mantissa;
  } real_t;

endpackage
