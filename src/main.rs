//! The program; see `tenter::cli`.

fn main() -> std::process::ExitCode {
    tenter::cli::run()
}
