// SPDX-License-Identifier: Apache-2.0
// Drives an RTL module and its netlist with the same random inputs and compares every output twice a cycle.
// lockstep.hpp, written for the module, tells its ports. Exit code: 0 equal, 1 different. Prints "<cycles> <toggled>
// <outputs>".

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "Vlockstep.h"
#include "interpreter.hpp"
#include "lockstep.hpp"
#include "verilated.h"

namespace {

std::mt19937_64 generator;

uint64_t below(uint64_t limit) {
  return generator() % limit;
}

// How a port is driven for some cycles.
struct Mode {
  int kind = 0;
  int odds = 8;
  uint64_t pattern = 0;
  int period = 64;
};

Mode draw() {
  static const int odds[] = {0, 1, 8, 15, 16};
  static const int periods[] = {4, 6, 8, 16};
  return {static_cast<int>(below(8)), odds[below(5)], generator(), periods[below(4)]};
}

bool bit(const Port& port, const Mode& mode, int place, bool old) {
  if (port.width == 1) return static_cast<int>(below(16)) < mode.odds;
  switch (mode.kind) {
    case 0:
      return mode.pattern >> (place % mode.period) & 1;  // a code in every field
    case 1:
      return old;
    case 2:
      return below(8) == 0;
    case 3:
      return below(8) != 0;
    default:
      return generator() & 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const long cycles = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1000;
  generator.seed(seed);
  VerilatedContext context;
  Vlockstep top(&context);
#ifdef INTERPRET
  Interpreter netlist(INTERPRET);
  if (!netlist.good()) {
    std::printf("%s cannot be read\n", INTERPRET);
    return 1;
  }
#endif
  std::vector<uint32_t> inputs(kInputWords, 0), net(kOutputWords, 0), seen_zero(kOutputWords, 0),
      seen_one(kOutputWords, 0);
  std::vector<Mode> modes(kInputs.size());
  long left = 0;
  int reset = 32;
  for (long cycle = 0; cycle < cycles; cycle++) {
    if (left-- <= 0) {
      left = 8 + static_cast<long>(below(100));
      for (auto& mode : modes) mode = draw();
      if (below(12) == 0) reset = 4;
    }
    if (reset > 0) reset--;
    for (size_t i = 0; i < kInputs.size(); i++) {
      const Port& port = kInputs[i];
      const bool hold = port.width > 1 && below(4) == 0 && modes[i].kind > 5;
      for (int place = 0; place < port.width && !hold; place++) {
        const int at = port.offset + place;
        uint32_t& word = inputs[at / 32];
        const bool old = word >> (at % 32) & 1;
        const bool value = port.reset ? (reset == 0) == (port.reset == 1) : bit(port, modes[i], place, old);
        word = (word & ~(1u << (at % 32))) | static_cast<uint32_t>(value) << (at % 32);
      }
    }
    for (int w = 0; w < kInputWords; w++) top.in_i[w] = inputs[w];
    for (int clock = 0; clock < 2; clock++) {
      top.clk_i = clock;
      top.eval();
#ifdef INTERPRET
      if (clock) netlist.edge();
      netlist.settle(inputs);
      netlist.read(&net);
#else
      for (int w = 0; w < kOutputWords; w++) net[w] = top.net_o[w];
#endif
      // Registers without a reset start undefined: what is in the pipeline at first is not compared.
      for (int w = 0; w < kOutputWords && cycle >= kWarm; w++) {
        seen_zero[w] |= ~top.rtl_o[w];
        seen_one[w] |= top.rtl_o[w];
        const uint32_t wrong = top.rtl_o[w] ^ net[w];
        if (!wrong) continue;
        const int at = 32 * w + __builtin_ctz(wrong);
        for (const Port& port : kOutputs)
          if (at >= port.offset && at < port.offset + port.width)
            std::printf("cycle %ld: %s[%d] is %u in the netlist, %u in the RTL\n", cycle, port.name, at - port.offset,
                        net[w] >> (at % 32) & 1, top.rtl_o[w] >> (at % 32) & 1);
        return 1;
      }
    }
    context.timeInc(1);
  }
  long toggled = 0, outputs = 0;
  for (const Port& port : kOutputs)
    for (int at = port.offset; at < port.offset + port.width; at++, outputs++)
      toggled += seen_zero[at / 32] & seen_one[at / 32] & 1u << (at % 32) ? 1 : 0;
  std::printf("%ld %ld %ld\n", cycles, toggled, outputs);
  return 0;
}
