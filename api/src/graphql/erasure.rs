//! What data protection asks for: everything held on a person, and the end of it.

use async_graphql::{Context, ID, InputObject, Json, SimpleObject};
use uuid::Uuid;

use super::context::{app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use super::scalars::parse_uuid;
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry;

/// On whom to take out everything.
#[derive(InputObject)]
pub(crate) struct ExportPersonInput {
    /// The person.
    user_id: ID,
}

/// What became of `exportPerson`.
#[derive(SimpleObject)]
pub(crate) struct ExportPersonPayload {
    /// Everything that is held on them, as a JSON object with a list a kind; null if something was wrong.
    export: Option<Json<serde_json::Value>>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Whom to erase.
#[derive(InputObject)]
pub(crate) struct ErasePersonInput {
    /// The person.
    user_id: ID,
}

/// What became of `erasePerson`.
#[derive(SimpleObject)]
pub(crate) struct ErasePersonPayload {
    /// The person as they are from now on, without a name; null if something was wrong.
    user: Option<User>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Takes out what is held on a person, as the caller may.
pub(crate) async fn export(ctx: &Context<'_>, input: ExportPersonInput) -> Answer<ExportPersonPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ExportPerson)?;
    let exported = match read_id(&input.user_id) {
        Ok(person) => registry::export::export(app(ctx)?, &request, person).await,
        Err(refusal) => Err(refusal.into()),
    };
    match exported {
        Ok(export) => Ok(ExportPersonPayload { export: Some(Json(export)), user_errors: Vec::new() }),
        Err(failure) => {
            Ok(ExportPersonPayload { export: None, user_errors: vec![user_error(failure, &["input"])?] })
        }
    }
}

/// Erases a person, as the caller may.
pub(crate) async fn erase(ctx: &Context<'_>, input: ErasePersonInput) -> Answer<ErasePersonPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ErasePerson)?;
    let erased = match read_id(&input.user_id) {
        Ok(person) => registry::erasure::erase(app(ctx)?, &request, person).await,
        Err(refusal) => Err(refusal.into()),
    };
    match erased {
        Ok(row) => Ok(ErasePersonPayload { user: Some(User::new(row)), user_errors: Vec::new() }),
        Err(failure) => {
            Ok(ErasePersonPayload { user: None, user_errors: vec![user_error(failure, &["input"])?] })
        }
    }
}

fn read_id(id: &ID) -> Result<Uuid, Refusal> {
    let message = "Not a UUID: send an id as this API answers it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid(["userId"], message))
}
