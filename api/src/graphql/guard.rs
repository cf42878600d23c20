//! Limits for documents, checked before execution. The library's own limits visit a fragment at every spread, which
//! takes exponential time for fragments that spread each other. This check visits each fragment once.

use std::collections::{BTreeSet, HashMap, HashSet};

use async_graphql::Positioned;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, ServerError, Variables};

use super::cost::{self, Cost};
use super::roots;
use super::scan::{scan, too_complex};
use crate::config::Limits;
use crate::refusal::Refusal;

/// A document within the limits.
pub(crate) struct Admitted {
    /// The parsed document, for `Request::set_parsed_query`.
    pub(crate) document: ExecutableDocument,
    /// The type of the chosen operation.
    pub(crate) kind: OperationType,
    /// The operation's type and its root fields, such as `mutation awardBadge`.
    pub(crate) name: String,
    /// Whether it selects more than `__typename` and the schema, so that it needs a token.
    pub(crate) needs_token: bool,
    /// Whether it queries the schema.
    pub(crate) introspects: bool,
    /// The variables that the operation declares.
    pub(crate) declared: HashSet<Name>,
    /// Whether the operation only records events.
    pub(crate) only_records: bool,
    /// The cost of the operation.
    pub(crate) cost: Cost,
}

/// Why a document was not admitted.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The document exceeds a limit or has a shape that the server refuses.
    Refused(Refusal),
    /// The document is not GraphQL. The error has the position.
    Unparsed(ServerError),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Scans, parses and checks a document, chooses the operation, checks its variables and computes its cost.
///
/// # Errors
/// `TOO_COMPLEX` with the limit and its value. `INVALID_INPUT` for an operation that does not exist, a required
/// variable without a value, or a subscription that does not select exactly one field.
pub(crate) fn admit(
    text: &str,
    operation_name: Option<&str>,
    variables: &Variables,
    is_teacher: bool,
    limits: &Limits,
) -> Result<Admitted, Rejection> {
    scan(text, limits)?;
    let document = parse_query(text).map_err(|error| Rejection::Unparsed(error.into()))?;
    check(&document, limits)?;
    let operation = choose(&document.operations, operation_name)?;
    check_variables(operation, variables)?;
    let cost = cost::of(&document, operation, variables, is_teacher);
    let most = u64::try_from(limits.complexity).unwrap_or(u64::MAX);
    if cost.units > most {
        let of = match cost::most_of(&document, operation, variables, is_teacher) {
            path if path.is_empty() => String::new(),
            path => format!(" Most of it is for `{path}`."),
        };
        let message = format!(
            "The operation costs {} units, more than {most} (limits.complexity). Ask for fewer rows, lists or counts.{of}",
            cost.units
        );
        return Err(too_complex(message).into());
    }
    let kind = operation.ty;
    let mut fields = BTreeSet::new();
    add_fields(&document, &operation.selection_set.node, &mut fields);
    let declared = operation.variable_definitions.iter().map(|definition| definition.node.name.node.clone());
    let declared = declared.collect();
    let records = |field: &&str| matches!(*field, "recordEvent" | "recordEvents");
    let only_records = kind == OperationType::Mutation && fields.iter().all(records);
    let introspects = fields.contains("__schema") || fields.contains("__type");
    let needs_token = fields.iter().any(|field| !field.starts_with("__"));
    // Only names of the schema, because they become metrics and spans.
    let known = fields.iter().copied().filter(|field| roots::has(field));
    let unknown = fields.iter().any(|field| !roots::has(field)).then_some("unknown");
    let name = known.chain(unknown).fold(kind.to_string(), |name, field| name + " " + field);
    Ok(Admitted { document, kind, name, needs_token, introspects, only_records, declared, cost })
}

/// Refuses a document that exceeds a limit. The time is linear in the length of the document.
pub(crate) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), Refusal> {
    let operations = document.operations.iter().count();
    at_most(operations, limits.operations, "operations", "operations")?;

    let mut scale = Scale { document, limits, fragments: HashMap::new() };
    let mut total = Weight::default();
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        total = total.plus(scale.directives(&operation.directives)?);
        for variable in &operation.variable_definitions {
            total = total.plus(scale.directives(&variable.node.directives)?);
        }
        total = total.plus(scale.selection(&operation.selection_set.node, 1)?);
        if operation.ty == OperationType::Subscription {
            check_subscription(&operation.selection_set.node)?;
        }
    }
    total.check(limits)?;
    // Validation also visits fragments that are never spread.
    for name in document.fragments.keys() {
        scale.fragment(name, 1)?.check(limits)?;
    }
    Ok(())
}

/// The size of a part of a document. Each fragment counts at every spread.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    aliases: usize,
    directives: usize,
    /// Levels of nested selections, with those of spread fragments.
    height: usize,
}

impl Weight {
    /// The weight of a fragment that spreads itself: more nodes than any limit.
    const ENDLESS: Self = Self { nodes: usize::MAX, aliases: usize::MAX, directives: usize::MAX, height: 0 };

    /// The weight of two parts side by side.
    fn plus(self, other: Self) -> Self {
        Self {
            height: self.height.max(other.height),
            nodes: self.nodes.saturating_add(other.nodes),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
        }
    }

