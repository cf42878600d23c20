//! The steps that both transports share once the caller is known: compute the document's cost, charge it, attach
//! what the resolvers need, and execute.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, ServerError, Value, value};
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::answer::{has_code, is_request_error, server_error};
use super::params::Params;
use crate::app::App;
use crate::auth::{Actor, Role};
use crate::budget::turns::{Access, Pacer};
use crate::budget::{CostBudget, Subject};
use crate::graphql::batching::Batching;
use crate::graphql::context::Caller;
use crate::graphql::default_variables;
use crate::graphql::denials::{Asked, turned_away};
use crate::graphql::guard::{Admitted, Rejection, admit};
use crate::graphql::loaders::Loaders;
use crate::refusal::{Code, Refusal};
use crate::slow_lane::SlowLane;
use crate::store::people;
use crate::trace;

/// Minimum charge of an operation: sign-in, parsing and the response cost something every time.
const LEAST: u64 = 5;
/// An operation that costs more than this computes so long (about 25 ms) that other requests would notice.
const LONG: u64 = 500;
/// How many statements one operation runs at the same time: a normal one, and a long one.
const STATEMENTS: usize = 3;
const LONG_STATEMENTS: usize = 1;
/// The charge for an invalid request. It is the same for every caller.
const BAD_REQUEST: u64 = 20;

/// An operation within its limits, ready to run.
pub(super) struct Operation {
    /// Query, mutation or subscription.
    pub(super) kind: OperationType,
    /// Takes its turn before it runs. A subscription takes a turn for each response.
    pub(super) pacer: Pacer,
    request: Request,
    app: App,
    actor: Option<Actor>,
    batching: Batching,
    asked: Asked,
    charge: Charge,
    /// The value of `extensions.cost`.
    cost: Value,
    /// The lane for long computation; `None` if the operation is short.
    lane: Option<SlowLane>,
}

impl Operation {
    /// Executes a query or a mutation. `me` is the caller's row, if it was read just now.
    pub(super) async fn run<E: Executor>(self, schema: &E, me: Option<people::Row>) -> Response {
        let Self { kind, request, app, actor, batching, asked, charge, cost, lane, .. } = self;
        let loaders = match kind {
            OperationType::Query => Loaders::of_query(&app, actor.as_ref(), me, batching.clone()),
            OperationType::Mutation | OperationType::Subscription => {
                Loaders::of_changing_data(&app, actor.as_ref(), batching.clone())
            }
        };
        let request = request.data(loaders);
        let (name, started) = (asked.operation.clone(), Instant::now());
        let span = tracing::debug_span!(
            target: trace::TARGET,
            "operation",
            otel.name = name,
            graphql.operation.type = %kind,
            cost = i64::try_from(charge.units).unwrap_or(i64::MAX),
            errors = Empty,
            otel.status_code = Empty,
        );
        let mut answer = match lane {
            Some(lane) => {
                let schema = schema.clone();
                let run = async move { asked.run(batching.run(schema.execute(request))).await };
                lane.run(run.instrument(span.clone())).await
            }
            None => asked.run(batching.run(schema.execute(request))).instrument(span.clone()).await,
        };
        span.record("errors", i64::try_from(answer.errors.len()).unwrap_or(i64::MAX));
        if answer
            .errors
            .iter()
            .any(|error| has_code(error, Code::Internal) || has_code(error, Code::Unavailable))
        {
            span.record("otel.status_code", "ERROR");
        }
        app.telemetry.executed(&name, started.elapsed());
        charge.settle(&answer);
        answer.extensions.insert("cost".to_owned(), cost);
        answer
    }

    /// Refunds the cost because the operation does not run.
    pub(super) fn cancel(self) {
        self.charge.costs.give_back(&self.charge.subject, self.charge.units);
    }

    /// Executes a subscription. Each response costs as much as subscribing did.
    pub(super) fn follow<E: Executor>(self, schema: &E) -> impl Stream<Item = Response> + Send + use<E> {
        let loaders = Loaders::of_changing_data(&self.app, self.actor.as_ref(), self.batching.clone());
        let request = self.request.data(loaders);
        let answers = self.asked.follow(self.batching.follow(schema.execute_stream(request, None)));
        let Charge { costs, subject, units } = self.charge;
        answers.inspect(move |_| costs.owe(&subject, units))
    }
}

