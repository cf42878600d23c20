//! Data protection: exports the data of a person, and erases a person.

use std::borrow::Cow;

use async_graphql::{Context, ID, InputObject, SimpleObject};
use uuid::Uuid;

use super::context::{app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use super::scalars::{Json, parse_uuid};
use crate::auth::policy::{self, Action};
use crate::refusal::Refusal;
use crate::registry;

/// The person whose data to export.
#[derive(InputObject)]
pub(crate) struct ExportPersonInput {
    /// The person's id.
    user_id: ID,
}

/// The result of `exportPerson`.
#[derive(SimpleObject)]
pub(crate) struct ExportPersonPayload {
    /// All stored data of the person, as a JSON object with one list for each kind of data. Null on error.
    export: Option<Json<'static>>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The person to erase.
#[derive(InputObject)]
pub(crate) struct ErasePersonInput {
    /// The person's id.
    user_id: ID,
}

/// The result of `erasePerson`.
#[derive(SimpleObject)]
pub(crate) struct ErasePersonPayload {
    /// The erased person, without a name. Null on error.
    user: Option<User>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Exports the data of a person, if the caller is allowed to.
pub(crate) async fn export(ctx: &Context<'_>, input: ExportPersonInput) -> Answer<ExportPersonPayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ExportPerson)?;
    let exported = match read_id(&input.user_id) {
        Ok(person) => registry::export::export(app(ctx)?, &request, person).await,
        Err(refusal) => Err(refusal.into()),
    };
    match exported {
        Ok(export) => {
            Ok(ExportPersonPayload { export: Some(Json(Cow::Owned(export))), user_errors: Vec::new() })
        }
        Err(failure) => {
            Ok(ExportPersonPayload { export: None, user_errors: vec![user_error(failure, &["input"])?] })
        }
    }
}

/// Erases a person, if the caller is allowed to.
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
    let message = "Not a UUID: send an id as this API returns it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid(["userId"], message))
}
