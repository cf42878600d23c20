//! `linkGuardian`: who may see whose record as a parent does.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::context::{app, request_context};
use super::courses::given;
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use crate::auth::policy::{self, Action};
use crate::registry::guardians::{self as registry, Linked};

/// Who is linked to whose child, or no longer is.
#[derive(InputObject)]
pub(crate) struct LinkGuardianInput {
    /// Who may see: anybody but a student.
    parent_id: ID,
    /// Whose record: a student's.
    student_id: ID,
    /// false ends the link.
    #[graphql(default = true)]
    linked: bool,
}

/// What became of `linkGuardian`.
#[derive(SimpleObject)]
pub(crate) struct LinkGuardianPayload {
    /// Who may see; null if something was wrong.
    parent: Option<User>,
    /// Whose record; null if something was wrong.
    student: Option<User>,
    /// Whether they are linked now.
    linked: Option<bool>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Links a guardian to a child, or ends the link.
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