/// The amount charged for an operation, and the payer.
struct Charge {
    costs: Arc<CostBudget>,
    subject: Subject,
    units: u64,
}

impl Charge {
    /// Refunds the cost if the server failed; adds the cost of a document that validation refused.
    fn settle(&self, answer: &Response) {
        let has = |code: Code| answer.errors.iter().any(|error| has_code(error, code));
        if has(Code::Unavailable) || has(Code::Internal) {
            self.costs.give_back(&self.subject, self.units);
        } else if is_request_error(answer) {
            self.costs.owe(&self.subject, BAD_REQUEST);
        }
    }
}

/// Checks the operation, charges its cost to `subject` and attaches the caller. The error is the response if the
/// operation is not admitted.
pub(super) fn prepare(
    app: &App,
    caller: Caller,
    subject: Subject,
    mut params: Params,
) -> Result<Operation, ServerError> {
    let mut variables = params.take_variables();
    let name = params.operation_name.as_deref();
    let is_teacher = caller.actor.as_ref().is_some_and(|actor| actor.role() == Role::Teacher);
    let admitted = admit(&params.query, name, &variables, is_teacher, &app.config.limits).map_err(
        |rejection| match (charge_bad_request(app, &subject), rejection) {
            (Err(refusal), _) | (Ok(()), Rejection::Refused(refusal)) => server_error(&refusal),
            (Ok(()), Rejection::Unparsed(error)) => error,
        },
    )?;
    if admitted.needs_token && caller.actor.is_none() {
        // Charged like an invalid token, and like it never answered with another code.
        let _ = charge_bad_request(app, &subject);
        let refusal = Refusal::token_missing();
        turned_away(&caller, &refusal);
        return Err(server_error(&refusal));
    }
    if admitted.introspects && !app.config.is_demo() {
        // The library would return null without an error.
        let message = "Introspection is disabled on this server. Use the file schema.graphql of its release.";
        let refusal = Refusal::invalid(["query"], message);
        return Err(server_error(&charge_bad_request(app, &subject).err().unwrap_or(refusal)));
    }
    let units = units(&admitted, &subject);
    app.costs.charge(&subject, units).map_err(|refusal| {
        turned_away(&caller, &refusal);
        server_error(&refusal)
    })?;
    let charge = Charge { costs: Arc::clone(&app.costs), subject: subject.clone(), units };
    // A subscription keeps its variables for its whole life, so unused ones are dropped.
    variables.retain(|name, _| admitted.declared.contains(name));
    default_variables::fill(&admitted.document, &mut variables);
    let mut request = Request::new(params.query).variables(variables);
    request.operation_name = params.operation_name;
    request.set_parsed_query(admitted.document);
    let access = match admitted.kind {
        OperationType::Mutation if admitted.only_records => Access::Records,
        OperationType::Mutation => Access::Writes,
        OperationType::Query | OperationType::Subscription => Access::Reads,
    };
    let pacer = app.turns.pacer(subject, access);
    let batching = Batching::default();
    let asked = Asked { caller: caller.clone(), operation: admitted.name };
    let cost = value!({ "requested": admitted.cost.units, "limit": app.config.limits.complexity });
    let is_long = admitted.cost.units > LONG;
    // Statements of other callers wait behind only a few statements of one operation.
    let statements = if is_long { LONG_STATEMENTS } else { STATEMENTS };
    let app = App { db: app.db.at_once(statements), ..app.clone() };
    let actor = caller.actor.clone();
    let request = request.data(caller).data(pacer.clone()).data(app.clone());
    let lane = is_long.then(|| app.slow_lane.clone());
    Ok(Operation { kind: admitted.kind, pacer, request, app, actor, batching, asked, charge, cost, lane })
}

/// Charges an invalid request.
///
/// # Errors
/// `RATE_LIMITED` if the subject owes more than its budget.
pub(super) fn charge_bad_request(app: &App, subject: &Subject) -> Result<(), Refusal> {
    app.costs.check(subject)?;
    app.costs.owe(subject, BAD_REQUEST);
    Ok(())
}

/// The charge of the operation. A service records events for free: the pipeline limits their number.
fn units(admitted: &Admitted, subject: &Subject) -> u64 {
    let cost = admitted.cost;
    match subject {
        Subject::Service(_) if cost.recording > 0 => cost.units.saturating_sub(cost.recording),
        _ => cost.units.max(LEAST),
    }
}
