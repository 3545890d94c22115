// SPDX-License-Identifier: Apache-2.0
// A command as it lies in memory, and the checks of contract section 2 that it must pass.
#ifndef FPQ_COMMAND_HPP_
#define FPQ_COMMAND_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/pragmas.hpp"

namespace fpq {

constexpr int kDescriptorWords = spec::kDescriptorBytes / 8;

struct Command {
  std::uint64_t word[kDescriptorWords];

  // The little-endian field of a struct member that starts at `offset` and does not cross a 64-bit word.
  template <class T>
  T field(std::uint32_t offset) const {
    return static_cast<T>(word[offset / 8] >> (offset % 8 * 8));
  }

  std::uint8_t opcode() const { return field<std::uint8_t>(spec::kOffsetOpcode); }
  std::uint8_t a_format() const { return field<std::uint8_t>(spec::kOffsetAFormat); }
  std::uint8_t w_format() const { return field<std::uint8_t>(spec::kOffsetWFormat); }
  std::uint32_t flags() const { return field<std::uint32_t>(spec::kOffsetFlags); }
  std::uint32_t m() const { return field<std::uint32_t>(spec::kOffsetM); }
  std::uint32_t n() const { return field<std::uint32_t>(spec::kOffsetN); }
  std::uint32_t k() const { return field<std::uint32_t>(spec::kOffsetK); }
  std::uint32_t group() const { return field<std::uint32_t>(spec::kOffsetGroup); }
  std::uint32_t row_tiles() const { return field<std::uint32_t>(spec::kOffsetRowTiles); }
  std::uint32_t x_stride() const { return field<std::uint32_t>(spec::kOffsetXStride); }
  std::uint32_t y_stride() const { return field<std::uint32_t>(spec::kOffsetYStride); }
  std::uint64_t x_address() const { return field<std::uint64_t>(spec::kOffsetXAddress); }
  std::uint64_t w_address() const { return field<std::uint64_t>(spec::kOffsetWAddress); }
  std::uint64_t y_address() const { return field<std::uint64_t>(spec::kOffsetYAddress); }
};

inline Command read_command(const std::uint64_t* memory, std::uint64_t address) {
  Command command;
  FPQ_REGISTERS(command.word)
  FPQ_LOOP(READ_COMMAND)
  for (int i = 0; i < kDescriptorWords; ++i) {
    FPQ_PIPELINE(1)
    command.word[i] = memory[address / 8 + i];
  }
  return command;
}

inline bool reserved_is_zero(const Command& command) {
  bool zero = (command.flags() & ~spec::kCommandFlagMask) == 0;
  for (int gap = 0; gap < spec::ReservedGaps::kCount; ++gap) {
    FPQ_UNROLL
    const std::uint32_t first = spec::ReservedGaps::offset(gap);
    for (std::uint32_t i = 0; i < spec::ReservedGaps::bytes(gap); ++i) {
      FPQ_UNROLL
      if (command.field<std::uint8_t>(first + i) != 0) zero = false;
    }
  }
  return zero;
}

// Chunks of a row. K and the group are not zero; a group longer than a row is a row.
template <class B>
std::uint64_t chunks_of(std::uint32_t k, std::uint32_t group) {
  const std::uint32_t full = k / group;
  const std::uint32_t rest = k - full * group;
  return static_cast<std::uint64_t>(full) * ceil_divide(group, B::kLanes) + ceil_divide(rest, B::kLanes);
}

// In the order of the error codes.
template <class B>
spec::ErrorCode check(const Command& c) {
  using spec::ErrorCode;
  if (c.opcode() == static_cast<std::uint8_t>(spec::Opcode::kNop)) return ErrorCode::kOk;
  if (c.opcode() != static_cast<std::uint8_t>(spec::Opcode::kGemm)) return ErrorCode::kOpcode;

  const bool weights_known = c.w_format() == static_cast<std::uint8_t>(B::Family::Weights::kId);
  const bool activations_known = B::Family::accepts_activations(static_cast<spec::FormatId>(c.a_format()));
  if (!weights_known || !activations_known) return ErrorCode::kFormat;

  if (!reserved_is_zero(c)) return ErrorCode::kReserved;

  const bool ght = (c.flags() & spec::kCommandFlagGht) != 0;
  if (c.m() == 0 || c.n() == 0 || c.k() == 0 || c.group() == 0 || c.row_tiles() == 0) return ErrorCode::kShape;
  if (c.n() % spec::kKMultiple != 0 || c.k() % spec::kKMultiple != 0 || c.group() % spec::kKMultiple != 0 ||
      (ght && c.k() % spec::kGhtBlock != 0)) {
    return ErrorCode::kShape;
  }

  if (c.k() > spec::kMaxK) return ErrorCode::kCapacity;
  if (c.row_tiles() * chunks_of<B>(c.k(), c.group()) > static_cast<std::uint64_t>(B::kActDepth)) {
    return ErrorCode::kCapacity;
  }

  const std::uint64_t addresses = c.x_address() | c.w_address() | c.y_address();
  const std::uint32_t strides = c.x_stride() | c.y_stride();
  if (addresses % spec::kSectionBytes != 0 || strides % spec::kStrideMultiple != 0 || c.x_stride() < 2 * c.k() ||
      c.y_stride() / 2 < c.n()) {
    return ErrorCode::kAlignment;
  }
  return ErrorCode::kOk;
}

}  // namespace fpq

#endif  // FPQ_COMMAND_HPP_
