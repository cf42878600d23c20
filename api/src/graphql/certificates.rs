//! Certificates: their type, their page and their three mutations. Also a student's certificates and badges.

use std::borrow::Cow;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use uuid::Uuid;

use super::awards::Award;
use super::context::{actor, app, loaders, request_context};
use super::fault::{Answer, UserError, user_error};
use super::loaders::{BadgesOf, CertificatesOf};
use super::page::{self, Moment, list};
use super::people::User;
use super::scalars::{Date, DateTime, GivenDate, GivenUrl, Json, parse_uuid, uuid};
use crate::auth::policy::{self, Action, Seen};
use crate::refusal::{Failure, Refusal};
use crate::registry::certificates::{Change, Issue, Wording, create, delete, shows_deleted, update};
use crate::store::certificates::{self, Row, Wanted};

/// A certificate that was issued to a student.
#[derive(Clone)]
pub(crate) struct Certificate(pub(crate) Row);

/// A certificate that was issued to a student.
#[Object]
impl Certificate {
    /// The certificate's id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The number printed on the certificate, such as CERT-2026-7QK3-0XWM-R2D9-HT4B. It is unique and hard to guess.
    async fn number(&self) -> &str {
        &self.0.number
    }

    /// The student to whom the certificate was issued.
    async fn student(&self, ctx: &Context<'_>) -> Answer<User> {
        User::of(ctx, self.0.student_id).await
    }

    /// The title.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The issuer: a person or an organisation.
    async fn issued_by(&self) -> &str {
        &self.0.issued_by
    }

    /// The date printed on the certificate.
    async fn issued_date(&self) -> Date {
        Date(self.0.issued_date)
    }

    /// The description. Null if there is none.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The URL of the document. Null if there is none.
    async fn document_url(&self) -> Option<Answer<super::scalars::Url>> {
        let url = self.0.document_url.as_deref()?;
        let broken = |_| crate::store::Error::Impossible(format!("certificate {} has no URL", self.0.id));
        Some(url::Url::parse(url).map(super::scalars::Url).map_err(|error| broken(error).into()))
    }

    /// Further data that the issuer stored, as a JSON object. Null if there is none.
    async fn additional_metadata(&self) -> Option<Json<'_>> {
        self.0.metadata.as_ref().map(|metadata| Json(Cow::Borrowed(metadata)))
    }

    /// When the certificate was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When the certificate was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When the certificate was deleted. Null if it is not deleted. Only ADMIN and SUPER_ADMIN can read deleted
    /// certificates. A course does not issue its certificate again after an admin deleted it.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted_at.map(DateTime)
    }
}

/// Additional fields of a page of certificates.
pub(crate) struct CertificateCount {
    wanted: Wanted,
}

