//! `upsertUser`: the register of people.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, SimpleObject};
use uuid::Uuid;

use super::context::{app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::people::{Role, User};
use super::scalars::parse_uuid;
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry::people::Change;

/// A person to create or to change. Omitted keeps, null clears; null where a value is required is INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpsertUserInput {
    /// The id they sign in with: a UUID.
    id: ID,
    /// The name others see: 1 to 100 letters. It is kept in NFC, which writes an accented letter as one character.
    display_name: String,
    /// Where messages go.
    email: MaybeUndefined<String>,
    /// What they are; STUDENT if never given.
    role: MaybeUndefined<Role>,
    /// An IANA zone such as Europe/Berlin; the school's if never given.
    timezone: MaybeUndefined<String>,
    /// A language tag such as pt-BR.
    locale: MaybeUndefined<String>,
    /// Who brought them here; set once.
    referred_by: MaybeUndefined<ID>,
}

/// What became of `upsertUser`.
#[derive(SimpleObject)]
pub(crate) struct UpsertUserPayload {
    /// The person as they are now; null if something was wrong.
    user: Option<User>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Creates or changes a person, as the caller may.
pub(crate) async fn upsert(ctx: &Context<'_>, input: UpsertUserInput) -> Answer<UpsertUserPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::KeepPeople)?;
    let written = match read(input) {
        Ok((id, change)) => crate::registry::people::upsert(app(ctx)?, &request, id, change).await,
        Err(refusal) => Err(refusal.into()),
    };
    match written {
        Ok(row) => Ok(UpsertUserPayload { user: Some(User::new(row)), user_errors: Vec::new() }),
        Err(failure) => {
            Ok(UpsertUserPayload { user: None, user_errors: vec![user_error(failure, &["input"])?] })
        }
    }
}

fn read(input: UpsertUserInput) -> Result<(Uuid, Change), Refusal> {
    let no_uuid =
        |field: &str| Refusal::invalid([field], "Not a UUID: send the id the person signs in with.");
    let id = parse_uuid(&input.id).ok_or_else(|| no_uuid("id"))?;
    let role = match input.role {
        MaybeUndefined::Null => {
            return Err(Refusal::invalid(
                ["role"],
                "A person has a role: name one, or leave it out to keep it.",
            ));
        }
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Value(role) => Some(role.into()),
    };
    let referred_by = match input.referred_by {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(id) => Some(Some(parse_uuid(&id).ok_or_else(|| no_uuid("referredBy"))?)),
    };
    let change = Change {
        display_name: input.display_name,
        email: input.email.as_opt_ref().map(|email| email.cloned()),
        role,
        timezone: input.timezone.as_opt_ref().map(|zone| zone.cloned()),
        locale: input.locale.as_opt_ref().map(|locale| locale.cloned()),
        referred_by,
    };
    Ok((id, change))
}
