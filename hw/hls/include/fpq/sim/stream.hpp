// SPDX-License-Identifier: Apache-2.0
// hls::stream for C-simulation: a ring of as many tokens as the FIFO in hardware has. Reading from an empty stream and
// writing to a full one let the other processes run (sim/region.hpp).
#ifndef FPQ_SIM_STREAM_HPP_
#define FPQ_SIM_STREAM_HPP_

#include <cstddef>
#include <memory>

#include "fpq/sim/region.hpp"

namespace hls {

// As in Vitis HLS, stream<T> is what functions take, and stream<T, Depth> what a dataflow region declares.
template <class T, int Depth = 0>
class stream;

template <class T>
class stream<T, 0> : public fpq::sim::Channel {
 public:
  T read() {
    wait_until_ready(fpq::sim::Access::kRead);
    const T& token = ring_[first_];
    first_ = first_ + 1 == depth_ ? 0 : first_ + 1;
    --count_;
    return token;  // its place is not written before this process runs again
  }

  void write(const T& token) {
    wait_until_ready(fpq::sim::Access::kWrite);
    const std::size_t place = first_ + count_;
    ring_[place < depth_ ? place : place - depth_] = token;
    ++count_;
  }

 protected:
  stream(const char* name, std::size_t depth) : Channel(name, depth), ring_(new T[depth]) {}

 private:
  std::unique_ptr<T[]> ring_;
  std::size_t first_ = 0;
};

template <class T, int Depth>
class stream : public stream<T, 0> {
  static_assert(Depth > 0, "a FIFO holds at least one token");

 public:
  explicit stream(const char* name) : stream<T, 0>(name, Depth) {}
};

}  // namespace hls

#endif  // FPQ_SIM_STREAM_HPP_
