//! Proofs that `policy` issues: the people to whom an actor may apply one action, and that a person is one of them.
//! A proof holds for its action only. Used for another action, it matches no person.

use uuid::Uuid;

use super::Actor;
use super::rights::{Action, Relation, Whom, whom};

/// The people to whom an actor may apply one action. The store turns it into SQL and issues [`Seen`] for the people
/// that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    action: Action,
    extent: Extent,
}

/// A set of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// No person.
    Nobody,
    /// All people.
    Everybody,
    /// The people who have one of these relations to the actor.
    Related {
        /// The actor.
        me: Uuid,
        /// The relations.
        relations: &'static [Relation],
    },
}

impl Reach {
    /// The reach of this actor for this action, from the table. A service has no relations, so they match no person.
    pub(super) fn of(actor: &Actor, action: Action) -> Self {
        if actor.lacks_scope(action).is_some() {
            return Self { action, extent: Extent::Nobody };
        }
        let extent = match (whom(action, actor.role()), actor.person()) {
            (Whom::Everybody, _) => Extent::Everybody,
            (Whom::Only(relations), Some(me)) => Extent::Related { me, relations },
            (Whom::Only(_), None) | (Whom::Nobody, _) => Extent::Nobody,
        };
        Self { action, extent }
    }

    /// Whether it is all people.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.extent == Extent::Everybody
    }

    /// The people for the proof's own action.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// The people for a statement that serves these actions; no person if the proof is for another action.
    pub(crate) fn extent_for(&self, actions: &[Action]) -> Extent {
        if actions.contains(&self.action) { self.extent } else { Extent::Nobody }
    }

    /// The proof for a person that a statement found within this reach. Only `store` calls this.
    pub(crate) fn found(&self, person: Uuid) -> Seen {
        Seen { person, action: self.action }
    }
}

/// Proof that an actor may apply one action to this person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seen {
    person: Uuid,
    action: Action,
}

impl Seen {
    /// The person's id.
    #[must_use]
    pub fn person(&self) -> Uuid {
        self.person
    }

    /// The person's id, if the proof is for one of these actions.
    pub(crate) fn person_for(&self, actions: &[Action]) -> Option<Uuid> {
        Some(self.person).filter(|_| actions.contains(&self.action))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Role, Scopes};
    use super::*;

    fn actor(role: Role) -> Actor {
        match role {
            Role::Service => Actor::Service { source: "school".into(), scopes: Scopes::ALL },
            role => Actor::Person { id: Uuid::from_u128(7), role },
        }
    }

    #[test]
    fn a_reach_follows_the_table_and_is_empty_for_every_other_action() {
        for action in Action::ALL {
            for role in Role::ALL {
                let reach = Reach::of(&actor(role), action);
                let me = Uuid::from_u128(7);
                let expected = match whom(action, role) {
                    Whom::Nobody => Extent::Nobody,
                    Whom::Everybody => Extent::Everybody,
                    Whom::Only(relations) => Extent::Related { me, relations },
                };
                assert_eq!(reach.extent_for(&[action]), expected, "{action:?} {role:?}");
                for other in Action::ALL.into_iter().filter(|other| *other != action) {
                    assert_eq!(reach.extent_for(&[other]), Extent::Nobody, "{action:?} as {other:?}");
                }
                let seen = reach.found(me);
                assert_eq!((seen.person_for(&[action]), seen.person_for(&[])), (Some(me), None));
            }
        }
    }

    #[test]
    fn relations_of_an_actor_that_is_not_a_person_match_no_person() {
        let service = actor(Role::Service);
        for action in Action::ALL {
            let is_related = matches!(Reach::of(&service, action).extent(), Extent::Related { .. });
            assert!(!is_related, "{action:?}");
        }
        assert_eq!(Reach::of(&service, Action::AwardBadge).extent(), Extent::Nobody);
    }
}
