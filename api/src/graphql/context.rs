//! The data that every resolver can read: the application, the caller and the loaders.

use std::sync::Arc;

use async_graphql::Context;

use super::fault::{Answer, Fault};
use super::loaders::RequestLoaders;
use crate::app::App;
use crate::audit::RequestContext;
use crate::auth::Actor;
use crate::budget::turns::Pacer;
use crate::refusal::Refusal;

/// The caller of one request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The authenticated actor. `None` without a token; then only `__typename` and introspection succeed.
    pub(crate) actor: Option<Actor>,
    /// The id of the request. The response, the log and the audit log contain it.
    pub(crate) request_id: Arc<str>,
}

/// The application.
pub(crate) fn app<'a>(context: &Context<'a>) -> Answer<&'a App> {
    context.data_opt().ok_or_else(unprepared)
}

/// The pacer of this request, which holds its execution turn.
pub(crate) fn pacer<'a>(context: &Context<'a>) -> Answer<&'a Pacer> {
    context.data_opt().ok_or_else(unprepared)
}

/// The authenticated actor; UNAUTHENTICATED if the request has none.
pub(crate) fn actor<'a>(context: &Context<'a>) -> Answer<&'a Actor> {
    let caller: &Caller = context.data_opt().ok_or_else(unprepared)?;
    caller.actor.as_ref().ok_or_else(|| Refusal::token_missing().into())
}

/// The actor and the request id, as the audit log records them.
pub(crate) fn request_context(context: &Context<'_>) -> Answer<RequestContext> {
    let caller: &Caller = context.data_opt().ok_or_else(unprepared)?;
    Ok(RequestContext { actor: actor(context)?.clone(), request_id: Arc::clone(&caller.request_id) })
}

/// The loaders of this request.
pub(crate) fn loaders<'a>(context: &Context<'a>) -> Answer<&'a RequestLoaders> {
    context.data_opt().ok_or_else(unprepared)
}

fn unprepared() -> Fault {
    Refusal::internal().into()
}
