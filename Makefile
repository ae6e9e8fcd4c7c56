# The short way to everything; CMakePresets.json holds the long one.

BUILD := build/release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SOURCES = $(shell find bench cli examples include src tests \
	-name '*.[ch]' 2>/dev/null)

.PHONY: all run test bench install check-install format clean help deps

all: $(BUILD)/build.ninja ## build the program: build/release/kahu (default)
	cmake --build $(BUILD)

run: deps all ## install what is missing, build, run the tour
	$(BUILD)/kahu examples/scripts/tour.luau

test: deps all ## install what is missing, build, run every test
	ctest --preset release -j $(JOBS)

bench: all ## measure against the same work in bare VM calls
	cmake --build $(BUILD) --target kahu-floor kahu-ops
	bench/run $(BUILD)
	$(BUILD)/bench/kahu-ops

install: all ## install the program and the library under PREFIX=/usr/local
	cmake --install $(BUILD) --prefix $(PREFIX)

check-install: all ## install into a new place, use it from C and C++ there
	tests/install/run $(BUILD)

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
