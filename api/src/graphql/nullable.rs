//! Makes every field of a root type nullable. A root that fails is null, and its neighbours keep their results: a
//! committed mutation is reported also if the next one in the request fails.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, Registry};
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value};

/// A root type whose fields are nullable, whatever its resolvers return.
pub(crate) struct Nullable<T>(pub(crate) T);

impl<T: ObjectType> ContainerType for Nullable<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(ctx).await.or_else(|error| {
            // An argument that cannot be parsed has no path yet.
            ctx.add_error(if error.path.is_empty() { ctx.set_error_path(error) } else { error });
            Ok(Some(Value::Null))
        })
    }
}

impl<T: ObjectType> OutputType for Nullable<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let kind = T::create_type_info(registry);
        if let Some(MetaType::Object { fields, .. }) = registry.types.get_mut(&*T::type_name()) {
            for field in fields.values_mut() {
                if let Some(nullable) = field.ty.strip_suffix('!') {
                    field.ty = nullable.to_owned();
                }
            }
        }
        kind
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl<T: ObjectType> ObjectType for Nullable<T> {}
