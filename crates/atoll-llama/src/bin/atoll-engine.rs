//! The engine as a program, for tests of the adapter.

fn main() {
    std::process::exit(atoll_llama::engine_main());
}
