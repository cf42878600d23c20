//! The names of the root fields of the schema.

use std::collections::HashSet;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

/// The types whose fields are roots of operations.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

static FIELDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let Ok(document) = parse_schema(crate::schema_sdl()) else { return HashSet::new() };
    let mut fields: HashSet<String> = ["__schema", "__type", "__typename"].map(str::to_owned).into();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        if let TypeKind::Object(object) = definition.node.kind
            && ROOTS.contains(&definition.node.name.node.as_str())
        {
            fields.extend(object.fields.into_iter().map(|field| field.node.name.node.to_string()));
        }
    }
    fields
});

/// Whether a root type has this field.
pub(super) fn has(field: &str) -> bool {
    FIELDS.contains(field)
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn the_roots_are_those_of_the_schema() {
        assert!(["me", "leaderboard", "recordEvent", "achievementEarned", "__schema"].into_iter().all(has));
        assert!(!["x1", "", "displayName"].into_iter().any(has));
    }
}
