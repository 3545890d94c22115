// SPDX-License-Identifier: Apache-2.0
// A fiber: a function with a stack of its own that can be left in the middle and taken up again, in one thread.
#ifndef FPQ_SIM_FIBER_HPP_
#define FPQ_SIM_FIBER_HPP_

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define FPQ_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FPQ_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef FPQ_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace fpq {
namespace sim {

// Address space for the largest on-chip buffers as local arrays; only pages that are used take memory. The page below
// it is left unmapped, so that an overflow stops the program at once.
class Stack {
 public:
  static constexpr std::size_t kBytes = std::size_t{64} << 20;
  static constexpr std::size_t kGuard = std::size_t{64} << 10;

  Stack() : base_(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(base_, kGuard, PROT_NONE);
  }
  ~Stack() { munmap(base_, kBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void* bottom() const { return static_cast<char*>(base_) + kGuard; }
  static constexpr std::size_t size() { return kBytes - kGuard; }

 private:
  void* base_;
};

// Stacks are kept for the next run: their pages need not be found again.
inline std::vector<std::unique_ptr<Stack>>& spare_stacks() {
  static thread_local std::vector<std::unique_ptr<Stack>> stacks;
  return stacks;
}

class Fiber {
 public:
  // `body` must not let an exception out.
  explicit Fiber(std::function<void()> body) : body_(std::move(body)) {
    if (spare_stacks().empty()) spare_stacks().emplace_back(new Stack);
    stack_ = std::move(spare_stacks().back());
    spare_stacks().pop_back();
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_->bottom();
    inside_.uc_stack.ss_size = Stack::size();
    inside_.uc_link = nullptr;
    makecontext(&inside_, &Fiber::enter, 0);
  }
  ~Fiber() { spare_stacks().push_back(std::move(stack_)); }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Go on until it suspends itself or ends. Called from outside only.
  void resume() {
    starting() = this;
    before_switch(&outside_fake_stack_, stack_->bottom(), Stack::size());
    swapcontext(&outside_, &inside_);
    after_switch(outside_fake_stack_, nullptr, nullptr);
  }

  // Go back to where `resume` was called. Called from inside only.
  void suspend() {
    before_switch(&inside_fake_stack_, outside_bottom_, outside_size_);
    swapcontext(&inside_, &outside_);
    after_switch(inside_fake_stack_, &outside_bottom_, &outside_size_);
  }

  bool done() const { return done_; }

 private:
  static Fiber*& starting() {
    static thread_local Fiber* fiber = nullptr;
    return fiber;
  }

  static void enter() {
    Fiber* self = starting();
    after_switch(nullptr, &self->outside_bottom_, &self->outside_size_);
    self->body_();
    self->done_ = true;
    before_switch(nullptr, self->outside_bottom_, self->outside_size_);  // nullptr: this stack is not come back to
    setcontext(&self->outside_);
  }

  // The address sanitizer must know on which stack it is.
#ifdef FPQ_ADDRESS_SANITIZER
  static void before_switch(void** fake_stack, const void* bottom, std::size_t size) {
    __sanitizer_start_switch_fiber(fake_stack, bottom, size);
  }
  static void after_switch(void* fake_stack, const void** old_bottom, std::size_t* old_size) {
    __sanitizer_finish_switch_fiber(fake_stack, old_bottom, old_size);
  }
#else
  static void before_switch(void**, const void*, std::size_t) {}
  static void after_switch(void*, const void**, std::size_t*) {}
#endif

  std::function<void()> body_;
  std::unique_ptr<Stack> stack_;
  ucontext_t inside_;
  ucontext_t outside_;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_size_ = 0;
  void* inside_fake_stack_ = nullptr;
  void* outside_fake_stack_ = nullptr;
  bool done_ = false;
};

}  // namespace sim
}  // namespace fpq

#endif  // FPQ_SIM_FIBER_HPP_
