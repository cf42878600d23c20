//! The parts of the schema that the search uses: the fields of each type with arguments, and the values of each enum.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition,
};

/// A field and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// The name of its type, without lists and `!`.
    pub(crate) ty: String,
    pub(crate) arguments: Vec<Argument>,
}

/// An argument, or a field of an input object.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) is_required: bool,
}

/// All types by name.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) objects: HashMap<String, Vec<Definition>>,
    pub(crate) enums: HashMap<String, Vec<String>>,
    pub(crate) inputs: HashMap<String, Vec<Argument>>,
    /// The types that implement `Node`. Documents use them in fragments.
    pub(crate) nodes: Vec<String>,
}

impl Schema {
    /// Parses the text of a schema.
    pub(crate) fn parse(text: &str) -> Self {
        let mut schema = Self::default();
        for definition in parse_schema(text).expect("our own schema is one").definitions {
            let TypeSystemDefinition::Type(ty) = definition else { continue };
            let name = ty.node.name.node.to_string();
            match ty.node.kind {
                TypeKind::Object(object) => {
                    if !object.implements.is_empty() {
                        schema.nodes.push(name.clone());
                    }
                    schema
                        .objects
                        .insert(name, object.fields.iter().map(|field| of_field(&field.node)).collect());
                }
                TypeKind::Interface(interface) => {
                    let fields = interface.fields.iter().map(|field| of_field(&field.node)).collect();
                    schema.objects.insert(name, fields);
                }
                TypeKind::Enum(kinds) => {
                    let values = kinds.values.iter().map(|value| value.node.value.node.to_string());
                    schema.enums.insert(name, values.collect());
                }
                TypeKind::InputObject(input) => {
                    let fields = input.fields.iter().map(|field| of_argument(&field.node)).collect();
                    schema.inputs.insert(name, fields);
                }
                TypeKind::Scalar | TypeKind::Union(_) => {}
            }
        }
        schema
    }

    /// The definition of a field of this type.
    pub(crate) fn field(&self, ty: &str, name: &str) -> Option<&Definition> {
        self.objects.get(ty)?.iter().find(|field| field.name == name)
    }
}

fn of_field(field: &FieldDefinition) -> Definition {
    Definition {
        name: field.name.node.to_string(),
        ty: base(&field.ty.node),
        arguments: field.arguments.iter().map(|argument| of_argument(&argument.node)).collect(),
    }
}

fn of_argument(value: &InputValueDefinition) -> Argument {
    Argument {
        name: value.name.node.to_string(),
        ty: base(&value.ty.node),
        is_required: !value.ty.node.nullable && value.default_value.is_none(),
    }
}

fn base(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inside) => base(inside),
    }
}
