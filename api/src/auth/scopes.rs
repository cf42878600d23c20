//! Scopes: what the token of a service may do. A token without the claim `scope` may do everything that a service may.

use super::rights::Action;

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes {
    events_write: bool,
    people_read: bool,
    people_write: bool,
}

/// The names of scopes in tokens.
pub const NAMES: [&str; 3] = [EVENTS_WRITE, PEOPLE_READ, PEOPLE_WRITE];

const EVENTS_WRITE: &str = "events:write";
const PEOPLE_READ: &str = "people:read";
const PEOPLE_WRITE: &str = "people:write";

impl Scopes {
    /// Everything that a service may do.
    pub const ALL: Self = Self { events_write: true, people_read: true, people_write: true };

    /// The scopes of a claim: names separated by spaces. Other names are for other servers, and are ignored.
    #[must_use]
    pub fn parse(claim: &str) -> Self {
        let has = |name: &str| claim.split(' ').any(|word| word == name);
        Self {
            events_write: has(EVENTS_WRITE),
            people_read: has(PEOPLE_READ),
            people_write: has(PEOPLE_WRITE),
        }
    }

    /// The scope that this action needs and that is missing.
    pub(super) fn lacks(self, action: Action) -> Option<&'static str> {
        let (has, name) = match action {
            Action::RecordEvents => (self.events_write, EVENTS_WRITE),
            Action::SeeRecord => (self.people_read, PEOPLE_READ),
            Action::KeepPeople | Action::LinkGuardian | Action::Enroll | Action::CompleteLesson => {
                (self.people_write, PEOPLE_WRITE)
            }
            // No service may do anything else.
            _ => return None,
        };
        (!has).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_its_actions_and_no_other() {
        for (claim, lacking) in [
            ("events:write people:read people:write", [None, None, None]),
            ("openid events:write", [None, Some(PEOPLE_READ), Some(PEOPLE_WRITE)]),
            ("people:read", [Some(EVENTS_WRITE), None, Some(PEOPLE_WRITE)]),
            ("people:write", [Some(EVENTS_WRITE), Some(PEOPLE_READ), None]),
            ("", [Some(EVENTS_WRITE), Some(PEOPLE_READ), Some(PEOPLE_WRITE)]),
        ] {
            let scopes = Scopes::parse(claim);
            let found = [Action::RecordEvents, Action::SeeRecord, Action::KeepPeople]
                .map(|action| scopes.lacks(action));
            assert_eq!(found, lacking, "{claim}");
        }
        assert_eq!(Scopes::parse("events:write people:read people:write"), Scopes::ALL);
    }
}
