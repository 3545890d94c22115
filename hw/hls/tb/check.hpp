// SPDX-License-Identifier: Apache-2.0
// The smallest of test frameworks: comparisons are counted, the first differences of a test are printed.
#ifndef FPQ_TB_CHECK_HPP_
#define FPQ_TB_CHECK_HPP_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tb {

class Test {
 public:
  explicit Test(std::uint64_t seed) : state_(seed * 2 + 1) {}

  // Compares; `what` is only called for a difference, to tell of it.
  template <class T, class U, class What>
  void equal(const T& found, const U& wanted, const What& what) {
    ++checks_;
    if (found == wanted) return;
    differ(what() + ": found " + text(found) + ", wanted " + text(wanted));
  }
  void is_true(bool condition, const std::string& what) {
    ++checks_;
    if (!condition) differ(what);
  }

  // Random numbers (splitmix64); the seed is printed with the results.
  std::uint64_t random() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); }

  std::uint64_t checks() const { return checks_; }
  std::uint64_t differences() const { return differences_; }

 private:
  static std::string text(const std::string& value) { return value; }
  template <class T>
  static std::string text(const T& value) {
    return std::to_string(value);
  }
  void differ(const std::string& message);

  std::uint64_t state_;
  std::uint64_t checks_ = 0;
  std::uint64_t differences_ = 0;
};

// What a test file registers: `static const tb::Registered name("what", [](tb::Test& test) { ... });`
struct Registered {
  Registered(const char* name, std::function<void(Test&)> body);
};

// Runs all; prints a table; the exit code.
int run_all(std::uint64_t seed);

}  // namespace tb

#endif  // FPQ_TB_CHECK_HPP_
