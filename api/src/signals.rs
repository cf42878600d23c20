//! Waits for the signal to stop: SIGTERM from a supervisor, SIGINT from a terminal.

use std::io;

/// SIGXFSZ, on Linux and macOS.
#[cfg(unix)]
const XFSZ: i32 = 25;

/// Makes a write past the file size limit fail, like a write to a full disk, instead of ending the process.
///
/// # Errors
/// If the operating system does not accept the handler.
#[cfg(unix)]
pub fn survive_file_limit() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    // The runtime keeps the handler after this stream is dropped.
    signal(SignalKind::from_raw(XFSZ)).map(drop)
}

/// Does nothing on systems without this signal.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn survive_file_limit() -> io::Result<()> {
    Ok(())
}

/// Waits for a stop signal; returns its name.
///
/// # Errors
/// If the operating system does not accept the handler.
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

/// Waits for a stop signal; returns its name.
///
/// # Errors
/// If the operating system does not accept the handler.
#[cfg(not(unix))]
pub async fn asked_to_stop() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}
