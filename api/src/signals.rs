//! Waits for the machine to ask us to stop: SIGTERM from a supervisor, SIGINT from a terminal.

use std::io;

/// SIGXFSZ, on Linux and macOS.
#[cfg(unix)]
const XFSZ: i32 = 25;

/// Ends when the process is asked to stop; says by which signal.
///
/// # Errors
/// When the operating system does not let us listen.
#[cfg(unix)]
pub async fn asked_to_stop() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A file at its size limit then fails to be written, like a full disk, instead of ending the process.
    let _file_too_long = signal(SignalKind::from_raw(XFSZ))?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// Ends when the process is asked to stop; says by which signal.
///
/// # Errors
/// When the operating system does not let us listen.
#[cfg(not(unix))]
pub async fn asked_to_stop() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}
