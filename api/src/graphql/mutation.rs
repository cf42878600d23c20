//! The root type of all mutations.

use async_graphql::{Context, Object};

use super::badges::{
    self, AwardBadgeInput, AwardBadgePayload, AwardBadgesInput, AwardBadgesPayload, CreateBadgeInput,
    CreateBadgePayload, RetireBadgeInput, RetireBadgePayload, RevokeAwardInput, RevokeAwardPayload,
    UpdateBadgeInput, UpdateBadgePayload,
};
use super::certificates::{
    self, CreateCertificateInput, CreateCertificatePayload, DeleteCertificateInput, DeleteCertificatePayload,
    UpdateCertificateInput, UpdateCertificatePayload,
};
use super::courses::{self, CreateCourseInput, CreateCoursePayload, UpdateCourseInput, UpdateCoursePayload};
use super::deliveries::{self, RetryDeliveryInput, RetryDeliveryPayload};
use super::erasure::{self, ErasePersonInput, ErasePersonPayload, ExportPersonInput, ExportPersonPayload};
use super::events::{
    RecordEventInput, RecordEventPayload, RecordEventsInput, RecordEventsPayload, record_many, record_one,
};
use super::fault::Answer;
use super::guardians::{self, LinkGuardianInput, LinkGuardianPayload};
use super::lessons::{
    self, CompleteLessonInput, CompleteLessonPayload, EnrollInput, EnrollPayload, WriteCommentInput,
    WriteCommentPayload,
};
use super::mail_settings::{self, UpdateMeInput, UpdateMePayload};
use super::register::{UpsertUserInput, UpsertUserPayload, upsert};
use super::webhooks::{
    self, CreateWebhookInput, RedeliverWebhookInput, RotateWebhookSecretInput, TestWebhookInput,
    TestWebhookPayload, UpdateWebhookInput, WebhookPayload, WebhookSecretPayload,
};

/// Changes data. Errors in the input are returned in the payload's `userErrors`. All other errors are top-level errors.
pub(crate) struct Mutation;

