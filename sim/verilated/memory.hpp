// SPDX-License-Identifier: Apache-2.0
// The memory behind the simulated engine: bytes from an address on, shared by all masters, with a board's bandwidth and
// latency.
#pragma once

#include <cstdint>
#include <cstring>

namespace fpq::sim {

// Pseudo-random numbers that cost next to nothing (xorshift64*).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u | 1) {}

  // True with a probability of threshold / 2^32.
  bool chance(uint64_t threshold) {
    if (threshold == 0) return false;
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545f4914f6cdd1du) >> 32 < threshold;
  }

 private:
  uint64_t state_;
};

class Memory {
 public:
  // bytes_per_cycle 0: as much as the masters ask for.
  Memory(uint8_t* bytes, uint64_t size, uint64_t base, double bytes_per_cycle)
      : bytes_(bytes), size_(size), base_(base), rate_(bytes_per_cycle), budget_(0) {}

  bool holds(uint64_t address, uint64_t count) const {
    return address >= base_ && address - base_ <= size_ && count <= size_ - (address - base_);
  }

  void read(uint64_t address, uint8_t* to, uint64_t count) const { std::memcpy(to, bytes_ + (address - base_), count); }

  void write(uint64_t address, const uint8_t* from, const uint8_t* strobe, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      if (strobe[i / 8] >> (i % 8) & 1) bytes_[address - base_ + i] = from[i];
    }
  }

  // A new cycle: more bytes may be moved. What was not used is kept for a short burst only.
  void tick() {
    if (rate_ > 0) budget_ = budget_ + rate_ < kBurst ? budget_ + rate_ : kBurst;
  }

  // Some bytes could be moved in this cycle; they are.
  bool ready(uint64_t count) const { return rate_ <= 0 || budget_ >= static_cast<double>(count); }
  void charge(uint64_t count) { budget_ -= static_cast<double>(count); }

 private:
  static constexpr double kBurst = 1024;

  uint8_t* bytes_;
  uint64_t size_;
  uint64_t base_;
  double rate_;
  double budget_;
};

}  // namespace fpq::sim
