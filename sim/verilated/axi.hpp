// SPDX-License-Identifier: Apache-2.0
// AXI4 slaves for one Verilated master each. A cycle has two halves: `sample` sees the handshakes just before the
// rising clock edge, `drive` sets the next cycle's inputs just after it, as registers would.
#pragma once

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>

#include "memory.hpp"

namespace fpq::sim {

enum class Response : uint8_t { kOkay = 0, kSlaveError = 2, kDecodeError = 3, kNever = 4 };

// Answers one beat (of a read) or burst (of a write) with an error, or never answers again: the `at`-th since the last
// reset, counted from 0.
struct Fault {
  bool armed = false;
  uint64_t at = 0;
  Response response = Response::kSlaveError;

  bool hits(uint64_t count) const { return armed && count == at; }
};

struct Timing {
  uint64_t latency = 0;          // cycles from an address to its first beat, from a last beat to its response
  uint64_t stall_threshold = 0;  // of 2^32: how often a channel pauses for a cycle
};

[[noreturn]] inline void protocol_error(const std::string& port, const std::string& what, uint64_t address) {
  throw std::runtime_error("rtl engine: AXI port " + port + ": " + what + " (address " + std::to_string(address) + ")");
}

struct Burst {
  uint64_t address;
  uint32_t left;   // beats
  uint64_t ready;  // cycle from which on it may be answered
};

inline void check_burst(const std::string& port, uint64_t address, uint32_t beats, uint32_t beat_bytes) {
  const uint64_t first = address / beat_bytes * beat_bytes;
  if (first / 4096 != (first + uint64_t{beats} * beat_bytes - 1) / 4096) {
    protocol_error(port, "a burst of " + std::to_string(beats) + " beats crosses a 4 KiB boundary", address);
  }
}

// Pins of a read master. `data` is bus_bytes bytes long, little-endian.
struct ReadPins {
  const uint8_t& arvalid;
  uint8_t& arready;
  const uint64_t& araddr;
  const uint8_t& arlen;
  uint8_t& rvalid;
  const uint8_t& rready;
  uint8_t* rdata;
  uint8_t& rresp;
  uint8_t& rlast;
};

class ReadSlave {
 public:
  ReadSlave(std::string name, ReadPins pins, uint32_t bus_bytes)
      : name_(std::move(name)), pins_(pins), bus_bytes_(bus_bytes) {}

  Fault fault;

  void reset() {
    bursts_.clear();
    beats_ = 0;
    pins_.arready = pins_.rvalid = 0;
  }

  // True if anything was handed over.
  bool sample() {
    took_address_ = pins_.arvalid && pins_.arready;
    took_data_ = pins_.rvalid && pins_.rready;
    if (took_address_) {
      address_ = pins_.araddr;
      length_ = pins_.arlen + 1u;
    }
    return took_address_ || took_data_;
  }

  void drive(uint64_t cycle, Memory& memory, Random& random, const Timing& timing) {
    if (took_address_) {
      check_burst(name_, address_, length_, bus_bytes_);
      bursts_.push_back({address_ / bus_bytes_ * bus_bytes_, length_, cycle + timing.latency});
    }
    pins_.arready = bursts_.size() < kOutstanding && !random.chance(timing.stall_threshold);
    if (pins_.rvalid && !took_data_) return;  // an offer stands until it is taken
    pins_.rvalid = 0;
    if (bursts_.empty() || bursts_.front().ready > cycle || random.chance(timing.stall_threshold)) return;
    if (memory.ready(bus_bytes_) && !(fault.hits(beats_) && fault.response == Response::kNever)) offer(memory);
  }

 private:
  static constexpr size_t kOutstanding = 32;

  void offer(Memory& memory) {
    memory.charge(bus_bytes_);
    Burst& burst = bursts_.front();
    const bool inside = memory.holds(burst.address, bus_bytes_);
    if (inside) {
      memory.read(burst.address, pins_.rdata, bus_bytes_);
    } else {
      std::memset(pins_.rdata, 0xa5, bus_bytes_);
    }
    Response response = inside ? Response::kOkay : Response::kDecodeError;
    if (fault.hits(beats_)) response = fault.response;
    pins_.rresp = static_cast<uint8_t>(response);
    pins_.rlast = burst.left == 1;
    pins_.rvalid = 1;
    burst.address += bus_bytes_;
    ++beats_;
    if (--burst.left == 0) bursts_.pop_front();
  }

