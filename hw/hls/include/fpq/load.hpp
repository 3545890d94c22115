// SPDX-License-Identifier: Apache-2.0
// X from memory: one burst a row, a line of 32 FP16 at a time.
#ifndef FPQ_LOAD_HPP_
#define FPQ_LOAD_HPP_

#include <cstdint>

#include "fpq/build.hpp"
#include "fpq/plan.hpp"
#include "fpq/pragmas.hpp"
#include "fpq/stream.hpp"

namespace fpq {

template <class B>
void load_activations(const std::uint64_t* memory, hls::stream<Line>& lines, const Plan plan) {
  FPQ_LOOP(LOAD_ROWS)
  for (std::uint32_t row = 0; row < plan.m; ++row) {
    FPQ_TRIPCOUNT(1, 1024)
    const std::uint64_t start = plan.x_word + static_cast<std::uint64_t>(row) * plan.x_stride;
    Line line;
    FPQ_REGISTERS(line.word)
    FPQ_LOOP(LOAD_ROW)
    for (std::uint32_t i = 0; i < plan.slices * kLineWords; ++i) {
      FPQ_PIPELINE(1)
      FPQ_TRIPCOUNT(kLineWords, kMaxSlices * kLineWords)
      line.word[i % kLineWords] = memory[start + i];
      if (i % kLineWords == kLineWords - 1) lines.write(line);
    }
  }
}

}  // namespace fpq

#endif  // FPQ_LOAD_HPP_
