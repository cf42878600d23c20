//! Computes the cost of an operation from its document and its variables before execution, with the prices of `price`.
//! The library's own computation ignores the length of a list in a variable. It also reports its result only to an
//! extension, which would slow down every field.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet, Type,
    TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::{ConstValue, Value};

use super::price::{self, Price, Rows, SELECTED_OF_ROW};

/// The cost of one operation, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The cost of the whole operation.
    pub(crate) units: u64,
    /// The cost of the fields that record events and select only data that recording already has in memory.
    pub(crate) recording: u64,
}

/// The type of each field, by parent type and field.
type Shape = HashMap<String, HashMap<String, String>>;

/// The types of the schema's fields, read from the SDL.
static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    // The schema always parses. If it did not, each field would cost 1; a test excludes that.
    let definitions = parse_schema(super::schema::sdl()).map(|schema| schema.definitions).unwrap_or_default();
    let types = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(one) => Some(one.node),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    let fields = types.filter_map(|one| {
        let fields = match one.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            _ => return None,
        };
        let fields = fields
            .into_iter()
            .map(|field| (field.node.name.node.to_string(), named(&field.node.ty.node).to_string()));
        Some((one.name.node.to_string(), fields.collect()))
    });
    fields.collect()
});

/// The type of a field; empty for a field that does not exist, which validation reports.
fn type_of(parent: &str, field: &str) -> &'static str {
    SHAPE.get(parent).and_then(|fields| fields.get(field)).map_or("", String::as_str)
}

fn named(kind: &Type) -> &Name {
    match &kind.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// Computes the cost of this operation. The document has passed the guard, which counts each fragment at every
/// spread. The time of this function is therefore bounded by `limits.nodes`.
pub(crate) fn of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    is_teacher: bool,
) -> Cost {
    let root = root(operation);
    let bill = Bill { document, operation, variables, is_teacher };
    let selection = &operation.selection_set.node;
    let units = bill.selection(root, selection, Page::ONE);
    let recording = if operation.ty == OperationType::Mutation { bill.recording(root, selection) } else { 0 };
    Cost { units, recording }
}

/// The most expensive part of an operation, as a path of response keys such as `courses×20.nodes.students×100`; lists
/// have their number of rows. Each level names the field that costs at least half of the level. Empty if there is none.
pub(crate) fn most_of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    is_teacher: bool,
) -> String {
    let bill = Bill { document, operation, variables, is_teacher };
    let mut path: Vec<String> = Vec::new();
    let (mut parent, mut selection, mut page) = (root(operation), &operation.selection_set.node, Page::ONE);
    loop {
        let mut fields = Vec::new();
        bill.add_fields(parent, selection, &mut fields);
        let priced = fields.into_iter().map(|(on, field)| (bill.field(on, field, page), on, field));
        let (mut whole, mut most) = (0_u64, None);
        for one in priced {
            whole = whole.saturating_add(one.0);
            most = most.filter(|most: &(u64, &str, &Field)| most.0 >= one.0).or(Some(one));
        }
        let Some((units, on, field)) = most.filter(|(units, ..)| units.saturating_mul(2) >= whole) else {
            break;
        };
        if units <= 1 {
            break;
        }
        let name = field.name.node.as_str();
        let price = price::of(on, name).to(is_teacher);
        let key = field.response_key().node.as_str();
        path.push(match bill.rows_of(field, price) {
            1 => key.to_owned(),
            rows => format!("{key}×{rows}"),
        });
        (parent, selection, page) = (type_of(on, name), &field.selection_set.node, bill.page(field, price));
    }
    path.join(".")
}

fn root(operation: &OperationDefinition) -> &'static str {
    match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// The page that a selection belongs to.
#[derive(Debug, Clone, Copy)]
struct Page {
    /// The number of rows of its lists.
    rows: u64,
    /// The price of its `totalCount`; 0 means the price in the table.
    count: u64,
    /// The surcharge for each of its fields that has a base price.
    more: u64,
}

impl Page {
    /// A selection that is not a page.
    const ONE: Self = Self { rows: 1, count: 0, more: 0 };
}

/// The input of the computation.
struct Bill<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    is_teacher: bool,
}

