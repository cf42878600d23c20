//! What both transports do with a request once they know who asks: weigh the document, put beside it what
//! resolvers need, and run it.

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, ServerError};
use futures_util::Stream;

use super::answer::server_error;
use super::params::Params;
use crate::app::App;
use crate::budget::Subject;
use crate::budget::turns::{Access, Pacer};
use crate::graphql::context::Caller;
use crate::graphql::denials::Asked;
use crate::graphql::errands::Errands;
use crate::graphql::guard::{Rejection, admit};
use crate::graphql::{loaders, omitted};

/// An operation within its limits, ready to run.
pub(super) struct Operation {
    /// Query, mutation or subscription.
    pub(super) kind: OperationType,
    /// Its turn to execute, which it takes before it runs. A subscription takes it itself, for each answer.
    pub(super) pacer: Pacer,
    request: Request,
    errands: Errands,
    asked: Asked,
}

impl Operation {
    /// The answer of a query or a mutation.
    pub(super) async fn run<E: Executor>(self, schema: &E) -> Response {
        self.asked.run(self.errands.run(schema.execute(self.request))).await
    }

    /// The answers of a subscription.
    pub(super) fn follow<E: Executor>(self, schema: &E) -> impl Stream<Item = Response> + Send + use<E> {
        self.asked.follow(self.errands.follow(schema.execute_stream(self.request, None)))
    }
}

/// Checks what is asked and attaches who asks; the error is what to answer where it is not admitted.
/// The operation is counted for `subject`.
pub(super) fn prepare(
    app: &App,
    caller: Caller,
    subject: Subject,
    mut params: Params,
) -> Result<Operation, ServerError> {
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
    let access = match admitted.kind {
        OperationType::Mutation => Access::Writes,
        OperationType::Query | OperationType::Subscription => Access::Reads,
    };
    let pacer = app.turns.pacer(subject, access);
    let errands = Errands::default();
    let asked = Asked { caller: caller.clone(), operation: admitted.name };
    let request = loaders::attach(app, caller.actor.as_ref(), errands.clone(), request).data(caller);
    let request = request.data(pacer.clone());
    Ok(Operation { kind: admitted.kind, pacer, request, errands, asked })
}
