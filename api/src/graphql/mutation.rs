//! The root of all writing.

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
use super::register::{UpsertUserInput, UpsertUserPayload, upsert};

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

    /// Creates a person or changes one: ADMIN, SUPER_ADMIN; a SERVICE creates students, parents and teachers. Another
    /// role ends the relations it cannot have: courses taken, guardians, children, courses taught.
    async fn upsert_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: UpsertUserInput,
    ) -> Answer<UpsertUserPayload> {
        upsert(ctx, input).await
    }

    /// Issues a certificate: ADMIN, SUPER_ADMIN to every student; a TEACHER to students of theirs.
    async fn create_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate.")] input: CreateCertificateInput,
    ) -> Answer<CreateCertificatePayload> {
        certificates::issue(ctx, input).await
    }

    /// Changes a certificate: ADMIN, SUPER_ADMIN. Its number and its student stay.
    async fn update_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCertificateInput,
    ) -> Answer<UpdateCertificatePayload> {
        certificates::change(ctx, input).await
    }

    /// Deletes a certificate for everyone but admins: ADMIN, SUPER_ADMIN. A deleted one stays as it is.
    async fn delete_certificate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The certificate.")] input: DeleteCertificateInput,
    ) -> Answer<DeleteCertificatePayload> {
        certificates::remove(ctx, input).await
    }

    /// Takes out everything that is held on somebody: ADMIN, SUPER_ADMIN on everybody, a person on themselves. What was
    /// taken back, has ended or is deleted is still held and is in it. What a person takes out on themselves tells what
    /// was done, when and in which role, and names nobody else: where the id of another person, of something of
    /// theirs or of their request stands, it has null.
    async fn export_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "On whom.")] input: ExportPersonInput,
    ) -> Answer<ExportPersonPayload> {
        erasure::export(ctx, input).await
    }

    /// Removes what identifies somebody, for good: SUPER_ADMIN. What they earned stays as numbers, so that others'
    /// numbers stay right; they sign in no more, and for everyone they are as if missing, but for their place on boards
    /// and in the audit log, without a name. What stays is their id, what their events say (activity, attributes, times),
    /// their awards, XP and audit rows: boards, counts and the check stand on it.
    async fn erase_person(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: ErasePersonInput,
    ) -> Answer<ErasePersonPayload> {
        erasure::erase(ctx, input).await
    }

    /// Links a guardian to a child, or ends the link: ADMIN, SUPER_ADMIN, SERVICE.
    async fn link_guardian(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and to whose child.")] input: LinkGuardianInput,
    ) -> Answer<LinkGuardianPayload> {
        guardians::link(ctx, input).await
    }

    /// Makes a course: ADMIN, SUPER_ADMIN; a TEACHER one of their own.
    async fn create_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The course.")] input: CreateCourseInput,
    ) -> Answer<CreateCoursePayload> {
        courses::create(ctx, input).await
    }

    /// Changes a course: ADMIN, SUPER_ADMIN; a TEACHER one that they teach.
    async fn update_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCourseInput,
    ) -> Answer<UpdateCoursePayload> {
        courses::update(ctx, input).await
    }

    /// Enrols a student in a course, or ends it: STUDENT for themselves; a TEACHER in a course they teach, and only
    /// somebody who is their student already; ADMIN, SUPER_ADMIN and SERVICE anybody.
    async fn enroll(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and in which course.")] input: EnrollInput,
    ) -> Answer<EnrollPayload> {
        lessons::enroll(ctx, input).await
    }

    /// Completes a lesson of a course that the student takes now: STUDENT for themselves; a TEACHER in a course they
    /// teach; ADMIN, SUPER_ADMIN and SERVICE for anybody. Completed twice it counts once.
    async fn complete_lesson(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which lesson.")] input: CompleteLessonInput,
    ) -> Answer<CompleteLessonPayload> {
        lessons::complete(ctx, input).await
    }

    /// Writes a comment on a lesson of a course that the caller takes now.
    async fn write_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The comment.")] input: WriteCommentInput,
    ) -> Answer<WriteCommentPayload> {
        lessons::comment(ctx, input).await
    }

    /// Makes a badge: ADMIN, SUPER_ADMIN.
    async fn create_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The badge.")] input: CreateBadgeInput,
    ) -> Answer<CreateBadgePayload> {
        badges::create(ctx, input).await
    }

    /// Changes a badge: ADMIN, SUPER_ADMIN.
    async fn update_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateBadgeInput,
    ) -> Answer<UpdateBadgePayload> {
        badges::update(ctx, input).await
    }

    /// Retires a badge: ADMIN, SUPER_ADMIN. It stays with those who have it.
    async fn retire_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which badge.")] input: RetireBadgeInput,
    ) -> Answer<RetireBadgePayload> {
        badges::retire(ctx, input).await
    }

    /// Gives a student a badge: ADMIN, SUPER_ADMIN anybody; a TEACHER a student of theirs. Given again it answers the
    /// first award, duplicate: true.
    async fn award_badge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets which badge.")] input: AwardBadgeInput,
    ) -> Answer<AwardBadgePayload> {
        badges::award(ctx, input).await
    }

    /// Gives up to 500 students a badge; each row answers for itself.
    async fn award_badges(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who get which badge.")] input: AwardBadgesInput,
    ) -> Answer<AwardBadgesPayload> {
        badges::award_many(ctx, input).await
    }

    /// Takes an award back, with a reason: ADMIN, SUPER_ADMIN any; a TEACHER what they gave, while the student is theirs.
    async fn revoke_award(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which award, and why.")] input: RevokeAwardInput,
    ) -> Answer<RevokeAwardPayload> {
        badges::revoke(ctx, input).await
    }
}
