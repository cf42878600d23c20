//! How many operations a subject may run at once.

use super::Subject;
use crate::auth::Role;

/// Concurrent operations for each kind of subject.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtOnce {
    pub(super) person: usize,
    pub(super) admin: usize,
    pub(super) service: usize,
    pub(super) address: usize,
}

impl AtOnce {
    /// The maximum of this subject, and the setting that defines it.
    pub(super) fn of(&self, subject: &Subject) -> (usize, &'static str) {
        match subject {
            Subject::Person { role: Role::SuperAdmin | Role::Admin, .. } => {
                (self.admin, "limits.operations_at_once_admin")
            }
            Subject::Person { .. } => (self.person, "limits.operations_at_once"),
            Subject::Service(_) => (self.service, "limits.operations_at_once_service"),
            Subject::Address(_) | Subject::Unnamed => (self.address, "limits.operations_at_once_address"),
        }
    }
}