impl<'a> Bill<'a> {
    /// Adds the fields of a selection and of its fragments, each with its parent type.
    fn add_fields(
        &self,
        parent: &'a str,
        selection: &'a SelectionSet,
        fields: &mut Vec<(&'a str, &'a Field)>,
    ) {
        for item in &selection.items {
            match &item.node {
                Selection::Field(field) => fields.push((parent, &field.node)),
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map_or(parent, |on| &on.node.on.node);
                    self.add_fields(on, &fragment.node.selection_set.node, fields);
                }
                // Validation reports a fragment that does not exist.
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        let on = &fragment.node.type_condition.node.on.node;
                        self.add_fields(on, &fragment.node.selection_set.node, fields);
                    }
                }
            }
        }
    }

    /// The page that a field returns; one row if it returns no page.
    fn page(&self, field: &Field, price: Price) -> Page {
        let rows = match price.rows {
            Rows::Page { usual, most } => self.asked(field, usual, most),
            _ => 1,
        };
        Page { rows, count: price.count, more: self.surcharge(field, price.below) }
    }

    /// The maximum number of rows of a list or a page; 1 for any other field.
    fn rows_of(&self, field: &Field, price: Price) -> u64 {
        match price.rows {
            Rows::AtMost(most) => most,
            Rows::First { usual, most } | Rows::Page { usual, most } => self.asked(field, usual, most),
            Rows::Sent { list, .. } => self.sent(field, list),
            Rows::One | Rows::OfPage => 1,
        }
    }

    /// The price of an argument, if the field has it.
    fn surcharge(&self, field: &Field, price: Option<(&'static str, u64)>) -> u64 {
        price.filter(|(argument, _)| self.is_given(field, argument)).map_or(0, |(_, more)| more)
    }

    /// The cost of a selection on a type, which may be a page.
    fn selection(&self, parent: &'a str, selection: &'a SelectionSet, page: Page) -> u64 {
        let mut fields = Vec::new();
        self.add_fields(parent, selection, &mut fields);
        fields.into_iter().map(|(on, field)| self.field(on, field, page)).fold(0, u64::saturating_add)
    }

    fn field(&self, parent: &'a str, field: &'a Field, page: Page) -> u64 {
        let name = field.name.node.as_str();
        let price = price::of(parent, name).to(self.is_teacher);
        let Price { base, with, rows: of, .. } = price;
        if name == "totalCount" && page.count > 0 {
            return page.count.saturating_add(1);
        }
        let more: u64 = with.iter().map(|one| self.surcharge(field, Some(*one))).sum();
        let more = more.saturating_add(if base > 0 { page.more } else { 0 });
        let kind = type_of(parent, name);
        let selected = &field.selection_set.node;
        let rows_cost = match of {
            Rows::One | Rows::Page { .. } => {
                self.selection(kind, selected, self.page(field, price)).saturating_add(1)
            }
            Rows::AtMost(most) => self.rows(kind, selected, most),
            Rows::First { usual, most } => {
                let count = self.asked(field, usual, most);
                self.rows(kind, selected, count)
            }
            Rows::OfPage => self.rows(kind, selected, page.rows),
            Rows::Sent { list, each } => {
                let count = self.sent(field, list);
                let each = each.saturating_mul(count);
                let selected =
                    self.selection(kind, selected, Page::ONE).saturating_mul(count).div_ceil(SELECTED_OF_ROW);
                each.saturating_add(selected).saturating_add(1)
            }
        };
        base.saturating_add(more).saturating_add(rows_cost)
    }

    /// The cost of `count` rows. Each costs what its selection costs, and at least 1.
    fn rows(&self, kind: &'a str, selected: &'a SelectionSet, count: u64) -> u64 {
        self.selection(kind, selected, Page::ONE).max(1).saturating_mul(count)
    }

    /// The number of rows that `last` or `first` requests; at least one, because the list itself has a cost.
    fn asked(&self, field: &Field, usual: i32, most: i32) -> u64 {
        let number = |name| match self.argument(field, name) {
            Some(ConstValue::Number(number)) => Some(number.as_i64().unwrap_or(i64::MAX)),
            _ => None,
        };
        let rows = number("last").or_else(|| number("first")).unwrap_or(usual.into());
        rows.clamp(1, most.into()).unsigned_abs()
    }

    /// The length of this list in the argument `input`, at least one. A single value counts as a list of one entry.
    fn sent(&self, field: &Field, list: &str) -> u64 {
        let count = match field.get_argument("input").map(|value| &value.node) {
            Some(Value::Object(input)) => match input.get(list) {
                Some(Value::List(entries)) => entries.len(),
                Some(Value::Variable(name)) => self.variable(name).map_or(1, entries),
                _ => 1,
            },
            Some(Value::Variable(name)) => match self.variable(name) {
                Some(ConstValue::Object(input)) => input.get(list).map_or(1, entries),
                _ => 1,
            },
            _ => 1,
        };
        u64::try_from(count.max(1)).unwrap_or(u64::MAX)
    }

    fn is_given(&self, field: &Field, argument: &str) -> bool {
        self.argument(field, argument).is_some_and(|value| value != ConstValue::Null)
    }

    /// The value of a scalar argument.
    fn argument(&self, field: &Field, name: &str) -> Option<ConstValue> {
        match &field.get_argument(name)?.node {
            Value::Variable(name) => self.variable(name).cloned(),
            value => value.clone().into_const(),
        }
    }

    fn variable(&self, name: &Name) -> Option<&ConstValue> {
        let default = || {
            let mut definitions = self.operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == *name)?;
            definition.node.default_value.as_ref().map(|value| &value.node)
        };
        self.variables.get(name).or_else(default)
    }

    /// The cost of the fields below this selection that record events and select nothing expensive.
    fn recording(&self, parent: &'a str, selection: &'a SelectionSet) -> u64 {
        let mut units: u64 = 0;
        for item in &selection.items {
            // Fragments at the root of a mutation are rare, so they are never free.
            let Selection::Field(field) = &item.node else { continue };
            let name = field.node.name.node.as_str();
            let records = matches!(name, "recordEvent" | "recordEvents");
            if records && self.is_of_recording(type_of(parent, name), &field.node.selection_set.node) {
                units = units.saturating_add(self.field(parent, &field.node, Page::ONE));
            }
        }
        units
    }

    fn is_of_recording(&self, parent: &str, selection: &SelectionSet) -> bool {
        selection.items.iter().all(|item: &Positioned<Selection>| match &item.node {
            Selection::Field(field) => {
                let name = field.node.name.node.as_str();
                let selected = &field.node.selection_set.node;
                let is_known = price::is_of_recording(parent, name);
                name == "__typename" || is_known && self.is_of_recording(type_of(parent, name), selected)
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map_or(parent, |on| &on.node.on.node);
                self.is_of_recording(on, &fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => {
                let found = self.document.fragments.get(&spread.node.fragment_name.node);
                found.is_some_and(|fragment| {
                    let on = &fragment.node.type_condition.node.on.node;
                    self.is_of_recording(on, &fragment.node.selection_set.node)
                })
            }
        })
    }
}

fn entries(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(entries) => entries.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
