//! `upsertUser`: creates and changes people.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, SimpleObject};
use uuid::Uuid;

use super::context::{app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::people::{Role, User};
use super::scalars::parse_uuid;
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry::people::Change;

/// The person to create or change. Omitted fields keep their value. Null clears a field; for a required field, null is
/// INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpsertUserInput {
    /// The person's id, a UUID: the `sub` of their token.
    id: ID,
    /// The name that other people see: 1 to 100 characters, stored in Unicode NFC.
    display_name: String,
    /// The email address.
    email: MaybeUndefined<String>,
    /// The role. Default for a new person: STUDENT.
    role: MaybeUndefined<Role>,
    /// An IANA time zone, such as Europe/Berlin. Default for a new person: the school's time zone.
    timezone: MaybeUndefined<String>,
    /// A language tag, such as pt-BR.
    locale: MaybeUndefined<String>,
    /// The id of the person who referred this person. Once set, it cannot change.
    referred_by: MaybeUndefined<ID>,
}

/// The result of `upsertUser`.
#[derive(SimpleObject)]
pub(crate) struct UpsertUserPayload {
    /// The person after the change. Null on error.
    user: Option<User>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Creates or changes a person, if the caller is allowed to.
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
                "A person must have a role: send one, or omit the field to keep it.",
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
