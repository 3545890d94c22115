// SPDX-License-Identifier: Apache-2.0
// Command lists for a build of the engine, on random and on nasty data, beside the reference.
#ifndef FPQ_TB_MACHINE_HPP_
#define FPQ_TB_MACHINE_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "fpq/build.hpp"
#include "fpq/quantizer.hpp"
#include "fpq/registers.hpp"
#include "reference.hpp"

namespace tb {

enum class Data { kNormal, kWide, kSpecial, kOneHot, kZero };

struct Shape {
  std::uint32_t m, n, k, group;
  std::uint32_t row_tiles;
  bool dual = false;
  bool ght = false;
  Data data = Data::kNormal;
};

// Runs a list on a memory of so many 64-bit words from word `first` on: csim/instance.cpp, compiled for a build.
using Run = fpq::Registers (*)(std::uint64_t* memory, std::uint64_t first, std::uint64_t words,
                               std::uint64_t list_address, std::uint32_t count);

// A memory, and a list of commands at address 0.
template <class B>
class Machine {
 public:
  using Family = typename B::Family;
  static constexpr std::uint64_t kListBytes = 1024;

  Machine() : bytes(kListBytes, 0) {}

  // Places X, W and Y, each behind a gap of guard bytes, and fills them. Returns what the reference needs.
  GemmCase add(Test& test, const Shape& shape) {
    GemmCase gemm = {
        shape.dual ? format_of<typename fpq::Quantizer<B>::Dual>("dual") : format_of<typename Family::Plain>("plain"),
        format_of<typename Family::Weights>("weights"),
        shape.ght,
        shape.m,
        shape.n,
        shape.k,
        std::min(shape.group, shape.k),
        B::kColumns,
        B::kLanes,
        0,
        0,
        0,
        2 * shape.k + 8 * test.below(4),
        2 * shape.n + 8 * test.below(4)};
    gemm.x_address = place(std::uint64_t{gemm.x_stride} * shape.m);
    gemm.w_address = place(gemm.stream_bytes());
    gemm.y_address = place(std::uint64_t{gemm.y_stride} * shape.m);
    for (std::uint64_t i = 0; i < std::uint64_t{gemm.x_stride} * shape.m; i += 2) {
      put(gemm.x_address + i, activation(test, shape.data, i));
    }
    fill_weights(test, gemm, shape);
    const std::uint64_t at = commands++ * fpq::spec::kDescriptorBytes;
    using namespace fpq::spec;
    put<std::uint8_t>(at + kOffsetOpcode, static_cast<std::uint8_t>(Opcode::kGemm));
    put<std::uint8_t>(at + kOffsetAFormat, static_cast<std::uint8_t>(gemm.a.id));
    put<std::uint8_t>(at + kOffsetWFormat, static_cast<std::uint8_t>(gemm.w.id));
    put<std::uint32_t>(at + kOffsetFlags, shape.ght ? kCommandFlagGht : 0);
    put<std::uint32_t>(at + kOffsetM, shape.m);
    put<std::uint32_t>(at + kOffsetN, shape.n);
    put<std::uint32_t>(at + kOffsetK, shape.k);
    put<std::uint32_t>(at + kOffsetGroup, shape.group);
    put<std::uint32_t>(at + kOffsetRowTiles, shape.row_tiles);
    put<std::uint32_t>(at + kOffsetXStride, gemm.x_stride);
    put<std::uint32_t>(at + kOffsetYStride, gemm.y_stride);
    put<std::uint64_t>(at + kOffsetXAddress, gemm.x_address);
    put<std::uint64_t>(at + kOffsetWAddress, gemm.w_address);
    put<std::uint64_t>(at + kOffsetYAddress, gemm.y_address);
    return gemm;
  }

  fpq::Registers run(Run engine, std::uint32_t count, std::uint64_t list = 0) {
#ifdef FPQ_COSIM
    std::vector<std::uint64_t> words(FPQ_PORT_DEPTH);  // all that the simulator copies has to be there
    if (bytes.size() > words.size() * 8) throw std::length_error("raise FPQ_PORT_DEPTH");
#else
    std::vector<std::uint64_t> words(bytes.size() / 8);
#endif
    std::memcpy(words.data(), bytes.data(), bytes.size());
    const fpq::Registers registers = engine(words.data(), 0, words.size(), list, count);
    std::memcpy(bytes.data(), words.data(), bytes.size());
    return registers;
  }

  template <class T>
  void put(std::uint64_t address, T value) {
    std::memcpy(bytes.data() + address, &value, sizeof(value));
  }

  std::vector<std::uint8_t> bytes;
  std::uint32_t commands = 0;

 private:
  std::uint64_t place(std::uint64_t size) {
    const std::uint64_t address = (bytes.size() + 63) / 64 * 64 + 64;
    bytes.resize((address + size + 63) / 64 * 64 + 64, 0xa5);
    return address;
  }

  static std::uint16_t activation(Test& test, Data data, std::uint64_t i) {
    const std::uint16_t bits = static_cast<std::uint16_t>(test.random());
    switch (data) {
      case Data::kNormal:  // 2^-3 ... 2^1
        return static_cast<std::uint16_t>((bits & 0x83ff) | (12 + test.below(4)) << 10);
      case Data::kWide:  // any finite number
        return (bits & 0x7c00) == 0x7c00 ? static_cast<std::uint16_t>(bits & 0xbbff) : bits;
      case Data::kSpecial: {
        const std::uint16_t values[] = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff,
                                        0x7c00, 0xfc00, 0x7e00, 0x3c00, 0xbc00, 0x4600, 0x4200, 0x3e00};
        return values[test.below(16)];
      }
      case Data::kOneHot:
        return i / 2 % 37 == 5 ? bits & 0xbfff : std::uint16_t{0};
      case Data::kZero:
        return bits & 0x8000;
    }
    return 0;
  }

  // Any code, scales from zero and subnormal up, biases of which some overflow with wide data.
  void fill_weights(Test& test, const GemmCase& gemm, const Shape& shape) {
    const std::uint64_t tiles = (gemm.n + gemm.columns - 1) / gemm.columns;
    const std::uint64_t tile_bytes = gemm.stream_bytes() / tiles;
    const std::uint64_t groups = (gemm.k + gemm.group - 1) / gemm.group;
    const std::uint64_t bias_bytes = (4 * gemm.columns + 63) / 64 * 64;
    const std::uint64_t scale_bytes = (2 * gemm.columns * groups + 63) / 64 * 64;
    for (std::uint64_t i = 0; i < gemm.stream_bytes(); ++i) {
      bytes[gemm.w_address + i] = static_cast<std::uint8_t>(test.random());
    }
    for (std::uint64_t t = 0; t < tiles; ++t) {
      const std::uint64_t at = gemm.w_address + t * tile_bytes;
      for (std::uint64_t c = 0; c < gemm.columns; ++c) {
        const bool large = shape.data == Data::kWide && test.below(4) == 0;
        const float bias = (static_cast<float>(test.below(2001)) - 1000.0f) * (large ? 80.0f : 0.001f);
        put(at + 4 * c, bias);
      }
      for (std::uint64_t s = 0; s < scale_bytes / 2; ++s) {
        const std::uint32_t kind = test.below(8);
        const std::uint16_t scale = kind == 0   ? std::uint16_t{0}
                                    : kind == 1 ? static_cast<std::uint16_t>(test.below(0x400))
                                                : static_cast<std::uint16_t>(0x1000 + test.below(0x1800));
        put(at + bias_bytes + 2 * s, scale);
      }
    }
  }
};

}  // namespace tb

#endif  // FPQ_TB_MACHINE_HPP_
