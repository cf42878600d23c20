//! Waits for the machine to ask us to stop: SIGTERM from a supervisor, SIGINT from a terminal.

use std::io;

/// SIGXFSZ, on Linux and macOS.
#[cfg(unix)]
const XFSZ: i32 = 25;

/// Lets a write past the limit on the size of files fail, like a write to a full disk, instead of ending the process.
///
/// # Errors
/// When the operating system does not let us listen.
#[cfg(unix)]
pub fn survive_file_limit() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    // The runtime keeps the handler after this stream is gone.
    signal(SignalKind::from_raw(XFSZ)).map(drop)
}

/// Does nothing where the system has no such signal.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn survive_file_limit() -> io::Result<()> {
    Ok(())
}

/// Ends when the process is asked to stop; says by which signal.
///
/// # Errors
/// When the operating system does not let us listen.
#[cfg(unix)]
pub async fn asked_to_stop() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
