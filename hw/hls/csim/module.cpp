// SPDX-License-Identifier: Apache-2.0
// host._csim: the C-simulated engine as a Python module.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "fpq/sim/region.hpp"
#include "instance.hpp"
#include "instances.hpp"

namespace py = pybind11;

namespace csim {

#define FPQ_DECLARE(family, geometry, Family, Geometry) \
  fpq::Registers run_##family##_##geometry(std::uint64_t*, std::uint64_t, std::uint64_t, std::uint64_t, std::uint32_t);
FPQ_INSTANCES(FPQ_DECLARE)

namespace {

#define FPQ_ENTRY(family, geometry, Family, Geometry) {#family, #geometry, &run_##family##_##geometry},
const Instance kInstances[] = {FPQ_INSTANCES(FPQ_ENTRY)};

const Instance& find(const std::string& family, const std::string& geometry) {
  std::string known;
  for (const Instance& instance : kInstances) {
    if (family == instance.family && geometry == instance.geometry) return instance;
    known += std::string(known.empty() ? "" : ", ") + instance.family + " " + instance.geometry;
  }
  throw py::value_error("no engine was compiled for family '" + family + "' and geometry '" + geometry +
                        "'; compiled: " + known);
}

// The memory as 64-bit words; refuses what the engine cannot work on in place.
std::uint64_t* words_of(py::array& memory) {
  if (memory.ndim() != 1 || !memory.dtype().is(py::dtype::of<std::uint8_t>()) ||
      !(memory.flags() & py::array::c_style)) {
    throw py::value_error("memory must be a contiguous array of uint8 of one dimension");
  }
  void* data = memory.mutable_data();  // throws ValueError if it is read-only
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(std::uint64_t) != 0) {
    throw py::value_error("memory must begin at an address that is a multiple of 8");
  }
  return static_cast<std::uint64_t*>(data);
}

py::dict dict_of(const fpq::Registers& registers) {
  py::dict result;
  result["identity"] = registers.identity;
  result["geometry"] = registers.geometry;
  result["act_depth"] = registers.act_depth;
  result["status"] = registers.status;
  result["error_index"] = registers.error_index;
  result["flags"] = registers.flags;
  result["overflow_index"] = registers.overflow_index;
  result["nonfinite_index"] = registers.nonfinite_index;
  result["busy_cycles"] = registers.busy_cycles;
  result["compute_cycles"] = registers.compute_cycles;
  result["load_stall_cycles"] = registers.load_stall_cycles;
  result["store_stall_cycles"] = registers.store_stall_cycles;
  result["read_bytes"] = registers.read_bytes;
  result["write_bytes"] = registers.write_bytes;
  return result;
}

class Engine {
 public:
  Engine(const std::string& family, const std::string& geometry) : instance_(find(family, geometry)) {}

  std::string family() const { return instance_.family; }
  std::string geometry() const { return instance_.geometry; }

  py::dict run(py::array memory, std::uint64_t list_address, std::uint32_t count, std::uint64_t base) const {
    if (base % sizeof(std::uint64_t) != 0) throw py::value_error("base must be a multiple of 8");
    std::uint64_t* words = words_of(memory);
    const std::uint64_t size = static_cast<std::uint64_t>(memory.nbytes()) / sizeof(std::uint64_t);
    fpq::Registers registers;
    {
      py::gil_scoped_release release;
      registers = instance_.run(words, base / sizeof(std::uint64_t), size, list_address, count);
    }
    return dict_of(registers);
  }

 private:
  const Instance& instance_;
};

}  // namespace

PYBIND11_MODULE(_csim, module) {
  module.doc() = "The HLS engine, compiled for C-simulation: the same source that is synthesized.";

  py::list instances;
  for (const Instance& instance : kInstances) instances.append(py::make_tuple(instance.family, instance.geometry));
  module.attr("INSTANCES") = py::tuple(instances);

  py::register_exception<fpq::sim::SimulationError>(module, "SimulationError", PyExc_RuntimeError);

  py::class_<Engine>(module, "Engine", "An engine of one family and geometry. It keeps no state between runs.")
      .def(py::init<const std::string&, const std::string&>(), py::arg("family"), py::arg("geometry"),
           "Raises ValueError for a pair that is not in INSTANCES.")
      .def_property_readonly("family", &Engine::family)
      .def_property_readonly("geometry", &Engine::geometry)
      .def("run", &Engine::run, py::arg("memory"), py::arg("list_address"), py::arg("count"), py::arg("base") = 0,
           "Run the `count` commands at `list_address` of `memory`, a contiguous uint8 array that is all of the\n"
           "engine's memory, begins at a multiple of 8, and is found at device address `base`. Returns the `out` "
           "registers by name. Other threads run\n"
           "meanwhile; they must leave `memory` alone. Raises ValueError for an unfit array, SimulationError for a\n"
           "defect of the engine (a deadlock); a bad command is no exception but a status.");
}

}  // namespace csim
