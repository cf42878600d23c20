//! The root of all writing.

use async_graphql::{Context, Object};

use super::events::{
    RecordEventInput, RecordEventPayload, RecordEventsInput, RecordEventsPayload, record_many, record_one,
};
use super::fault::Answer;
use super::people::{UpsertUserInput, UpsertUserPayload, upsert};

/// What can be changed. What a person can mend comes back as `userErrors`.
pub(crate) struct Mutation;

/// What can be changed. What a person can mend comes back as `userErrors`.
#[Object]
impl Mutation {
    /// Records an event: SERVICE, ADMIN, SUPER_ADMIN for everyone; a person for themselves where the activity is
    /// self-reportable. A repeated (source, id) answers as the first time, with duplicate: true.
    async fn record_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event.")] input: RecordEventInput,
    ) -> Answer<RecordEventPayload> {
        record_one(ctx, input).await
    }

    /// Records up to 1,000 events; each row answers for itself.
    async fn record_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The events.")] input: RecordEventsInput,
    ) -> Answer<RecordEventsPayload> {
        record_many(ctx, input).await
    }

    /// Creates a person or changes one: ADMIN, SUPER_ADMIN; a SERVICE creates students, parents and teachers.
    async fn upsert_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: UpsertUserInput,
    ) -> Answer<UpsertUserPayload> {
        upsert(ctx, input).await
    }
}
