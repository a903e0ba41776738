# Commands for working on usher: `just` lists them.

default:
    @just --list

# The service, a sandbox SignalWire and a throw-away issuer on loopback
dev *options:
    cargo run -- dev {{options}}

# All tests, doc tests too
test *filter:
    cargo test {{filter}}

# What a commit must pass, without installing anything
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
    cargo test

# What the runners run
ci:
    .ci/run

# The decision under random worlds alone, with its hit counts
properties:
    cargo test --test usher policy::properties -- --nocapture

# The tests against a certified OpenID Connect provider (needs Node.js 18 or later, and npm)
oidc:
    cd tests/oidc && npm ci --no-audit --no-fund --ignore-scripts
    cargo test --test usher -- --ignored oidc::

# The unmodified SDKs in Chromium, against `usher dev` (needs chromium, Node.js 20 or later, and npm)
browser: recipes
    cd tests/browser && npm ci --no-audit --no-fund --ignore-scripts
    cargo test --test usher -- --ignored browser::

# The TypeScript of docs/front-end.md, compiled and run (needs Node.js 20 or later, and npm)
recipes:
    tests/front-end/run.sh

# The service against its own /openapi.json, with thousands of requests (needs Python 3.11 with venv, and PyPI; a minute or two)
openapi:
    tests/openapi/run.sh

# The tests of the shared store (needs redis-server)
redis:
    cargo test --test usher -- --ignored cli::store::

# How many instructions the parts of a request take, held against benches/instructions/figures (needs valgrind; `-- --write` to write them anew)
instructions *options:
    cargo bench --bench instructions {{options}}

# Bad days at random for so many minutes, and whether anything was wrong (with redis-server, where there is one)
soak minutes="10":
    cargo bench --bench soak -- --minutes {{minutes}}

# Random input to `token`, `jwks`, `policy` or `decision` for so many seconds (needs cargo-fuzz; what it finds is in fuzz/artifacts)
fuzz target seconds="600":
    mkdir -p fuzz/target/corpus/{{target}}
    cargo fuzz run -s none {{target}} fuzz/target/corpus/{{target}} fuzz/corpus/{{target}} -- -max_total_time={{seconds}}

# The fuzz targets over their seeds, each once (needs a C++ compiler)
seeds:
    fuzz/seeds.sh

# Shows and accepts changed reports on faulty policies (needs cargo-insta)
review:
    cargo insta review

# Which rules of the policy and of sessions no test would miss (needs cargo-mutants; an hour or more)
mutants:
    cargo mutants -f 'src/policy/*' -f 'src/analysis/*' -f 'src/session/*'
