//! The engine as a program, for tests of the adapter and of its fence.

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    std::process::exit(match args.as_slice() {
        ["--fence", model] => atoll_llama::fence_main(model.as_ref()),
        _ => atoll_llama::engine_main(),
    });
}
