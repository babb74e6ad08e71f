//! The frame: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match ipalias::command::parse() {
        Ok(cli) => cli,
        Err(exit) => return ExitCode::from(exit as u8),
    };
    let level = match cli.global.verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| ipalias::ui::Log)
        .without_time()
        .with_target(false)
        .init();
    ExitCode::from(ipalias::command::run(&cli) as u8)
}
