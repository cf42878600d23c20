//! The schema: its three roots, its limits, its text.

use async_graphql::{ID, SDLExportOptions, SchemaBuilder};

use super::audit::AuditPage;
use super::awards::AwardPage;
use super::certificates::CertificatePage;
use super::comments::CommentPage;
use super::courses::CoursePage;
use super::feed::Subscriptions;
use super::leaderboard::StandingPage;
use super::mutation::Mutation;
use super::query::Query;
use super::roster::UserPage;
use crate::app::App;

/// What the server executes.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, Subscriptions>;

/// The schema as this server executes it.
pub(crate) fn build(app: &App) -> Schema {
    let limits = &app.config.limits;
    let mut schema =
        described().limit_depth(limits.depth).limit_recursive_depth(limits.nesting).data(app.clone());
    if !app.config.is_demo() {
        // The schema ships as a file; a stranger need not be told by the server.
        schema = schema.disable_introspection().disable_suggestions();
    }
    schema.finish()
}

/// The schema's text, sorted.
pub(crate) fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    described().finish().sdl_with_options(options)
}

/// The three roots, and what the library's own types leave unsaid.
fn described() -> SchemaBuilder<Query, Mutation, Subscriptions> {
    Schema::build(Query, Mutation, Subscriptions)
        .override_output_type_description::<AwardPage>("A page of awards, newest first.")
        .override_output_type_description::<CertificatePage>("A page of certificates, newest first.")
        .override_output_type_description::<AuditPage>("A page of the audit log, newest first.")
        .override_output_type_description::<CommentPage>("A page of comments, newest first.")
        .override_output_type_description::<CoursePage>("A page of courses, newest first.")
        .override_output_type_description::<UserPage>("A page of people, by name.")
        .override_output_type_description::<StandingPage>("A page of a board, best first.")
        .override_output_type_description::<ID>("A UUID in its usual form.")
}
