//! The console program: wiring only.

use std::process::ExitCode;

fn main() -> ExitCode {
    understudy::cli::main()
}