    fn check(self, limits: &Limits) -> Result<(), Refusal> {
        at_most(self.nodes, limits.nodes, "fields, spreads and directives", "nodes")?;
        at_most(self.aliases, limits.aliases, "aliases", "aliases")?;
        at_most(self.directives, limits.directives, "directives", "directives")
    }
}

/// Computes the weights of the parts of a document, and caches the weight of each fragment.
struct Scale<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    fragments: HashMap<&'a Name, Weight>,
}

impl<'a> Scale<'a> {
    /// The weight of a selection at this depth; the root of an operation has depth 1. This function recurses as deep
    /// as the document nests, and so do all later steps. It therefore checks the depth first.
    fn selection(&mut self, selection: &'a SelectionSet, depth: usize) -> Result<Weight, Refusal> {
        if selection.items.is_empty() {
            return Ok(Weight::default());
        }
        self.check_depth(depth)?;
        let mut total = Weight::default();
        for item in &selection.items {
            let own = Weight { nodes: 1, ..Weight::default() };
            total = total.plus(own).plus(self.directives(item.node.directives())?);
            total = total.plus(match &item.node {
                Selection::Field(field) => {
                    let aliases = usize::from(field.node.alias.is_some());
                    let below = self.selection(&field.node.selection_set.node, depth + 1)?;
                    below.plus(Weight { aliases, ..Weight::default() })
                }
                Selection::InlineFragment(fragment) => {
                    self.selection(&fragment.node.selection_set.node, depth + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, depth + 1)?
                }
            });
        }
        Ok(Weight { height: total.height + 1, ..total })
    }

    /// The weight of a fragment whose selection is at this depth.
    fn fragment(&mut self, name: &Name, depth: usize) -> Result<Weight, Refusal> {
        // The spread of a fragment that does not exist has no weight. Validation reports it.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        if let Some(weight) = self.fragments.get(name) {
            // The weight was computed at another depth, so the depth must be checked again.
            self.check_depth(depth.saturating_add(weight.height.saturating_sub(1)))?;
            return Ok(*weight);
        }
        // If the recursion visits the fragment again before its weight is known, the fragments form a cycle.
        self.fragments.insert(name, Weight::ENDLESS);
        let weight = self
            .directives(&fragment.node.directives)?
            .plus(self.selection(&fragment.node.selection_set.node, depth)?);
        self.fragments.insert(name, weight);
        Ok(weight)
    }

    fn check_depth(&self, depth: usize) -> Result<(), Refusal> {
        let limit = self.limits.nesting;
        if depth <= limit {
            return Ok(());
        }
        Err(too_complex(format!(
            "The document nests deeper than {limit} levels, each fragment counted where it is spread (limits.nesting)."
        )))
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<Weight, Refusal> {
        let count = directives.len();
        at_most(count, self.limits.directives_per_field, "directives in one place", "directives_per_field")?;
        Ok(Weight { nodes: count, directives: count, ..Weight::default() })
    }
}

fn at_most(count: usize, limit: usize, what: &str, name: &str) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    Err(too_complex(format!("The document has more than {limit} {what} (limits.{name}).")))
}

/// Checks that a subscription selects exactly one plain field. A fragment at the root would return nothing, and several
/// fields would share one stream.
fn check_subscription(root: &SelectionSet) -> Result<(), Refusal> {
    let plain = match root.items.as_slice() {
        [item] => matches!(&item.node, Selection::Field(field)
            if field.node.directives.is_empty() && !field.node.name.node.starts_with("__")),
        _ => false,
    };
    if plain {
        return Ok(());
    }
    Err(Refusal::invalid(
        ["query"],
        "A subscription must select exactly one field at its root, without fragments and directives there.",
    ))
}

fn choose<'a>(
    operations: &'a DocumentOperations,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refusal> {
    let found = match (operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => match operations.len() {
            1 => operations.values().next(),
            _ => None,
        },
    };
    found.map(|operation| &operation.node).ok_or_else(|| {
        let message = match name {
            Some(name) => format!("The document has no operation named `{name}`."),
            None => "The document has several operations: set operationName to choose one.".to_owned(),
        };
        Refusal::invalid(["operationName"], message)
    })
}

/// Adds the fields at the root. The document has passed `check`, so no fragment spreads itself.
fn add_fields<'a>(
    document: &'a ExecutableDocument,
    selection: &'a SelectionSet,
    fields: &mut BTreeSet<&'a str>,
) {
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => {
                fields.insert(field.node.name.node.as_str());
            }
            Selection::InlineFragment(inner) => add_fields(document, &inner.node.selection_set.node, fields),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    add_fields(document, &fragment.node.selection_set.node, fields);
                }
            }
        }
    }
}

/// Checks that every required variable has a value. The library would detect a missing value only during execution,
/// too late for a request error.
fn check_variables(operation: &OperationDefinition, variables: &Variables) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let definition = &definition.node;
        let name = &definition.name.node;
        let given = variables.get(name);
        let missing = match given {
            None => definition.default_value.is_none(),
            Some(value) => matches!(value, async_graphql::Value::Null),
        };
        if missing && !definition.var_type.node.nullable {
            return Err(Refusal::invalid(
                ["variables", name.as_str()],
                format!(
                    "The variable `${name}` is required: send a value of type {}.",
                    definition.var_type.node
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
