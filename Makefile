# The short way to everything; CMakePresets.json holds the long one.

BUILD := build/release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SOURCES = $(shell find bench cli examples include src tests \
	-name '*.[ch]' 2>/dev/null)

.PHONY: all run test bench bench-peers install check-install format clean help deps \
	differential fuzz hostile faults soak mutants coverage

all: $(BUILD)/build.ninja ## build the program: build/release/kahu (default)
	cmake --build $(BUILD)

run: deps all ## install what is missing, build, run the tour
	$(BUILD)/kahu examples/scripts/tour.luau

test: deps all ## install what is missing, build, run every test
	ctest --preset release -j $(JOBS)

bench: all ## QUICK=1: measure against bare VM calls and against peers
	@tools/install_deps bench || echo "bench: goes on, without a chart"
	cmake --build $(BUILD) --target bench-programs
	@python=$$(for p in python3 /usr/bin/python3; do \
		$$p -c 'import matplotlib' 2>/dev/null && echo $$p && break; \
	done); $${python:-python3} bench/run $(BUILD) $(if $(QUICK),--quick)

# It takes minutes, so `make bench` does without: it uses what is there.
bench-peers: ## build what `make bench` compares with, by cargo
	cargo install --locked --root build/peers lune@0.11.1

.PHONY: bench-instructions
bench-instructions: all ## count instructions of base and core, compare
	cmake --build $(BUILD) --target kahu-micro
	bench/instructions $(BUILD)

.PHONY: docs
docs: ## install what is missing, make the site of all documentation
	@tools/install_deps docs
	tools/make_site

install: all ## install the program and the library under PREFIX=/usr/local
	cmake --install $(BUILD) --prefix $(PREFIX)

check-install: all ## install into a new place, use it from C and C++ there
	tests/install/run $(BUILD)

.PHONY: check-types
check-types: all ## the type definitions in the eyes of Luau's type checker
	cmake -S tests/types/analyzer -B build/analyzer -G Ninja \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
	cmake --build build/analyzer
	tools/check_types $(BUILD)/kahu --analyzer build/analyzer/kahu-analyzer

# --- Machines that look for what nobody thought of. Each ends with its figure,
# --- and fails on a finding.

differential: all ## COUNT=N SEED=S: random programs against the model
	python3 tests/model/differential.py \
		$(BUILD)/tests/model/model_runner \
		--count $(or $(COUNT),100000) --seed $(or $(SEED),1) \
		--keep build/differential

fuzz: ## SECONDS=N: any bytes as scripts, as calls of the API
	tools/install_deps fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz --target kahu_fuzz_script kahu_fuzz_api
	AFL_QUIET=1 AFL_DONT_OPTIMIZE=1 cmake --preset afl
	AFL_QUIET=1 AFL_DONT_OPTIMIZE=1 cmake --build --preset afl \
		--target kahu_fuzz_script kahu_fuzz_api
	tests/fuzz/run build/fuzz build/afl $(or $(SECONDS),60)

hostile: ## capacities of one, collections, every allocation failing
	cmake --preset hostile
	cmake --build --preset hostile
	ctest --preset hostile -j $(JOBS) -E '^(scale|tree)\.'
	@ctest --preset hostile -N -E '^(scale|tree)\.' \
		| sed -n 's/^Total Tests: \(.*\)/hostile: all of \1 tests passed/p'

faults: all ## signals, full disks, limits of the system
	python3 tests/faults/faults.py $(BUILD)/kahu

soak: all ## SECONDS=N: everything at once, and memory stays flat
	$(BUILD)/tests/soak/kahu_soak $(or $(SECONDS),600)

mutants: ## small faults that the tests have to notice
	python3 tests/mutants/mutants.py --jobs $(JOBS) build/mutants

coverage: ## lines and branches of the library that the tests run
	tools/install_deps coverage
	cmake --preset coverage
	cmake --build --preset coverage
	find build/coverage -name '*.gcda' -delete
	ctest --preset coverage -j $(JOBS) \
		-R '^(unit|embed|fault|behaviour|model|programs|stress)\.'
	gcovr --root . --filter src/ --exclude-directories '.*kahu_single.*' \
		--exclude-unreachable-branches --exclude-throw-branches \
		build/coverage --txt --json build/coverage/coverage.json
	tools/check_coverage build/coverage/coverage.json

format: ## let clang-format lay out every C file
	clang-format -i $(SOURCES)

clean: ## remove everything that was built
	rm -rf build

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) \
		| expand -t 22

# Without root, and with something missing, this prints the line to run.
deps:
	@tools/install_deps

$(BUILD)/build.ninja: CMakePresets.json
	cmake --preset release
