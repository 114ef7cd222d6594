//! Entry point of the program; the command line is in `tenter::cli`.

fn main() -> std::process::ExitCode {
    tenter::cli::run()
}
