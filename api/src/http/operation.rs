//! What both transports do with a request before it runs, once they know who asks: weigh the document,
//! and put beside it what resolvers need.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, ServerError};

use super::answer::server_error;
use super::params::Params;
use crate::app::App;
use crate::graphql::context::Caller;
use crate::graphql::errands::Errands;
use crate::graphql::guard::{Rejection, admit};
use crate::graphql::{loaders, omitted};

/// An operation within its limits, ready to run.
pub(super) struct Operation {
    /// What the schema executes.
    pub(super) request: Request,
    /// What its loaders send: it is run through them.
    pub(super) errands: Errands,
    /// Query, mutation or subscription.
    pub(super) kind: OperationType,
}

/// Checks what is asked and attaches who asks; the error is what to answer where it is not admitted.
pub(super) fn prepare(app: &App, caller: Caller, mut params: Params) -> Result<Operation, ServerError> {
    let mut variables = params.take_variables();
    let admitted = admit(&params.query, params.operation_name.as_deref(), &variables, &app.config.limits)
        .map_err(|rejection| match rejection {
            Rejection::Refused(refusal) => server_error(&refusal),
            Rejection::Unparsed(error) => error,
        })?;
    omitted::fill(&admitted.document, &mut variables);
    let mut request = Request::new(params.query).variables(variables);
    request.operation_name = params.operation_name;
    request.set_parsed_query(admitted.document);
    let errands = Errands::default();
    let request = loaders::attach(app, caller.actor.as_ref(), errands.clone(), request).data(caller);
    Ok(Operation { request, errands, kind: admitted.kind })
}
