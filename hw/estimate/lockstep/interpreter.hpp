// SPDX-License-Identifier: Apache-2.0
// Runs a netlist of tables and registers as hw/estimate/interpret.py writes it.

#pragma once

#include <cstdint>
#include <fstream>
#include <vector>

class Interpreter {
 public:
  explicit Interpreter(const char* path) {
    std::ifstream file(path);
    size_t nets = 0, count = 0;
    file >> nets >> count;
    values_.assign(nets + 2, 0);
    values_[1] = 1;
    tables_.resize(count);
    for (Table& table : tables_) {
      file >> table.out >> table.bits >> table.count;
      for (int i = 0; i < table.count; i++) file >> table.in[i];
    }
    file >> count;
    registers_.resize(count);
    for (Register& one : registers_) {
      int start = 0;
      file >> one.q >> one.d >> one.enable >> one.reset >> one.value >> start;
      values_[one.q] = static_cast<uint8_t>(start);
    }
    for (auto* places : {&inputs_, &outputs_}) {
      file >> count;
      places->resize(count);
      for (int& net : *places) file >> net;
    }
    good_ = !file.fail();
  }

  bool good() const { return good_; }

  // Between edges: what the inputs lead to.
  void settle(const std::vector<uint32_t>& in) {
    for (size_t i = 0; i < inputs_.size(); i++)
      if (inputs_[i] > 1) values_[inputs_[i]] = in[i / 32] >> (i % 32) & 1;
    for (const Table& table : tables_) {
      unsigned index = 0;
      for (int i = 0; i < table.count; i++) index |= static_cast<unsigned>(values_[table.in[i]]) << i;
      values_[table.out] = table.bits >> index & 1;
    }
  }

  // The clock's edge; settle() comes before and after.
  void edge() {
    next_.resize(registers_.size());
    for (size_t i = 0; i < registers_.size(); i++) {
      const Register& one = registers_[i];
      next_[i] = values_[one.reset] ? one.value : values_[one.enable] ? values_[one.d] : values_[one.q];
    }
    for (size_t i = 0; i < registers_.size(); i++) values_[registers_[i].q] = next_[i];
  }

  void read(std::vector<uint32_t>* out) const {
    for (uint32_t& word : *out) word = 0;
    for (size_t i = 0; i < outputs_.size(); i++)
      (*out)[i / 32] |= static_cast<uint32_t>(values_[outputs_[i]]) << (i % 32);
  }

 private:
  struct Table {
    uint64_t bits = 0;
    int out = 0, count = 0, in[6] = {};
  };
  struct Register {
    int q = 0, d = 0, enable = 0, reset = 0;
    int value = 0;
  };

  std::vector<uint8_t> values_, next_;
  std::vector<Table> tables_;
  std::vector<Register> registers_;
  std::vector<int> inputs_, outputs_;
  bool good_ = false;
};
