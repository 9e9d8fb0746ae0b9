# What CI runs is what a person runs.

junit := "target/nextest/default/junit.xml target/nextest/e2e/junit.xml"

# Formatting, lints and documentation.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

# Everything: unit tests, then what needs Docker.
test: build unit e2e

build:
    cargo build --workspace --all-targets

unit:
    cargo nextest run --workspace
    cargo test --workspace --doc --quiet

e2e: build browser
    cargo nextest run --workspace --profile e2e

# Chromium and what drives it, for the tests of the HTML report.
browser:
    @command -v chromium > /dev/null || apt-get install -qq -y --no-install-recommends chromium || \
        { echo "chromium is missing: install it as root with \`apt-get install chromium\`" >&2; exit 1; }
    @cmp -s tests/browser/requirements.txt target/browser-venv/requirements.txt || { \
        python3 -m venv --clear target/browser-venv && \
        target/browser-venv/bin/pip install --quiet -r tests/browser/requirements.txt && \
        cp tests/browser/requirements.txt target/browser-venv/requirements.txt; } || \
        { echo "the Python packages of tests/browser/requirements.txt can't be installed: apt-get install python3-venv, and let pip reach an index" >&2; exit 1; }

# What ran: no test is skipped, the slowest are told, and every promise of docs/FIDELITY.md is proven.
ran: build
    cargo nextest list --workspace --message-format json > target/nextest/list.json
    target/x86_64-unknown-linux-gnu/debug/ran target/nextest/list.json tests/optional.toml {{junit}}
    target/x86_64-unknown-linux-gnu/debug/promises docs/FIDELITY.md {{junit}}

# How long things take, each against its floor, as rows of docs/BENCHMARKS.md; `just bench warm --runs 9` measures one.
bench *ARGUMENTS: build
    target/x86_64-unknown-linux-gnu/debug/bench {{ARGUMENTS}}

# What the gate adds to a call, and how many calls it decides and writes down a second.
bench-gate:
    cargo bench --package cloud --bench gate > target/gate.jsonl

# How long a disk of 2 GiB takes to be searched for secrets, and with what memory.
bench-leak:
    cargo bench --profile dev --workspace --bench disk

# What takes longer than a gate may: `just soak runs --seed 1`, `just soak kills --seed 1 --rounds 100`,
# `just soak conformance --seed 1 --rounds 5`, `just soak policies --seed 1 --rounds 1`, `just soak failures --seed 1 --rounds 1`,
# `just soak fleet --seed 1 --rounds 1`, `just soak engines --seed 1 --rounds 3`, `just soak leaks --seed 1 --rounds 9`,
# `just soak suites --seed 1 --rounds 14` (three hours), `just soak core-kills --seed 1 --rounds 13`.
soak *ARGUMENTS: build
    target/x86_64-unknown-linux-gnu/debug/soak {{ARGUMENTS}}

# Feeds a reader (recipe, interpolation, job) with bytes for some seconds; wants cargo-fuzz.
fuzz TARGET SECONDS='60':
    mkdir -p target/fuzz-corpus/{{TARGET}}
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none --target-dir target/fuzz --target x86_64-unknown-linux-gnu {{TARGET}} target/fuzz-corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -max_total_time={{SECONDS}} -max_len=65536 -timeout=10 -rss_limit_mb=2048

# Takes the texts of `--help` as they are now for those that are meant.
bless:
    UPDATE_EXPECT=1 cargo nextest run --package greenproof --bin greenproof help::each_help_is_as_it_was_read
