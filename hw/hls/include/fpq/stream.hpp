// SPDX-License-Identifier: Apache-2.0
// hls::stream and the processes of a dataflow region. Synthesis sees the tool's streams and plain calls; C-simulation
// sees bounded streams and processes that take turns, so that a deadlock of the hardware is an error here.
#ifndef FPQ_STREAM_HPP_
#define FPQ_STREAM_HPP_

#ifdef __SYNTHESIS__
#include <hls_stream.h>

#define FPQ_REGION(name)
#define FPQ_PROCESS(...) __VA_ARGS__
#define FPQ_RUN_REGION
#else
#include "fpq/sim/stream.hpp"

#define FPQ_REGION(name) ::fpq::sim::Region fpq_region(name)
#define FPQ_PROCESS(...) fpq_region.add(#__VA_ARGS__, [&] { __VA_ARGS__; })
#define FPQ_RUN_REGION fpq_region.run()
#endif

#endif  // FPQ_STREAM_HPP_
