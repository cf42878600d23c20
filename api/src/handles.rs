//! The file handles of the process. Each connection needs one. Without a free handle the server cannot even refuse
//! a connection.

use crate::config::Limits;

/// Handles reserved for everything except accepted clients: database connections, files, the operations listener, and
/// connections that are being refused.
const SPARE: usize = 512;

/// Raises the soft limit of file handles as far as the operating system allows. Lowers the limits of connections
/// if there are fewer handles than they need.
pub fn fit(limits: &mut Limits) {
    let Some(handles) = raise() else { return };
    let wanted = limits.connections;
    if lower(limits, handles) {
        tracing::warn!(
            handles,
            wanted,
            connections = limits.connections,
            "the limit of open files is too low for limits.connections; raise it (ulimit -n)"
        );
    }
}

#[cfg(unix)]
fn raise() -> Option<usize> {
    let handles = rlimit::increase_nofile_limit(u64::MAX).ok()?;
    Some(usize::try_from(handles).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raise() -> Option<usize> {
    None
}

/// Lowers the limits to fit this number of handles; returns whether it did. The limit per address keeps its ratio.
fn lower(limits: &mut Limits, handles: usize) -> bool {
    let most = handles.saturating_sub(SPARE).max(handles / 4).max(1);
    let wanted = limits.connections;
    if wanted <= most {
        return false;
    }
    limits.connections = most;
    let part = limits.connections_per_address.saturating_mul(most).checked_div(wanted).unwrap_or(most);
    limits.connections_per_address = part.max(1);
    true
}

#[cfg(test)]
mod tests {
    use super::lower;
    use crate::config::Limits;

    #[test]
    fn connections_leave_handles_for_the_rest() {
        for (handles, connections, per_address) in
            [(1_000_000, 10_000, 2_500), (10_512, 10_000, 2_500), (1_024, 512, 128), (256, 64, 16)]
        {
            let mut limits = Limits::default();
            assert_eq!(lower(&mut limits, handles), connections < 10_000);
            assert_eq!((limits.connections, limits.connections_per_address), (connections, per_address));
        }
    }
}
