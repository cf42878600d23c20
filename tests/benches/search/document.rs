//! A document that the search can change: a tree of fields, and the role of its sender.

use std::collections::HashSet;
use std::fmt::Write;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{OperationType, Selection, SelectionSet};
use plaudit::auth::Role;

use crate::schema::Schema;

/// An operation of one caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Document {
    pub(crate) role: Role,
    pub(crate) is_mutation: bool,
    pub(crate) fields: Vec<Field>,
}

/// A field with its selection. `... on Type` is a field of that name with that type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The name of its type.
    pub(crate) ty: String,
    /// Names and values, as in the text.
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) fields: Vec<Field>,
}

impl Document {
    /// The root type.
    pub(crate) fn root(&self) -> &'static str {
        if self.is_mutation { "Mutation" } else { "Query" }
    }

    /// The document's text. Fields of the same name in one selection get aliases.
    pub(crate) fn text(&self) -> String {
        let mut text = if self.is_mutation { "mutation" } else { "" }.to_owned();
        let mut aliases = 0;
        write(&self.fields, &mut text, &mut aliases);
        text
    }

    /// Reads a document of fields and inline fragments, without variables.
    pub(crate) fn parse(schema: &Schema, role: Role, text: &str) -> Option<Self> {
        let document = parse_query(text).ok()?;
        let (_, operation) = document.operations.iter().next()?;
        let is_mutation = operation.node.ty == OperationType::Mutation;
        let mut parsed = Self { role, is_mutation, fields: Vec::new() };
        parsed.fields = read(schema, parsed.root(), &operation.node.selection_set.node)?;
        Some(parsed)
    }

    /// The name at the root with the most fields.
    pub(crate) fn leading(&self) -> &str {
        let below = |name: &str| {
            let fields = self.fields.iter().filter(|field| field.name == name);
            fields.map(Field::size).sum::<usize>()
        };
        let names = self.fields.iter().map(|field| field.name.as_str());
        names.max_by_key(|name| below(name)).unwrap_or_default()
    }

    /// The number of fields on all levels.
    pub(crate) fn size(&self) -> usize {
        self.fields.iter().map(Field::size).sum()
    }

    /// The selection of the field with this number, and the name of its type. Fields are numbered in the order of the
    /// text; 0 is the root.
    pub(crate) fn selection(&mut self, number: usize) -> Option<(&mut Vec<Field>, String)> {
        let root = self.root().to_owned();
        if number == 0 {
            return Some((&mut self.fields, root));
        }
        let mut left = number;
        self.fields.iter_mut().find_map(|field| field.nth(&mut left)).map(|field| {
            let ty = field.ty.clone();
            (&mut field.fields, ty)
        })
    }

    /// The field with this number, starting at 1.
    pub(crate) fn field(&mut self, number: usize) -> Option<&mut Field> {
        let mut left = number;
        self.fields.iter_mut().find_map(|field| field.nth(&mut left))
    }
}

impl Field {
    fn size(&self) -> usize {
        1 + self.fields.iter().map(Self::size).sum::<usize>()
    }

    fn nth(&mut self, left: &mut usize) -> Option<&mut Self> {
        *left -= 1;
        if *left == 0 {
            return Some(self);
        }
        self.fields.iter_mut().find_map(|field| if *left == 0 { None } else { field.nth(left) })
    }
}

fn write(fields: &[Field], text: &mut String, aliases: &mut usize) {
    text.push('{');
    let mut names = HashSet::new();
    for field in fields {
        if !field.name.starts_with("...") && !names.insert(&field.name) {
            *aliases += 1;
            let _ = write!(text, "a{aliases}:");
        }
        text.push_str(&field.name);
        if !field.arguments.is_empty() {
            let arguments: Vec<String> =
                field.arguments.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            let _ = write!(text, "({})", arguments.join(","));
        }
        if field.fields.is_empty() {
            text.push(' ');
        } else {
            write(&field.fields, text, aliases);
        }
    }
    text.push('}');
}

fn read(schema: &Schema, ty: &str, selection: &SelectionSet) -> Option<Vec<Field>> {
    let field = |item: &Selection| match item {
        Selection::Field(field) => {
            let field = &field.node;
            let name = field.name.node.to_string();
            let inside = schema.field(ty, &name)?.ty.clone();
            let arguments =
                field.arguments.iter().map(|(name, value)| (name.node.to_string(), value.node.to_string()));
            let fields = read(schema, &inside, &field.selection_set.node)?;
            Some(Field { name, arguments: arguments.collect(), fields, ty: inside })
        }
        Selection::InlineFragment(fragment) => {
            let on = fragment.node.type_condition.as_ref()?.node.on.node.to_string();
            let fields = read(schema, &on, &fragment.node.selection_set.node)?;
            Some(Field { name: format!("... on {on}"), arguments: Vec::new(), fields, ty: on })
        }
        Selection::FragmentSpread(_) => None,
    };
    selection.items.iter().map(|item| field(&item.node)).collect()
}
