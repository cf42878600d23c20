//! The machine resources that processes use, read from Linux's `/proc`.

use std::path::PathBuf;
use std::time::Duration;

use crate::database::{Backend, Database};

/// The processes of one server: its own, and those of its PostgreSQL connections.
#[derive(Clone)]
pub struct Meter<'a> {
    server: u32,
    database: &'a Database,
    connections: Vec<u32>,
}

impl<'a> Meter<'a> {
    /// A meter of the server with this process id.
    #[must_use]
    pub fn of(server: u32, database: &'a Database) -> Self {
        Self { server, database, connections: Vec::new() }
    }

    /// Finds the processes of the server's connections. PostgreSQL must run on this machine, without parallel workers,
    /// because these end before they can be read.
    pub async fn find_connections(&mut self) {
        if self.database.backend == Backend::Postgres {
            let others = "datname = current_database() AND pid <> pg_backend_pid()";
            let query = format!("SELECT CAST(pid AS bigint) FROM pg_stat_activity WHERE {others}");
            let ids = self.database.numbers(&query).await;
            self.connections = ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect();
        }
    }

    /// The total processor time of the server and the connections found.
    #[must_use]
    pub fn processor(&self) -> Duration {
        std::iter::once(&self.server).chain(&self.connections).copied().map(processor_of).sum()
    }

    /// The server's resident memory in bytes: now, and the peak since [`Meter::reset_peak`].
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(self.file("status")).expect("the server runs on Linux");
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a known line");
            let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
            kibibytes * 1024
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    /// Resets the peak to the current memory.
    pub fn reset_peak(&self) {
        std::fs::write(self.file("clear_refs"), "5").expect("the process belongs to this user");
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.server))
    }
}

/// The processor time of a process: the sum over its threads, which the kernel counts in nanoseconds.
fn processor_of(process: u32) -> Duration {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Duration::ZERO };
    let times = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}