/// Changes data. Errors in the input are returned in the payload's `userErrors`. All other errors are top-level errors.
#[Object]
impl Mutation {
    /// Records an event. SERVICE, ADMIN and SUPER_ADMIN record events of every person. Other roles record their own
    /// events, and only of activities that a pack marks as self-reportable. If an event with the same source and id
    /// exists, the first result is returned with `duplicate: true`.
    async fn record_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event.")] input: RecordEventInput,
    ) -> Answer<RecordEventPayload> {
        record_one(ctx, input).await
    }

    /// Records up to 1,000 events. Each event has its own result: an invalid event does not stop the others.
    async fn record_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The events.")] input: RecordEventsInput,
    ) -> Answer<RecordEventsPayload> {
        record_many(ctx, input).await
    }

    /// Creates or changes a person. Allowed for ADMIN and SUPER_ADMIN. A SERVICE can create students, parents and
    /// teachers. A change of the role ends every relation that the new role cannot have: enrolments, guardians,
    /// children and courses taught.
    async fn upsert_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: UpsertUserInput,
    ) -> Answer<UpsertUserPayload> {
        upsert(ctx, input).await
    }

    /// Issues a certificate. ADMIN and SUPER_ADMIN can issue it to every student, a TEACHER to their own students.
    async fn create_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate.")] input: CreateCertificateInput,
    ) -> Answer<CreateCertificatePayload> {
        certificates::issue(ctx, input).await
    }

    /// Changes a certificate. Allowed for ADMIN and SUPER_ADMIN. The number and the student cannot change.
    async fn update_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateCertificateInput,
    ) -> Answer<UpdateCertificatePayload> {
        certificates::change(ctx, input).await
    }

    /// Deletes a certificate. ADMIN and SUPER_ADMIN can delete every certificate. A TEACHER can delete a certificate that
    /// they issued to one of their own students, within 24 hours. Afterwards only ADMIN and SUPER_ADMIN can read it. A
    /// deleted certificate cannot change.
    async fn delete_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate.")] input: DeleteCertificateInput,
    ) -> Answer<DeleteCertificatePayload> {
        certificates::remove(ctx, input).await
    }

    /// Exports all data stored about a person. ADMIN and SUPER_ADMIN export every person's data, other people only
    /// their own. The export includes revoked awards, ended relations and deleted certificates. An export of one's
    /// own data shows each action, its time and the role, but does not identify other people: the ids of other
    /// people, of their objects and of their requests are null.
    async fn export_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: ExportPersonInput,
    ) -> Answer<ExportPersonPayload> {
        erasure::export(ctx, input).await
    }

    /// Permanently removes the data that identifies a person. Allowed for SUPER_ADMIN. The person cannot sign in
    /// again, and queries for them return null or NOT_FOUND. They remain on leaderboards and in the audit log without
    /// a name. The server keeps their id, the activity, attributes and times of their events, their awards, XP and
    /// audit entries, because leaderboards and counts depend on them.
    async fn erase_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: ErasePersonInput,
    ) -> Answer<ErasePersonPayload> {
        erasure::erase(ctx, input).await
    }

    /// Links a guardian to a student, or ends the link. Allowed for ADMIN, SUPER_ADMIN and SERVICE.
    async fn link_guardian(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The guardian and the student.")] input: LinkGuardianInput,
    ) -> Answer<LinkGuardianPayload> {
        guardians::link(ctx, input).await
    }

    /// Creates a course. Allowed for ADMIN and SUPER_ADMIN. A TEACHER can create a course that they teach.
    async fn create_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The course.")] input: CreateCourseInput,
    ) -> Answer<CreateCoursePayload> {
        courses::create(ctx, input).await
    }

    /// Changes a course. Allowed for ADMIN and SUPER_ADMIN. A TEACHER can change a course that they teach.
    async fn update_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateCourseInput,
    ) -> Answer<UpdateCoursePayload> {
        courses::update(ctx, input).await
    }

    /// Enrols a student in a course, or ends the enrolment. A STUDENT enrols themselves. A TEACHER enrols only
    /// students who are already enrolled in one of their courses, and only in a course that they teach. ADMIN,
    /// SUPER_ADMIN and SERVICE enrol every student.
    async fn enroll(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The student and the course.")] input: EnrollInput,
    ) -> Answer<EnrollPayload> {
        lessons::enroll(ctx, input).await
    }

    /// Marks a lesson as completed by a student, who must be enrolled in its course. A STUDENT completes their own
    /// lessons, a TEACHER completes lessons for students of a course that they teach, and ADMIN, SUPER_ADMIN and
    /// SERVICE for every student. A repeated completion does not count again.
    async fn complete_lesson(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lesson and the student.")] input: CompleteLessonInput,
    ) -> Answer<CompleteLessonPayload> {
        lessons::complete(ctx, input).await
    }

    /// Writes a comment on a lesson. The caller must be enrolled in its course.
    async fn write_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The comment.")] input: WriteCommentInput,
    ) -> Answer<WriteCommentPayload> {
        lessons::comment(ctx, input).await
    }

    /// Creates a badge. Allowed for ADMIN and SUPER_ADMIN.
    async fn create_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The badge.")] input: CreateBadgeInput,
    ) -> Answer<CreateBadgePayload> {
        badges::create(ctx, input).await
    }

    /// Changes a badge. Allowed for ADMIN and SUPER_ADMIN.
    async fn update_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateBadgeInput,
    ) -> Answer<UpdateBadgePayload> {
        badges::update(ctx, input).await
    }

    /// Retires a badge. Allowed for ADMIN and SUPER_ADMIN. It cannot be awarded again. Existing awards remain.
    async fn retire_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The badge.")] input: RetireBadgeInput,
    ) -> Answer<RetireBadgePayload> {
        badges::retire(ctx, input).await
    }

    /// Awards a badge to a student. ADMIN and SUPER_ADMIN can award every student, a TEACHER their own students. No
    /// caller can award a badge to themselves or to their own child. If the student already has the badge, the existing
    /// award is returned with `duplicate: true`.
    async fn award_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The student and the badge.")] input: AwardBadgeInput,
    ) -> Answer<AwardBadgePayload> {
        badges::award(ctx, input).await
    }

    /// Awards a badge to up to 500 students. Each row has its own result: an invalid row does not stop the others.
    async fn award_badges(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The students and the badge.")] input: AwardBadgesInput,
    ) -> Answer<AwardBadgesPayload> {
        badges::award_many(ctx, input).await
    }

    /// Revokes an award, with a reason. ADMIN and SUPER_ADMIN can revoke every award. A TEACHER can revoke an award
    /// that they granted, while the student is in one of their courses.
    async fn revoke_award(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The award and the reason.")] input: RevokeAwardInput,
    ) -> Answer<RevokeAwardPayload> {
        badges::revoke(ctx, input).await
    }

    /// Changes the caller's own settings: the language and the mails. Not for services.
    async fn update_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The settings.")] input: UpdateMeInput,
    ) -> Answer<UpdateMePayload> {
        mail_settings::update(ctx, input).await
    }

    /// Creates a webhook and returns its secret. Allowed for ADMIN and SUPER_ADMIN.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: CreateWebhookInput,
    ) -> Answer<WebhookSecretPayload> {
        webhooks::create(ctx, input).await
    }

    /// Changes, disables or enables a webhook. Allowed for ADMIN and SUPER_ADMIN.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook and its new values.")] input: UpdateWebhookInput,
    ) -> Answer<WebhookPayload> {
        webhooks::update(ctx, input).await
    }

    /// Gives a webhook a new secret. For 24 hours requests are also signed with the secret before. Allowed for ADMIN
    /// and SUPER_ADMIN.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: RotateWebhookSecretInput,
    ) -> Answer<WebhookSecretPayload> {
        webhooks::rotate(ctx, input).await
    }

    /// Sends a test request to a webhook soon. Allowed for ADMIN and SUPER_ADMIN.
    async fn test_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: TestWebhookInput,
    ) -> Answer<TestWebhookPayload> {
        webhooks::test(ctx, input).await
    }

    /// Sends what happened since a time to a webhook again. Allowed for ADMIN and SUPER_ADMIN.
    async fn redeliver_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook and the time.")] input: RedeliverWebhookInput,
    ) -> Answer<WebhookPayload> {
        webhooks::redeliver(ctx, input).await
    }

    /// Makes a delivery due now, also if it was delivered or given up. Allowed for ADMIN and SUPER_ADMIN.
    async fn retry_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The delivery.")] input: RetryDeliveryInput,
    ) -> Answer<RetryDeliveryPayload> {
        deliveries::retry(ctx, input).await
    }
}
