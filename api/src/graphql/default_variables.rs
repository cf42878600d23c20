//! Sets omitted optional variables to null. The library returns an error for an omitted variable when it computes the
//! cost of a list. Every argument of this schema treats null and an omitted value alike.

use std::collections::HashSet;
use std::convert::Infallible;

use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, Variables};

/// Sets each omitted optional variable to null if it is the whole value of an argument. A variable inside an input
/// object stays omitted, because there an omitted field keeps its value and null clears it.
pub(crate) fn fill(document: &ExecutableDocument, variables: &mut Variables) {
    let mut inside = Inside::default();
    for (_, operation) in document.operations.iter() {
        inside.selection(&operation.node.selection_set.node);
    }
    for fragment in document.fragments.values() {
        inside.selection(&fragment.node.selection_set.node);
    }
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            let definition = &definition.node;
            let optional = definition.var_type.node.nullable && definition.default_value.is_none();
            if optional && !inside.names.contains(&definition.name.node) {
                variables.entry(definition.name.node.clone()).or_insert(Value::Null);
            }
        }
    }
}

/// The variables that are used inside lists and input objects.
#[derive(Default)]
struct Inside {
    names: HashSet<Name>,
}

impl Inside {
    fn selection(&mut self, selection: &SelectionSet) {
        for item in &selection.items {
            self.directives(item.node.directives());
            match &item.node {
                Selection::Field(field) => {
                    self.field(&field.node);
                    self.selection(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => self.selection(&fragment.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn field(&mut self, field: &Field) {
        for (_, value) in &field.arguments {
            let mut names = Vec::new();
            let constant = value.node.clone().into_const_with(|name| {
                names.push(name);
                Ok::<_, Infallible>(Value::Null)
            });
            // The closure replaces variables by null, so a result other than null means a list or an object around
            // them.
            if constant != Ok(Value::Null) {
                self.names.extend(names);
            }
        }
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        for (_, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            // The schema has no directives with costs, so the variables of directives stay unchanged.
            let _ = value.node.clone().into_const_with(|name| {
                self.names.insert(name);
                Ok::<_, Infallible>(Value::Null)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(document: &str, given: serde_json::Value, filled: serde_json::Value) {
        let mut variables = Variables::from_json(given);
        fill(&parse_query(document).unwrap(), &mut variables);
        assert_eq!(serde_json::to_value(&variables).unwrap(), filled, "{document}");
    }

    #[test]
    fn what_is_omitted_and_stands_alone_is_null() {
        check("query($n: Int) { a(first: $n) }", json!({}), json!({"n": null}));
        check("query($n: Int) { a { b(first: $n) } }", json!({}), json!({"n": null}));
        check("query($n: Int) { ...f } fragment f on A { b(first: $n) }", json!({}), json!({"n": null}));
        check("query($n: Int) { ... { b(first: $n) } }", json!({"n": 7}), json!({"n": 7}));
        check(
            "query A($n: Int) { a(n: $n) } query B($m: Int) { a(n: $m) }",
            json!({}),
            json!({"m": null, "n": null}),
        );
    }

    #[test]
    fn what_stands_inside_or_must_be_there_is_left_out() {
        check("mutation($e: String) { a(input: {e: $e}) }", json!({}), json!({}));
        check("mutation($e: String) { a(input: {b: [{e: $e}]}) c(e: $e) }", json!({}), json!({}));
        check("mutation($e: String) { ...f } fragment f on A { ... { b(of: [$e]) } }", json!({}), json!({}));
        check("query($n: Int = 5) { a(first: $n) }", json!({}), json!({}));
        check("query($n: Int!) { a(first: $n) }", json!({}), json!({}));
        check("query($n: [Boolean]) { a @b(c: [$n]) }", json!({}), json!({}));
    }
}
