//! The `redrive` program: the commands of the library, with no receivers of its own.

fn main() -> std::process::ExitCode {
    redrive::cli::main_with(redrive::Receivers::new())
}
