//! Builds the schema from its three root types, sets its limits and exports its text.

use async_graphql::{ID, SDLExportOptions, SchemaBuilder};

use super::audit::AuditPage;
use super::awards::AwardPage;
use super::certificates::CertificatePage;
use super::comments::CommentPage;
use super::courses::CoursePage;
use super::deliveries::DeliveryPage;
use super::feed::Subscriptions;
use super::leaderboard::StandingPage;
use super::mutation::Mutation;
use super::nullable::Nullable;
use super::progress::ProgressPage;
use super::query::Query;
use super::roster::UserPage;
use super::webhooks::WebhookPage;
use crate::app::App;

/// The schema type of this API.
pub(crate) type Schema = async_graphql::Schema<Nullable<Query>, Nullable<Mutation>, Subscriptions>;

/// Builds the schema that this server executes.
pub(crate) fn build(app: &App) -> Schema {
    let limits = &app.config.limits;
    let mut schema =
        described().limit_depth(limits.depth).limit_recursive_depth(limits.nesting).data(app.clone());
    if !app.config.is_demo() {
        // Clients get the schema as a file, so a production server does not describe it to anonymous callers.
        schema = schema.disable_introspection().disable_suggestions();
    }
    schema.finish()
}

/// The schema in SDL, sorted.
pub(crate) fn sdl() -> String {
    let options =
        SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    described().finish().sdl_with_options(options)
}

/// The three root types, with descriptions for the types that the library generates.
fn described() -> SchemaBuilder<Nullable<Query>, Nullable<Mutation>, Subscriptions> {
    Schema::build(Nullable(Query), Nullable(Mutation), Subscriptions)
        .override_output_type_description::<AwardPage>("A page of awards.")
        .override_output_type_description::<ProgressPage>("A page of progress, highest `percent` first.")
        .override_output_type_description::<CertificatePage>("A page of certificates, newest first.")
        .override_output_type_description::<AuditPage>("A page of the audit log, newest first.")
        .override_output_type_description::<DeliveryPage>("A page of deliveries, newest first.")
        .override_output_type_description::<WebhookPage>("A page of webhooks, newest first.")
        .override_output_type_description::<CommentPage>("A page of comments, newest first.")
        .override_output_type_description::<CoursePage>("A page of courses, newest first.")
        .override_output_type_description::<UserPage>("A page of people, ordered by name.")
        .override_output_type_description::<StandingPage>("A page of a leaderboard, best first.")
        .override_output_type_description::<ID>(
            "A UUID with hyphens, 36 characters, such as 0198c0de-0000-7000-8000-000000000005.",
        )
}
