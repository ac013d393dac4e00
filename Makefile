# `make verify` runs the plan on the shipped gateway; `make test` runs the tests, of each slow matrix
# a part; `make test-all` runs all of it.
# Both install what is missing first.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Reports name the commit that their verify was built from.
BUILD = VERIFY_COMMIT="$$(git rev-parse HEAD 2>/dev/null)" $(CARGO) build --release --locked

.PHONY: verify test test-all images example book bench mutants provision

verify: provision
	$(BUILD)
	$(TARGET)/release/verify

test: provision
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	# What a release is built from: without the feature that the tests need.
	$(CARGO) clippy --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	# Tests on the Docker engine wait for each other: a third thread goes on with the rest.
	$(CARGO) test --locked -- --test-threads=3

# Also what takes long: the matrices that `make test` leaves out, and a minute for each fuzz target.
# See docs/src/explanation/mutation-testing.md.
test-all: test
	$(CARGO) test --locked --test all -- --ignored --skip table_of_hostile_candidates --test-threads=1
	VERIFY_FUZZ_SECONDS=$${VERIFY_FUZZ_SECONDS:-60} $(CARGO) test --locked --test all -- fuzz:: --test-threads=2

# The images of the containers stack and of docker-compose.test.yml.
images: provision
	$(BUILD)
	scripts/images --verify $(TARGET)/release/verify

# The reports under reports/example and the pictures of README, from real runs.
example: provision
	$(BUILD)
	scripts/example $(TARGET)/release/verify
	scripts/pictures $(TARGET)/release/verify

# The book of docs/, in target/book.
book:
	@command -v mdbook >/dev/null || $(CARGO) install --locked --no-default-features --version 0.5.4 mdbook
	mdbook build docs --dest-dir "$(abspath $(TARGET))/book"

# How long a run takes, and what of it is the harness; how long each format takes, and its size.
bench: provision
	$(BUILD)
	scripts/bench $(TARGET)/release/verify
	$(CARGO) bench --locked --bench formats

# Whether the unit tests notice when the code that judges is changed: see
# docs/src/explanation/mutation-testing.md. Slow, and no part of CI.
mutants: provision
	$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked --version 27.1.0 cargo-mutants
	$(CARGO) mutants

provision:
	@scripts/provision
