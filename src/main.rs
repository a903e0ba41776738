//! The binary: parse the command line, dispatch, exit code.

fn main() -> std::process::ExitCode {
    usher::cli::run(std::env::args_os())
}
