// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

namespace tb {
namespace {

struct Named {
  const char* name;
  std::function<void(Test&)> body;
};

std::vector<Named>& tests() {
  static std::vector<Named> all;
  return all;
}

}  // namespace

Registered::Registered(const char* name, std::function<void(Test&)> body) {
  tests().push_back({name, std::move(body)});
}

void Test::differ(const std::string& message) {
  constexpr std::uint64_t kShown = 5;
  if (differences_++ < kShown) std::printf("  %s\n", message.c_str());
}

int run_all(std::uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  std::printf("seed %llu\n%-58s %12s %10s %8s\n", static_cast<unsigned long long>(seed), "test", "checks", "wrong",
              "seconds");
  std::uint64_t wrong = 0;
  for (const Named& named : tests()) {
    Test test(seed);
    const Clock::time_point start = Clock::now();
    try {
      named.body(test);
    } catch (const std::exception& error) {
      test.is_true(false, std::string("exception: ") + error.what());
    }
    if (test.checks() == 0) test.is_true(false, "nothing was checked");
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("%-58s %12llu %10llu %8.2f\n", named.name, static_cast<unsigned long long>(test.checks()),
                static_cast<unsigned long long>(test.differences()), seconds);
    std::fflush(stdout);
    wrong += test.differences();
  }
  std::printf(wrong == 0 ? "all equal\n" : "FAILED\n");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace tb

int main(int argc, char** argv) {
  const char* last = argc > 1 ? argv[argc - 1] : "1";
  return tb::run_all(std::strtoull(last, nullptr, 10));
}
