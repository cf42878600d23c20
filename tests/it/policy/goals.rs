//! The targets of requests in the school of the matrix, and their relations to the caller.

use plaudit::auth::Role;

use super::school::{ERASED, FOUND, GUARDIANS, PEOPLE, ROLES, School};
use super::table::{Target, Tie};

/// A target: an id, and the person it belongs to.
pub(super) struct Goal {
    pub(super) who: &'static str,
    pub(super) role: Role,
    /// Whether the person has been erased.
    pub(super) erased: bool,
    pub(super) person: String,
    pub(super) id: String,
}

impl School {
    /// All targets of a kind.
    pub(super) fn goals(&self, of: Target) -> Vec<Goal> {
        let people = || PEOPLE.into_iter().filter(|(who, _)| *who != "loner");
        let goal = |(who, role): (&'static str, Role), id: String| Goal {
            who,
            role,
            erased: ERASED.contains(&who),
            person: self.people[who].clone(),
            id,
        };
        let each = |id: &dyn Fn(&'static str) -> String| people().map(|one| goal(one, id(one.0))).collect();
        // Certificates are issued only to students.
        let students = |nth: usize| {
            let students = people().filter(|(_, role)| *role == Role::Student);
            students.map(|one| goal(one, self.certificates[one.0][nth].clone())).collect()
        };
        let courses = |id: &dyn Fn(&(String, String)) -> String| {
            let of =
                [("teacher's", "teacher"), ("another's", "another teacher"), ("empty", "another teacher")];
            let goal = |(course, teacher): (&'static str, &str)| Goal {
                who: course,
                role: Role::Teacher,
                erased: false,
                person: self.people[teacher].clone(),
                id: id(&self.courses[course]),
            };
            of.into_iter().map(goal).collect()
        };
        let secrets = |id: &dyn Fn(&(String, String)) -> String| {
            let goal = |(who, secret): (&&'static str, &(String, String))| Goal {
                who,
                role: Role::Student,
                erased: false,
                person: secret.0.clone(),
                id: id(secret),
            };
            self.secrets.iter().map(goal).collect()
        };
        match of {
            Target::Person => each(&|who| self.people[who].clone()),
            Target::Earned => each(&|who| self.earned[who].clone()),
            Target::Given => each(&|who| self.given[who].clone()),
            Target::Certificate => students(0),
            Target::Spare => students(1),
            Target::Deleted => students(2),
            Target::Course => courses(&|course| course.0.clone()),
            Target::Lesson => courses(&|course| course.1.clone()),
            Target::Comment => courses(&|course| self.comments[&course.1].clone()),
            Target::Secret => secrets(&|secret| secret.0.clone()),
            Target::SecretKey => secrets(&|secret| secret.1.clone()),
            Target::Nothing
            | Target::Giver
            | Target::Badge
            | Target::Old
            | Target::Entry
            | Target::Webhook
            | Target::Delivery => {
                let mut goals: Vec<Goal> = each(&|who| match of {
                    Target::Badge => self.badges["Kind"].clone(),
                    Target::Old => self.badges["Old"].clone(),
                    Target::Entry => self.entry.clone(),
                    Target::Webhook => self.webhook.clone(),
                    Target::Delivery => self.delivery.clone(),
                    _ => self.people[who].clone(),
                });
                goals.retain(|goal| goal.who == "super admin");
                goals
            }
        }
    }

    /// The relations of the target to the caller.
    pub(super) fn ties(&self, role: Role, of: Target, goal: &Goal) -> Vec<Tie> {
        let mut ties = Vec::new();
        let own = PEOPLE.iter().zip(ROLES).take(5).find(|(_, asks)| *asks == role).map(|((who, _), _)| *who);
        if matches!(of, Target::Course | Target::Lesson | Target::Comment) {
            // By default the student is a pupil or the caller; both are enrolled in the same course.
            if ["teacher's", "another's"].contains(&goal.who) {
                ties.push(Tie::Taken);
            }
            // "pupil and child" is enrolled in it.
            if goal.who == "teacher's" && own.is_some_and(|own| GUARDIANS.contains(&own)) {
                ties.push(Tie::Child);
            }
            if own.is_some_and(|own| self.people[own] == goal.person) {
                ties.push(Tie::Own);
            }
            return ties;
        }
        if matches!(of, Target::Secret | Target::SecretKey) {
            if own.is_some() && goal.who == FOUND {
                ties.push(Tie::Own);
            }
            return ties;
        }
        if own == Some(goal.who) {
            ties.push(Tie::Own);
        }
        if role == Role::Teacher && ["student", "pupil", "pupil and child"].contains(&goal.who) {
            ties.push(Tie::Student);
        }
        if own.is_some_and(|own| GUARDIANS.contains(&own)) && ["child", "pupil and child"].contains(&goal.who)
        {
            ties.push(Tie::Child);
        }
        if (role == Role::Admin && goal.role == Role::SuperAdmin)
            || (role == Role::Service && matches!(goal.role, Role::SuperAdmin | Role::Admin))
        {
            ties.push(Tie::Above);
        }
        ties
    }
}