#[Object]
impl CertificateCount {
    /// The number of certificates on all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<i64> {
        let sight = policy::sight(actor(ctx)?);
        let count = certificates::count(&app(ctx)?.db, &sight, self.wanted).await?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A page of certificates, newest first.
pub(crate) type CertificatePage = Connection<Moment<{ list::CERTIFICATES }>, Certificate, CertificateCount>;

/// A page of the certificates that the caller may see. `None` for a student whose record the caller may not see.
pub(crate) async fn page(
    ctx: &Context<'_>,
    student: Option<&ID>,
    first: Option<i32>,
    after: Option<&str>,
) -> Answer<Option<CertificatePage>> {
    let actor = actor(ctx)?;
    let cut = page::cut(first, after, None, None)?;
    let student = match student {
        Some(id) => {
            let Some(user) = User::visible(ctx, uuid("studentId", id)?).await? else { return Ok(None) };
            user.seen(ctx).await?.map(|seen| seen.person())
        }
        None => None,
    };
    let wanted = Wanted { student, deleted: shows_deleted(actor) };
    let from = cut.from.map(|Moment::<{ list::CERTIFICATES }>(at, id)| (at, id));
    let sight = policy::sight(actor);
    let rows = certificates::page_of(&app(ctx)?.db, &sight, wanted, from, cut.rows + 1).await?;
    let asked = usize::try_from(cut.rows).unwrap_or(usize::MAX);
    let more = rows.len() > asked;
    let mut page = Connection::with_additional_fields(cut.from.is_some(), more, CertificateCount { wanted });
    let edge = |row: Row| Edge::new(Moment(row.created_at, row.id), Certificate(row));
    page.edges.extend(rows.into_iter().take(asked).map(edge));
    Ok(Some(page))
}

/// The certificate with this id, if the caller may see it.
pub(crate) async fn by_id(ctx: &Context<'_>, id: Uuid) -> Answer<Option<Certificate>> {
    let actor = actor(ctx)?;
    let row = certificates::by_id(&app(ctx)?.db, &policy::sight(actor), id, shows_deleted(actor)).await?;
    Ok(row.map(Certificate))
}

/// A student's certificates and the badges that people awarded to them.
pub(crate) struct StudentAchievements {
    seen: Seen,
}

impl StudentAchievements {
    /// The certificates and badges of this student; `None` if the caller may not see their record.
    pub(crate) async fn of(ctx: &Context<'_>, student: &ID) -> Answer<Option<Self>> {
        let Some(user) = User::visible(ctx, uuid("studentId", student)?).await? else { return Ok(None) };
        Ok(user.seen(ctx).await?.map(|seen| Self { seen }))
    }
}

/// A student's certificates and the badges that people awarded to them.
#[Object]
impl StudentAchievements {
    /// The newest certificates. `Query.certificates` returns all of them in pages.
    async fn certificates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 100)] first: Option<i32>,
    ) -> Answer<Vec<Certificate>> {
        let limit = page::at_most("first", first.unwrap_or(page::MOST), page::MOST)?;
        let rows = loaders(ctx)?.load_one(CertificatesOf(self.seen, limit)).await?.unwrap_or_default();
        Ok(rows.iter().cloned().map(Certificate).collect())
    }

    /// The newest badges that people awarded and did not revoke. `Query.earned` returns all awards in pages.
    async fn badges(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The maximum number of items, 0 to 100.", default = 100)] first: Option<i32>,
    ) -> Answer<Vec<Award>> {
        let limit = page::at_most("first", first.unwrap_or(page::MOST), page::MOST)?;
        let rows = loaders(ctx)?.load_one(BadgesOf(self.seen, limit)).await?.unwrap_or_default();
        Ok(rows.iter().cloned().map(Award).collect())
    }
}

/// The certificate to issue.
#[derive(InputObject)]
pub(crate) struct CreateCertificateInput {
    /// The caller's own id for this certificate: 1 to 128 characters, unique per caller. A call that is sent again with the
    /// same id and the same input returns the first certificate. With another input, or if that certificate is deleted,
    /// the result is a CONFLICT. Without an id, every call issues a certificate.
    client_mutation_id: Option<String>,
    /// The student's id. A teacher can only send one of their own students.
    student_id: ID,
    /// The title: one line of 1 to 200 characters.
    title: String,
    /// The issuer, a person or an organisation: one line of 1 to 200 characters.
    issued_by: String,
    /// The date to print on the certificate.
    issued_date: GivenDate,
    /// The description: at most 2,000 characters, stored in Unicode NFC. Blank text is stored as null.
    description: Option<String>,
    /// The URL of the document: at most 2,048 bytes, without credentials.
    document_url: Option<GivenUrl>,
    /// Further data to store: a JSON object of at most 16 KiB.
    additional_metadata: Option<Json<'static>>,
}

/// The result of `createCertificate`.
#[derive(SimpleObject)]
pub(crate) struct CreateCertificatePayload {
    /// The new certificate, or that of the first call with the same `clientMutationId`, as it is now. Null on error.
    certificate: Option<Certificate>,
    /// True if an earlier call with the same `clientMutationId` issued it. Null on error.
    duplicate: Option<bool>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The changes of a certificate. Omitted fields keep their value. Null clears a field; for a required field, null is
/// INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpdateCertificateInput {
    /// The certificate's id.
    id: ID,
    /// The title: one line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// The issuer, a person or an organisation: one line of 1 to 200 characters.
    issued_by: MaybeUndefined<String>,
    /// The date to print on the certificate.
    issued_date: MaybeUndefined<GivenDate>,
    /// The description: at most 2,000 characters, stored in Unicode NFC. Blank text is stored as null.
    description: MaybeUndefined<String>,
    /// The URL of the document: at most 2,048 bytes, without credentials.
    document_url: MaybeUndefined<GivenUrl>,
    /// Further data to store: a JSON object of at most 16 KiB. It replaces the stored object.
    additional_metadata: MaybeUndefined<Json<'static>>,
}

