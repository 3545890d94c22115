// SPDX-License-Identifier: Apache-2.0
// Runs the benches side by side, prints what each said, and fails if one did. An argument is passed on: the seed.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Bench {
  const char* program;
  std::string output;
  int status;
};

void run(Bench& bench, const std::string& arguments) {
  const std::string command = std::string("'") + bench.program + "'" + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) {
    bench.output = "cannot start " + command + "\n";
    bench.status = EXIT_FAILURE;
    return;
  }
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), pipe)) bench.output.append(buffer, got);
  bench.status = pclose(pipe);
}

}  // namespace

int main(int argc, char** argv) {
  std::string arguments;
  for (int i = 1; i < argc; ++i) arguments += std::string(" '") + argv[i] + "'";
  std::vector<Bench> benches;
  for (const char* program : {FPQ_BENCHES}) benches.push_back({program, "", EXIT_FAILURE});
  std::vector<std::thread> threads;
  for (Bench& bench : benches) threads.emplace_back(run, std::ref(bench), arguments);
  for (std::thread& thread : threads) thread.join();
  bool failed = false;
  for (const Bench& bench : benches) {
    std::printf("%s\n%s\n", bench.program, bench.output.c_str());
    failed = failed || bench.status != 0;
  }
  std::printf(failed ? "csim_bench: FAILED\n" : "csim_bench: passed\n");
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
