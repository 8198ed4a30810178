//! The portcullis program. Everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis_server::cli::main()
}
