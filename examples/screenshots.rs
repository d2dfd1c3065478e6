//! Draws every screen of the console with sample data and saves the pictures:
//! `xvfb-run -a -s "-screen 0 1440x900x24" cargo run --example screenshots -- assets/screenshots`

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let out = std::env::args().nth(1).map_or_else(|| PathBuf::from("assets/screenshots"), PathBuf::from);
    match understudy::console::screenshots(&out) {
        Ok(()) => {
            println!("pictures are in {}", out.display());
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}
