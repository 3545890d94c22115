// SPDX-License-Identifier: Apache-2.0
// A dataflow region in C-simulation: its processes are fibers of one thread that take turns. A process runs until it
// waits for a stream or ends. When every process waits, the hardware would hang: that is an error, found at once and
// without a clock, that names each process and the stream it waits for. Runs are deterministic.
#ifndef FPQ_SIM_REGION_HPP_
#define FPQ_SIM_REGION_HPP_

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fpq/sim/fiber.hpp"

namespace fpq {
namespace sim {

// A defect of the engine itself: a deadlock, or tokens that nobody read.
class SimulationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Thrown in processes that wait, once another one has failed.
struct Stopped {};

enum class Access { kRead, kWrite };

// What a region needs to know of a stream.
class Channel {
 public:
  Channel(std::string name, std::size_t depth);
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == depth_; }
  std::size_t size() const { return count_; }
  bool ready(Access access) const { return access == Access::kRead ? !empty() : !full(); }

  std::string describe() const {
    return "stream '" + name_ + "' (" + std::to_string(count_) + " of " + std::to_string(depth_) + " tokens)";
  }

 protected:
  void wait_until_ready(Access access);

  std::string name_;
  std::size_t depth_;
  std::size_t count_ = 0;
};

class Region {
 public:
  explicit Region(std::string name) : name_(std::move(name)), outer_(current()) { current() = this; }
  ~Region() { current() = outer_; }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // The region that is being set up or run by this thread.
  static Region*& current() {
    static thread_local Region* region = nullptr;
    return region;
  }

  // `call` is the source text of the call; the process is named after the function.
  void add(const std::string& call, std::function<void()> body) {
    processes_.emplace_back(new Process{call.substr(0, call.find_first_of("<(")), std::move(body)});
  }

  void watch(const Channel* channel) { channels_.push_back(channel); }

  // Runs all processes to their ends. Throws what the first process to fail has thrown, or SimulationError.
  void run() {
    for (auto& process : processes_) start(*process);
    while (Process* next = next_ready()) {
      running_ = next;
      next->fiber->resume();
      running_ = nullptr;
    }
    if (!all_done()) {
      fail(std::make_exception_ptr(SimulationError(deadlock_message())));
      for (auto& process : processes_) {
        running_ = process.get();
        while (!process->fiber->done()) process->fiber->resume();
      }
      running_ = nullptr;
    }
    if (error_) std::rethrow_exception(error_);
    for (const Channel* channel : channels_) {
      if (!channel->empty()) throw SimulationError(name_ + ": nobody read what is left in " + channel->describe());
    }
  }

  // Called by a stream in a process: come back when it is ready.
  void wait(const Channel* channel, Access access) {
    Process* self = running_;
    if (!self) throw SimulationError(name_ + ": " + channel->describe() + " is used outside of a process");
    if (error_) throw Stopped();
    self->channel = channel;
    self->access = access;
    self->fiber->suspend();
    self->channel = nullptr;
    if (error_) throw Stopped();
  }

 private:
  struct Process {
    Process(std::string process_name, std::function<void()> process_body)
        : name(std::move(process_name)), body(std::move(process_body)) {}
    std::string name;
    std::function<void()> body;
    std::unique_ptr<Fiber> fiber;
    const Channel* channel = nullptr;  // what it waits for
    Access access = Access::kRead;
  };

  void start(Process& process) {
    process.fiber.reset(new Fiber([this, &process] {
      try {
        process.body();
      } catch (const Stopped&) {  // the first error is the one to tell
      } catch (...) {
        fail(std::current_exception());
      }
    }));
  }

  void fail(std::exception_ptr error) {
    if (!error_) error_ = std::move(error);
  }

  // Round robin; in a region that has failed every process may go on, to its end.
  Process* next_ready() {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      turn_ = (turn_ + 1) % processes_.size();
      Process& process = *processes_[turn_];
      if (process.fiber->done()) continue;
      if (error_ || !process.channel || process.channel->ready(process.access)) return &process;
    }
    return nullptr;
  }

  bool all_done() const {
    for (const auto& process : processes_) {
      if (!process->fiber->done()) return false;
    }
    return true;
  }

  std::string deadlock_message() const {
    std::string text = "deadlock in " + name_ + ":";
    for (const auto& process : processes_) {
      if (process->fiber->done()) continue;
      const char* doing = process->access == Access::kRead ? " waits to read " : " waits to write ";
      text += "\n  " + process->name + doing + process->channel->describe();
    }
    return text;
  }

  std::string name_;
  Region* outer_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<const Channel*> channels_;
  Process* running_ = nullptr;
  std::size_t turn_ = 0;
  std::exception_ptr error_;
};

inline Channel::Channel(std::string name, std::size_t depth) : name_(std::move(name)), depth_(depth) {
  if (Region::current()) Region::current()->watch(this);
}

inline void Channel::wait_until_ready(Access access) {
  while (!ready(access)) {
    if (!Region::current()) throw SimulationError("there is no region in which to wait for " + describe());
    Region::current()->wait(this, access);
  }
}

}  // namespace sim
}  // namespace fpq

#endif  // FPQ_SIM_REGION_HPP_
