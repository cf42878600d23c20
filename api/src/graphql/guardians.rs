//! `linkGuardian`: links guardians to students, so that they can see the students' records.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::context::{app, request_context};
use super::courses::given;
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use crate::auth::policy::{self, Action};
use crate::registry::guardians::{self as registry, Linked};

/// A link between a guardian and a student, to create or to end.
#[derive(InputObject)]
pub(crate) struct LinkGuardianInput {
    /// The guardian: a person whose role is not STUDENT.
    parent_id: ID,
    /// The student whose record the guardian can see.
    student_id: ID,
    /// True creates the link, false ends it.
    #[graphql(default = true)]
    linked: bool,
}

/// The result of `linkGuardian`.
#[derive(SimpleObject)]
pub(crate) struct LinkGuardianPayload {
    /// The guardian. Null on error.
    parent: Option<User>,
    /// The student. Null on error.
    student: Option<User>,
    /// Whether they are linked now. Null on error.
    linked: Option<bool>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Links a guardian to a student, or ends the link.
pub(crate) async fn link(ctx: &Context<'_>, input: LinkGuardianInput) -> Answer<LinkGuardianPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::LinkGuardian)?;
    let (guardian, child) = (given("parentId", &input.parent_id), given("studentId", &input.student_id));
    let done = match guardian.and_then(|guardian| Ok((guardian, child?))) {
        Ok((guardian, child)) => registry::link(app(ctx)?, &request, guardian, child, input.linked).await,
        Err(refusal) => Err(refusal.into()),
    };
    Ok(match done {
        Ok(Linked { guardian, child }) => LinkGuardianPayload {
            parent: Some(User::new(guardian)),
            student: Some(User::new(child)),
            linked: Some(input.linked),
            user_errors: Vec::new(),
        },
        Err(failure) => LinkGuardianPayload {
            parent: None,
            student: None,
            linked: None,
            user_errors: vec![user_error(failure, &["input"])?],
        },
    })
}
