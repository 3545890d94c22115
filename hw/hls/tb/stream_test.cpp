// SPDX-License-Identifier: Apache-2.0
// Streams and regions of C-simulation: a FIFO that is too shallow is found, and one failure ends everything.
#include "fpq/stream.hpp"

#include <stdexcept>
#include <string>

#include "check.hpp"
#include "fpq/gemm.hpp"

namespace {

using B = fpq::Build<fpq::spec::Fp4Family, fpq::spec::SmallGeometry>;

// The message of the error that `body` throws.
template <class Error, class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void has(tb::Test& test, const std::string& text, const std::string& part) {
  test.is_true(text.find(part) != std::string::npos, "'" + part + "' is missing in: " + text);
}

// One row of `slices` slices in one group, through the two real processes with a FIFO of `Depth` slices between them.
template <int Depth>
void measure_and_quantize(std::uint32_t slices) {
  fpq::Plan plan = {};
  plan.m = 1;
  plan.slices = slices;
  plan.group_slices = slices;
  FPQ_REGION("row");
  hls::stream<fpq::ValueSlice, 4> in("in");
  hls::stream<fpq::ValueSlice, Depth> row("row");
  hls::stream<fpq::Scale, 1> measured("measured");
  hls::stream<fpq::Scale, 1> scales("scales");
  hls::stream<fpq::CodeSlice<B>, 4> codes("codes");
  const auto feed = [&] {
    for (std::uint32_t i = 0; i < slices; ++i) in.write(fpq::ValueSlice());
  };
  const auto drain = [&] {
    scales.read();
    for (std::uint32_t i = 0; i < slices; ++i) codes.read();
  };
  FPQ_PROCESS(feed());
  FPQ_PROCESS(fpq::measure_groups<B>(in, row, measured, plan));
  FPQ_PROCESS(fpq::quantize<B>(row, measured, codes, scales, plan));
  FPQ_PROCESS(drain());
  FPQ_RUN_REGION;
}

void too_shallow(tb::Test& test) {
  test.is_true(error_of<fpq::sim::SimulationError>([] { measure_and_quantize<16>(16); }).empty(), "a row that fits");
  const std::string message = error_of<fpq::sim::SimulationError>([] { measure_and_quantize<16>(18); });
  has(test, message, "deadlock in row");
  has(test, message, "fpq::measure_groups waits to write stream 'row' (16 of 16 tokens)");
  has(test, message, "fpq::quantize waits to read stream 'measured' (0 of 1 tokens)");
}

void left_over(tb::Test& test) {
  const std::string message = error_of<fpq::sim::SimulationError>([] {
    FPQ_REGION("leaky");
    hls::stream<int, 2> numbers("numbers");
    const auto produce = [&] { numbers.write(1); };
    FPQ_PROCESS(produce());
    FPQ_RUN_REGION;
  });
  has(test, message, "nobody read what is left in stream 'numbers' (1 of 2 tokens)");
}

void failure(tb::Test& test) {
  int ended = 0;  // destructors must run in processes that are stopped
  struct Ends {
    int* count;
    ~Ends() { ++*count; }
  };
  const std::string message = error_of<std::runtime_error>([&] {
    FPQ_REGION("failing");
    hls::stream<int, 1> first("first");
    hls::stream<int, 1> second("second");
    const auto reader = [&] {
      Ends guard = {&ended};
      second.read();
    };
    const auto middle = [&] {
      Ends guard = {&ended};
      while (true) second.write(first.read());
    };
    const auto thrower = [&] {
      Ends guard = {&ended};
      first.write(1);
      first.write(2);
      throw std::runtime_error("this one");
    };
    FPQ_PROCESS(reader());
    FPQ_PROCESS(middle());
    FPQ_PROCESS(thrower());
    FPQ_RUN_REGION;
  });
  test.equal(message, std::string("this one"), [] { return std::string("the first error"); });
  test.equal(ended, 3, [] { return std::string("processes that ended"); });
  // And the thread is fit for the next region.
  test.is_true(error_of<std::exception>([] { measure_and_quantize<16>(3); }).empty(), "after a failure");
}

void without_region(tb::Test& test) {
  hls::stream<int, 1> lone("lone");
  lone.write(7);
  test.equal(lone.read(), 7, [] { return std::string("a token"); });
  has(test, error_of<fpq::sim::SimulationError>([&] { lone.read(); }), "stream 'lone' (0 of 1 tokens)");
}

// Tokens arrive in order and whole, whatever the depths.
template <int First, int Second>
void order(tb::Test& test) {
  int wrong = 0;
  FPQ_REGION("order");
  hls::stream<std::uint64_t, First> first("first");
  hls::stream<std::uint64_t, Second> second("second");
  const auto produce = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) first.write(i);
  };
  const auto pass = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) second.write(first.read() * 3);
  };
  const auto consume = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) wrong += second.read() != 3 * i;
  };
  FPQ_PROCESS(consume());
  FPQ_PROCESS(pass());
  FPQ_PROCESS(produce());
  FPQ_RUN_REGION;
  test.equal(wrong, 0, [] { return std::string("tokens out of order"); });
}

const tb::Registered test_shallow("streams: a FIFO that is too shallow", too_shallow);
const tb::Registered test_left("streams: tokens that nobody reads", left_over);
const tb::Registered test_failure("streams: a process that fails", failure);
const tb::Registered test_lone("streams: without a region", without_region);
const tb::Registered test_order("streams: order", [](tb::Test& test) {
  order<1, 1>(test);
  order<1, 7>(test);
  order<64, 3>(test);
});

}  // namespace
