//! A budget for documents, checked before execution: the library's own limits walk a fragment again at
//! every spread, so fragments that spread each other would cost it exponential time. Here each is weighed once.

use std::collections::{BTreeSet, HashMap, HashSet};

use async_graphql::Positioned;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, ServerError, Variables};

use super::cost::{self, Cost};
use super::scan::{scan, too_complex};
use crate::config::Limits;
use crate::refusal::Refusal;

/// A document within its budget.
pub(crate) struct Admitted {
    /// The parsed document, for `Request::set_parsed_query`.
    pub(crate) document: ExecutableDocument,
    /// What the chosen operation is.
    pub(crate) kind: OperationType,
    /// Its kind and the fields at its root, such as `mutation awardBadge`.
    pub(crate) name: String,
    /// Whether it queries the schema.
    pub(crate) introspects: bool,
    /// The variables that it declares.
    pub(crate) declared: HashSet<Name>,
    /// Whether it only records events.
    pub(crate) only_records: bool,
    /// What it costs.
    pub(crate) cost: Cost,
}

/// Why a document was not admitted.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// Beyond a limit, or of a shape we refuse.
    Refused(Refusal),
    /// Not GraphQL; the parser says where.
    Unparsed(ServerError),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Scans, parses and weighs a document, and looks for the operation and the variables it needs.
///
/// # Errors
/// `TOO_COMPLEX` with the limit and its value, `INVALID_INPUT` for an operation that is not there, a
/// required variable without a value or a subscription that is not exactly one field.
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
    let name = fields.into_iter().fold(kind.to_string(), |name, field| name + " " + field);
    Ok(Admitted { document, kind, name, introspects, only_records, declared, cost })
}

/// Refuses a document that asks for more than one request may. Linear in the length of the document.
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
    // Validation walks the fragments nobody spreads, too.
    for name in document.fragments.keys() {
        scale.fragment(name, 1)?.check(limits)?;
    }
    Ok(())
}

/// What a part of a document asks for, every fragment counted wherever it is spread.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    aliases: usize,
    directives: usize,
    /// Levels of selections inside each other, those of spread fragments included.
    height: usize,
}

impl Weight {
    /// More than any limit: what a fragment weighs that spreads itself. That it has no end shows in its nodes.
    const ENDLESS: Self = Self { nodes: usize::MAX, aliases: usize::MAX, directives: usize::MAX, height: 0 };

    /// Both beside each other.
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

/// Weighs the parts of one document; remembers what each fragment weighs.
struct Scale<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    fragments: HashMap<&'a Name, Weight>,
}

impl<'a> Scale<'a> {
    /// Weighs a selection, `depth` levels below the root of its operation; 1 is the root itself. Everything that
    /// walks a document after us goes as deep as its spreads do, and so does this: the depth is checked first.
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

    /// Weighs a fragment whose selection lies at this depth.
    fn fragment(&mut self, name: &Name, depth: usize) -> Result<Weight, Refusal> {
        // A spread of a fragment that is not there weighs nothing; validation names it.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Weight::default());
        };
        if let Some(weight) = self.fragments.get(name) {
            // Weighed at another depth: what it holds must fit below this one, too.
            self.check_depth(depth.saturating_add(weight.height.saturating_sub(1)))?;
            return Ok(*weight);
        }
        // Until it is weighed, a fragment met again is a circle.
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

/// A fragment at the root would yield nothing, and several fields would share one stream.
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
        "A subscription asks for exactly one field at its root, without a fragment or a directive there.",
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
            None => "The document has several operations; operationName says which to run.".to_owned(),
        };
        Refusal::invalid(["operationName"], message)
    })
}

/// The fields at the root. The document has been weighed: no fragment spreads itself.
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

/// The library finds a missing value only while it executes, when the answer is no request error any more.
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
                    "The variable `${name}` is required: give a value of type {}.",
                    definition.var_type.node
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
