# `make verify` runs the plan on the shipped gateway; `make test` runs every test.
# Both install what is missing first.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: verify test images example bench mutants provision

verify: provision
	$(CARGO) build --release --locked
	$(TARGET)/release/verify

test: provision
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	# Tests on the Docker engine wait for each other: a third thread goes on with the rest.
	$(CARGO) test --locked -- --test-threads=3

# The images of the containers stack and of docker-compose.test.yml.
images: provision
	$(CARGO) build --release --locked
	scripts/images --verify $(TARGET)/release/verify

# The report under reports/example, from a real run.
example: provision
	$(CARGO) build --release --locked
	scripts/example $(TARGET)/release/verify

# How long a run takes, and what of it is the harness.
bench: provision
	$(CARGO) build --release --locked
	scripts/bench $(TARGET)/release/verify

# Whether the unit tests notice when the code that judges is changed: see
# docs/mutation-testing.md. Slow, and no part of CI.
mutants: provision
	$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked --version 27.1.0 cargo-mutants
	$(CARGO) mutants

provision:
	@scripts/provision
