// SPDX-License-Identifier: Apache-2.0
// The Verilated engine with its memory as a Python module. Built by host/devices/verilate.py, which defines FPQ_MODULE
// (the module's name), FPQ_BUS_BITS and FPQ_INTERRUPT (what Verilator calls the interrupt pin).

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <verilated.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vfpq_accel.h"
#include "axi.hpp"
#include "memory.hpp"

#if VM_TRACE
#include <verilated_fst_c.h>
#endif

namespace py = pybind11;

namespace fpq::sim {

constexpr uint32_t kBusBytes = FPQ_BUS_BITS / 8;
constexpr uint64_t kLiteLimit = 10000;  // cycles in which a register access must be answered

template <typename Pin>
uint8_t* bytes_of(Pin& pin) {
  return reinterpret_cast<uint8_t*>(&pin);
}

// The names of a read master's pins follow from its prefix.
#define FPQ_READ_PINS(p)                                                                         \
  {top->p##_arvalid, top->p##_arready,         top->p##_araddr, top->p##_arlen, top->p##_rvalid, \
   top->p##_rready,  bytes_of(top->p##_rdata), top->p##_rresp,  top->p##_rlast}

class Engine {
 public:
  Engine(py::array_t<uint8_t, py::array::c_style> memory, uint64_t base, double bytes_per_cycle, uint64_t latency,
         double stall, uint64_t seed)
      : bytes(std::move(memory)),
        context(std::make_unique<VerilatedContext>()),
        top(std::make_unique<Vfpq_accel>(context.get(), "fpq_accel")),
        store(bytes.mutable_data(), static_cast<uint64_t>(bytes.size()), base, bytes_per_cycle),
        random(seed),
        timing{latency, static_cast<uint64_t>(stall * 4294967296.0)},
        readers{ReadSlave("x", FPQ_READ_PINS(m_axi_x), kBusBytes), ReadSlave("w0", FPQ_READ_PINS(m_axi_w0), kBusBytes),
                ReadSlave("w1", FPQ_READ_PINS(m_axi_w1), kBusBytes),
                ReadSlave("w2", FPQ_READ_PINS(m_axi_w2), kBusBytes),
                ReadSlave("w3", FPQ_READ_PINS(m_axi_w3), kBusBytes)},
        writer("y",
               {top->m_axi_y_awvalid, top->m_axi_y_awready, top->m_axi_y_awaddr, top->m_axi_y_awlen,
                top->m_axi_y_wvalid, top->m_axi_y_wready, bytes_of(top->m_axi_y_wdata), bytes_of(top->m_axi_y_wstrb),
                top->m_axi_y_wlast, top->m_axi_y_bvalid, top->m_axi_y_bready, top->m_axi_y_bresp},
               kBusBytes) {
    reset();
  }

  ~Engine() {
    end_trace();
    top->final();
  }

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void reset() {
    for (ReadSlave& reader : readers) reader.reset();
    writer.reset();
    top->s_axi_control_awvalid = top->s_axi_control_wvalid = top->s_axi_control_bready = 0;
    top->s_axi_control_arvalid = top->s_axi_control_rready = 0;
    top->s_axi_control_wstrb = 0xf;
    top->ap_rst_n = 0;
    for (int i = 0; i < 16; ++i) tick();
    top->ap_rst_n = 1;
    for (int i = 0; i < 4; ++i) tick();
  }

  uint32_t read(uint32_t offset) {
    top->s_axi_control_araddr = static_cast<uint16_t>(offset);
    top->s_axi_control_arvalid = top->s_axi_control_rready = 1;
    uint32_t data = 0;
    bool asked = false, answered = false;
    for (uint64_t i = 0; !answered; ++i) {
      settle();
      const bool ask = top->s_axi_control_arvalid && top->s_axi_control_arready;
      answered = top->s_axi_control_rvalid;
      if (answered) data = top->s_axi_control_rdata;
      advance();
      asked |= ask;
      top->s_axi_control_arvalid = !asked;
      expect(i, "read", offset);
    }
    top->s_axi_control_rready = 0;
    return data;
  }

  void write(uint32_t offset, uint32_t value) {
    top->s_axi_control_awaddr = static_cast<uint16_t>(offset);
    top->s_axi_control_wdata = value;
    top->s_axi_control_awvalid = top->s_axi_control_wvalid = top->s_axi_control_bready = 1;
    bool answered = false;
    for (uint64_t i = 0; !answered; ++i) {
      settle();
      const bool address = top->s_axi_control_awvalid && top->s_axi_control_awready;
      const bool data = top->s_axi_control_wvalid && top->s_axi_control_wready;
      answered = top->s_axi_control_bvalid;
      advance();
      if (address) top->s_axi_control_awvalid = 0;
      if (data) top->s_axi_control_wvalid = 0;
      expect(i, "write", offset);
    }
    top->s_axi_control_bready = 0;
  }

  // Run until the interrupt, until stop() is called, or until nothing moved on any port for `patience` cycles.
  std::string wait(uint64_t patience) {
    uint64_t quiet = 0;
    while (!top->FPQ_INTERRUPT) {
      quiet = tick() ? 0 : quiet + 1;
      if (quiet > patience) return "stuck";
      if (cycles % 1024 == 0 && stopped.exchange(false)) return "stopped";
    }
    stopped = false;
    return "done";
  }

  void stop() { stopped = true; }

  void run(uint64_t count) {
    while (count-- > 0) tick();
  }

  void fail(const std::string& port, uint64_t at, int response) {
    const Fault fault{response != 0, at, static_cast<Response>(response)};
    const std::array<std::string, 5> names{"x", "w0", "w1", "w2", "w3"};
    for (size_t i = 0; i < names.size(); ++i) {
      if (port == names[i]) {
        readers[i].fault = fault;
        return;
      }
    }
    if (port != "y") throw std::invalid_argument("rtl engine: no AXI port " + port);
    writer.fault = fault;
  }

  void begin_trace(const std::string& path) {
#if VM_TRACE
    context->traceEverOn(true);
    end_trace();
    trace = std::make_unique<VerilatedFstC>();
    top->trace(trace.get(), 99);
    trace->open(path.c_str());
#else
    throw std::runtime_error("rtl engine: built without waveforms, so " + path + " cannot be written");
#endif
  }

  void end_trace() {
#if VM_TRACE
    if (trace) trace->close();
    trace.reset();
#endif
  }

  uint64_t cycle_count() const { return cycles; }

 private:
  static void expect(uint64_t waited, const char* what, uint32_t offset) {
    if (waited > kLiteLimit) {
      throw std::runtime_error("rtl engine: no answer to the " + std::string(what) + " of register " +
                               std::to_string(offset));
    }
  }

  // Let outputs follow the inputs that were set; before the rising edge.
  void settle() {
    top->ap_clk = 0;
    top->eval();
#if VM_TRACE
    if (trace) trace->dump(cycles * 10);
#endif
  }

  // The rising edge, and the memory's next offers. True if anything moved.
  bool advance() {
    bool moved = writer.sample(store);
    for (ReadSlave& reader : readers) moved |= reader.sample();
    top->ap_clk = 1;
    top->eval();
#if VM_TRACE
    if (trace) trace->dump(cycles * 10 + 5);
#endif
    ++cycles;
    if (!top->ap_rst_n) return false;
    store.tick();
    // Writes, which are few, go first; the readers take turns.
    writer.drive(cycles, store, random, timing);
    for (size_t i = 0; i < readers.size(); ++i) {
      readers[(cycles + i) % readers.size()].drive(cycles, store, random, timing);
    }
    return moved;
  }

  bool tick() {
    settle();
    return advance();
  }

  py::array_t<uint8_t, py::array::c_style> bytes;
  std::unique_ptr<VerilatedContext> context;
  std::unique_ptr<Vfpq_accel> top;
#if VM_TRACE
  std::unique_ptr<VerilatedFstC> trace;
#endif
  Memory store;
  Random random;
  Timing timing;
  std::array<ReadSlave, 5> readers;
  WriteSlave writer;
  uint64_t cycles = 0;
  std::atomic<bool> stopped{false};
};

PYBIND11_MODULE(FPQ_MODULE, module) {
  using release = py::call_guard<py::gil_scoped_release>;
  module.doc() = "The Verilated fpq_accel with its memory.";
  py::class_<Engine>(module, "Engine", py::module_local())  // a process may load several builds
      .def(py::init<py::array_t<uint8_t, py::array::c_style>, uint64_t, double, uint64_t, double, uint64_t>(),
           py::arg("memory"), py::kw_only(), py::arg("base") = 0, py::arg("bytes_per_cycle") = 0.0,
           py::arg("latency") = 0, py::arg("stall") = 0.0, py::arg("seed") = 1)
      .def("reset", &Engine::reset, release())
      .def("read", &Engine::read, release(), py::arg("offset"))
      .def("write", &Engine::write, release(), py::arg("offset"), py::arg("value"))
      .def("wait", &Engine::wait, release(), py::arg("patience"))
      .def("run", &Engine::run, release(), py::arg("cycles"))
      .def("stop", &Engine::stop)
      .def("fail", &Engine::fail, py::arg("port"), py::arg("at"), py::arg("response"))
      .def("begin_trace", &Engine::begin_trace, py::arg("path"))
      .def("end_trace", &Engine::end_trace)
      .def_property_readonly("cycles", &Engine::cycle_count);
}

}  // namespace fpq::sim
