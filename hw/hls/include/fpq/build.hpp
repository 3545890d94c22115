// SPDX-License-Identifier: Apache-2.0
// One build of the engine: a family and a geometry, what follows from them, and the tokens that its processes exchange.
#ifndef FPQ_BUILD_HPP_
#define FPQ_BUILD_HPP_

#include <cstdint>

#include "fpq/generated.hpp"
#include "fpq/types.hpp"

namespace fpq {

constexpr int kSlice = spec::kKMultiple;  // elements; every row and group is a whole number of slices
constexpr int kMaxSlices = spec::kMaxK / kSlice;
constexpr int kLineWords = 8;  // 64-bit words that hold a slice of FP16
constexpr int kBlock = spec::kGhtBlock;
constexpr int kBlockSlices = kBlock / kSlice;

static_assert(kLineWords * 4 == kSlice, "a line holds one slice");
static_assert(spec::kMaxK % kBlock == 0, "the longest row is whole blocks");
static_assert(spec::kStrideMultiple == 8, "rows start at 64-bit words");

template <class FamilyType, class GeometryType>
struct Build {
  using Family = FamilyType;
  using Geometry = GeometryType;

  static constexpr int kRows = Geometry::kRows;
  static constexpr int kColumns = Geometry::kColumns;
  static constexpr int kLanes = Geometry::kLanes;
  static constexpr int kActDepth = Geometry::kActDepth;
  static constexpr int kBusBits = Geometry::kBusBits;
  static constexpr int kCodeBits = Family::kBits;
  static constexpr int kHalves = Family::kHasDual ? 2 : 1;  // sums a group has: positive and negative activations

  // A group has at least kSlice elements and fills at least one chunk.
  static constexpr int kMaxGroups = kMaxSlices;
  static constexpr int kMaxChunks = kMaxSlices;
  static constexpr int kChunkSlices = kLanes / kSlice;

  // The weight stream is read in pieces: the widest that fit the bus and both a chunk and a section.
  static constexpr int kChunkWords = kColumns * kLanes * kCodeBits / 64;  // a chunk of weights
  static constexpr int kSectionWords = spec::kSectionBytes / 8;
  static constexpr int kPieceWords = gcd(kBusBits / 64, gcd(kChunkWords, kSectionWords));

  // Rows of a tile that are scaled in one cycle, so that a group of 128 is scaled while the next one is multiplied.
  static constexpr int kScaleSteps = gcd(kRows, kLanes < 128 ? 128 / kLanes : 1);
  static constexpr int kScaleRows = kRows / kScaleSteps;

  // The largest sum of products of a group, which may be the longest row. The codes that no quantizer makes count too.
  static constexpr std::uint64_t kLargestCode = Family::Weights::Positive::kMax + (Family::Weights::kInteger ? 1 : 0);
  static constexpr int kSumBits = bits_for(kLargestCode * kLargestCode * spec::kMaxK) + 1;

  static_assert(kLanes == 32 || kLanes == 64 || kLanes == 128, "lanes");
  static_assert(kColumns % 4 == 0, "a row of a tile is whole 64-bit words");
  static_assert(kBusBits >= 64 && kBusBits <= 512 && (kBusBits & (kBusBits - 1)) == 0, "bus width");
  static_assert((kColumns * kLanes * kCodeBits) % 64 == 0, "a chunk is whole 64-bit words");
  static_assert(kActDepth >= kMaxChunks, "a row of max_k elements fits the activation buffer");
  static_assert(kRows < 256 && kColumns < 256 && kLanes < 256, "the geometry register has 8 bits for each");
};

// Tokens. In hardware each is one wide word.

struct Line {  // a slice of X as it comes from memory
  std::uint64_t word[kLineWords];
};

struct HalfBlock {  // FP16 of a row
  std::uint16_t element[kBlock];
  UInt<5> exponent;  // the largest in the block
};

struct ValueBlock {
  // FP16 as it is, or with GHT the integer h of contract section 1.4.
  Int<23> element[kBlock];
  UInt<5> exponent;
};

struct ValueSlice {  // sign and magnitude; the pattern of a positive FP32 number orders as an integer
  UInt<31> magnitude[kSlice];
  Bit negative[kSlice];
};

struct Scale {  // FP16 for elements without and with the sign bit; equal unless the format is dual
  std::uint16_t half[2];
};

template <class B>
struct CodeSlice {
  UInt<B::kCodeBits> code[kSlice];
};

template <class B>
struct ActChunk {
  UInt<B::kCodeBits> code[B::kRows][B::kLanes];
};

template <class B>
struct ActScales {
  std::uint16_t half[B::kHalves][B::kRows];
};

template <class B>
struct Piece {
  std::uint64_t word[B::kPieceWords];
};

template <class B>
struct WeightChunk {
  UInt<B::kCodeBits> code[B::kColumns][B::kLanes];
};

template <class B>
struct WeightScales {
  std::uint16_t half[B::kColumns];
};

template <class B>
struct Bias {
  float value[B::kColumns];
};

template <class B>
struct Sums {  // of one group, and for dual formats of one half
  Int<B::kSumBits> value[B::kRows][B::kColumns];
};

template <class B>
struct Accumulators {
  float value[B::kRows][B::kColumns];
};

template <class B>
struct OutputTile {
  std::uint16_t half[B::kRows][B::kColumns];
};

}  // namespace fpq

#endif  // FPQ_BUILD_HPP_
