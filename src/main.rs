//! The one binary: parses the command line and hands it to the library.

use std::process::ExitCode;

/// What a shell sees of a program that a closed pipe ended: 128 + SIGPIPE.
const PIPE_CLOSED: i32 = 141;

fn main() -> ExitCode {
    leave_when_nobody_reads();
    hagaki::cli::main()
}

/// `hagaki … | head` ends quietly: Rust turns a closed pipe into a panic of `println!`.
fn leave_when_nobody_reads() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_some_and(|said| said.starts_with("failed printing to stdout") && said.contains("Broken pipe")) {
            std::process::exit(PIPE_CLOSED);
        }
        tell(panic);
    }));
}