/// The result of `updateCertificate`.
#[derive(SimpleObject)]
pub(crate) struct UpdateCertificatePayload {
    /// The certificate after the change. Null on error.
    certificate: Option<Certificate>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The certificate to delete.
#[derive(InputObject)]
pub(crate) struct DeleteCertificateInput {
    /// The certificate's id.
    id: ID,
}

/// The result of `deleteCertificate`.
#[derive(SimpleObject)]
pub(crate) struct DeleteCertificatePayload {
    /// The deleted certificate, which only ADMIN and SUPER_ADMIN can read now. Null on error.
    certificate: Option<Certificate>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Issues a certificate, if the caller is allowed to.
pub(crate) async fn issue(
    ctx: &Context<'_>,
    input: CreateCertificateInput,
) -> Answer<CreateCertificatePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::CreateCertificate)?;
    let issued = match read_new(input) {
        Ok(issue) => create(app(ctx)?, &request, issue).await,
        Err(refusal) => Err(refusal.into()),
    };
    let duplicate = issued.as_ref().ok().map(|issued| issued.duplicate);
    let (certificate, user_errors) = answer(issued.map(|issued| issued.row))?;
    Ok(CreateCertificatePayload { certificate, duplicate, user_errors })
}

/// Changes a certificate, if the caller is allowed to.
pub(crate) async fn change(
    ctx: &Context<'_>,
    input: UpdateCertificateInput,
) -> Answer<UpdateCertificatePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ChangeCertificate)?;
    let written = match read_change(input) {
        Ok((id, change)) => update(app(ctx)?, &request, id, change).await,
        Err(refusal) => Err(refusal.into()),
    };
    let (certificate, user_errors) = answer(written)?;
    Ok(UpdateCertificatePayload { certificate, user_errors })
}

/// Deletes a certificate, if the caller is allowed to.
pub(crate) async fn remove(
    ctx: &Context<'_>,
    input: DeleteCertificateInput,
) -> Answer<DeleteCertificatePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::DeleteCertificate)?;
    let written = match read_id("id", &input.id) {
        Ok(id) => delete(app(ctx)?, &request, id).await,
        Err(refusal) => Err(refusal.into()),
    };
    let (certificate, user_errors) = answer(written)?;
    Ok(DeleteCertificatePayload { certificate, user_errors })
}

fn answer(written: Result<Row, Failure>) -> Answer<(Option<Certificate>, Vec<UserError>)> {
    match written {
        Ok(row) => Ok((Some(Certificate(row)), Vec::new())),
        Err(failure) => Ok((None, vec![user_error(failure, &["input"])?])),
    }
}

fn read_new(input: CreateCertificateInput) -> Result<Issue, Refusal> {
    let student = read_id("studentId", &input.student_id)?;
    let wording = Wording {
        title: input.title,
        issued_by: input.issued_by,
        issued_date: input.issued_date.read("issuedDate")?,
        description: input.description,
        document_url: input.document_url.map(|url| url.read("documentUrl")).transpose()?,
        metadata: input.additional_metadata.map(|Json(metadata)| metadata.into_owned()),
    };
    Ok(Issue { student, client_mutation_id: input.client_mutation_id, wording })
}

fn read_change(input: UpdateCertificateInput) -> Result<(Uuid, Change), Refusal> {
    let id = read_id("id", &input.id)?;
    let url = |given: Option<GivenUrl>| given.map(|url| url.read("documentUrl")).transpose();
    let day = required("issuedDate", input.issued_date)?;
    let change = Change {
        title: required("title", input.title)?,
        issued_by: required("issuedBy", input.issued_by)?,
        issued_date: day.map(|day| day.read("issuedDate")).transpose()?,
        description: given(input.description),
        document_url: given(input.document_url).map(url).transpose()?,
        metadata: given(input.additional_metadata)
            .map(|given| given.map(|Json(metadata)| metadata.into_owned())),
    };
    Ok((id, change))
}

fn read_id(field: &str, id: &ID) -> Result<Uuid, Refusal> {
    let message = "Not a UUID: send an id as this API returns it.";
    parse_uuid(id).ok_or_else(|| Refusal::invalid([field], message))
}

fn given<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>, Refusal> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(Refusal::invalid(
            [field],
            "This field is required: send a value, or omit the field to keep the stored one.",
        )),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}