  std::string name_;
  ReadPins pins_;
  uint32_t bus_bytes_;
  std::deque<Burst> bursts_;
  uint64_t beats_ = 0, address_ = 0;
  uint32_t length_ = 0;
  bool took_address_ = false, took_data_ = false;
};

struct WritePins {
  const uint8_t& awvalid;
  uint8_t& awready;
  const uint64_t& awaddr;
  const uint8_t& awlen;
  const uint8_t& wvalid;
  uint8_t& wready;
  const uint8_t* wdata;
  const uint8_t* wstrb;
  const uint8_t& wlast;
  uint8_t& bvalid;
  const uint8_t& bready;
  uint8_t& bresp;
};

class WriteSlave {
 public:
  WriteSlave(std::string name, WritePins pins, uint32_t bus_bytes)
      : name_(std::move(name)), pins_(pins), bus_bytes_(bus_bytes) {}

  Fault fault;

  void reset() {
    bursts_.clear();
    answers_.clear();
    count_ = 0;
    failed_ = false;
    pins_.awready = pins_.wready = pins_.bvalid = 0;
  }

  bool sample(Memory& memory) {
    took_address_ = pins_.awvalid && pins_.awready;
    took_data_ = pins_.wvalid && pins_.wready;
    took_answer_ = pins_.bvalid && pins_.bready;
    if (took_address_) {
      address_ = pins_.awaddr;
      length_ = pins_.awlen + 1u;
    }
    if (took_data_) store(memory);
    return took_address_ || took_data_ || took_answer_;
  }

  void drive(uint64_t cycle, Memory& memory, Random& random, const Timing& timing) {
    if (took_address_) {
      check_burst(name_, address_, length_, bus_bytes_);
      bursts_.push_back({address_ / bus_bytes_ * bus_bytes_, length_, 0});
    }
    if (finished_) answers_.push_back({finished_answer_, cycle + timing.latency});
    finished_ = false;
    pins_.awready = bursts_.size() < kOutstanding && !random.chance(timing.stall_threshold);
    pins_.wready = !bursts_.empty() && !random.chance(timing.stall_threshold) && memory.ready(bus_bytes_);
    if (pins_.bvalid && !took_answer_) return;
    pins_.bvalid = 0;
    if (answers_.empty() || answers_.front().ready > cycle || random.chance(timing.stall_threshold)) return;
    pins_.bresp = static_cast<uint8_t>(answers_.front().response);
    pins_.bvalid = 1;
    answers_.pop_front();
  }

 private:
  static constexpr size_t kOutstanding = 32;

  struct Answer {
    Response response;
    uint64_t ready;
  };

  void store(Memory& memory) {
    memory.charge(bus_bytes_);
    Burst& burst = bursts_.front();
    const bool inside = memory.holds(burst.address, bus_bytes_);
    if (inside) memory.write(burst.address, pins_.wdata, pins_.wstrb, bus_bytes_);
    failed_ |= !inside;
    if ((burst.left == 1) != (pins_.wlast != 0)) protocol_error(name_, "WLAST is not at the last beat", burst.address);
    burst.address += bus_bytes_;
    if (--burst.left != 0) return;
    bursts_.pop_front();
    finished_ = !(fault.hits(count_) && fault.response == Response::kNever);
    finished_answer_ = fault.hits(count_) ? fault.response : failed_ ? Response::kDecodeError : Response::kOkay;
    failed_ = false;
    ++count_;
  }

  std::string name_;
  WritePins pins_;
  uint32_t bus_bytes_;
  std::deque<Burst> bursts_;
  std::deque<Answer> answers_;
  uint64_t count_ = 0, address_ = 0;
  uint32_t length_ = 0;
  Response finished_answer_ = Response::kOkay;
  bool took_address_ = false, took_data_ = false, took_answer_ = false, failed_ = false, finished_ = false;
};

}  // namespace fpq::sim
