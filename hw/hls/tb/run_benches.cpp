// SPDX-License-Identifier: Apache-2.0
// Runs the benches side by side, prints what they say as they say it, and fails if one did. Arguments are passed on:
// the seed.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Bench {
  const char* name;
  int status;
};

void run(Bench& bench, const std::string& arguments) {
  const std::string command = std::string("'" FPQ_FOLDER "/") + bench.name + "'" + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) {
    std::printf("%s: cannot be started\n", bench.name);
    return;
  }
  char line[4096];
  while (std::fgets(line, sizeof(line), pipe)) {
    std::printf("%-12s | %s", bench.name, line);
    std::fflush(stdout);
  }
  bench.status = pclose(pipe);
}

}  // namespace

int main(int argc, char** argv) {
  std::string arguments;
  for (int i = 1; i < argc; ++i) arguments += std::string(" '") + argv[i] + "'";
  std::vector<Bench> benches;
  for (const char* name : {FPQ_BENCHES}) benches.push_back({name, EXIT_FAILURE});
  std::vector<std::thread> threads;
  for (Bench& bench : benches) threads.emplace_back(run, std::ref(bench), arguments);
  for (std::thread& thread : threads) thread.join();
  bool failed = false;
  for (const Bench& bench : benches) {
    std::printf("%-12s | %s\n", bench.name, bench.status == 0 ? "passed" : "FAILED");
    failed = failed || bench.status != 0;
  }
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
