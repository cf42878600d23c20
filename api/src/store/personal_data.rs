//! A person's data except what they earned: read for an export, and cleared by an erasure.

use chrono::{DateTime, Utc};
use entity::{
    audit_log, awards, certificates, comments, completions, courses, deliveries, enrollments, guardians,
    mail_settings, outbox, people,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::connect::Reads;
use super::error::Error;
use super::scope::proven;
use super::txn::Txn;
use crate::auth::policy::{Action, Seen};

/// The actions that end relations between people.
const ENDING: [Action; 2] = [Action::KeepPeople, Action::ErasePerson];

/// A person's data except what they earned; each list oldest first.
#[derive(Debug)]
pub(crate) struct PersonRecords {
    /// The links to their guardians and to their children, including ended ones.
    pub(crate) links: Vec<guardians::Model>,
    /// The people whom they referred.
    pub(crate) referred: Vec<people::Model>,
    /// Their enrolments, current and ended.
    pub(crate) enrollments: Vec<enrollments::Model>,
    /// The lessons they completed.
    pub(crate) completions: Vec<completions::Model>,
    /// Their comments.
    pub(crate) comments: Vec<comments::Model>,
    /// Their certificates, including deleted ones.
    pub(crate) certificates: Vec<certificates::Model>,
    /// The courses they teach.
    pub(crate) taught: Vec<courses::Model>,
    /// The awards that they granted or revoked.
    pub(crate) given: Vec<awards::Model>,
    /// Actions of others on their record.
    pub(crate) acts_on: Vec<audit_log::Model>,
    /// Their actions on other people's records, and the reports of their own events.
    pub(crate) acts_by: Vec<audit_log::Model>,
    /// The messages about them.
    pub(crate) messages: Vec<outbox::Model>,
    /// The mails to them, and the requests to webhooks about them.
    pub(crate) deliveries: Vec<deliveries::Model>,
    /// The mails that they have chosen.
    pub(crate) mail_settings: Vec<mail_settings::Model>,
}

/// Reads all of it, at most `limit` rows per list.
pub(crate) async fn of_person(txn: &Txn, person: Seen, limit: u64) -> Result<PersonRecords, Error> {
    let (db, id) = (txn.connection(), proven(person, &[Action::ExportPerson])?);
    let linked =
        Condition::any().add(guardians::Column::GuardianId.eq(id)).add(guardians::Column::ChildId.eq(id));
    let given = Condition::any().add(awards::Column::AwardedBy.eq(id)).add(awards::Column::RevokedBy.eq(id));
    Ok(PersonRecords {
        links: guardians::Entity::find()
            .filter(linked)
            .order_by(guardians::Column::LinkedAt, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        referred: people::Entity::find()
            .filter(people::Column::ReferredBy.eq(id))
            .order_by(people::Column::CreatedAt, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        enrollments: enrollments::Entity::find()
            .filter(enrollments::Column::StudentId.eq(id))
            .order_by(enrollments::Column::EnrolledAt, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        completions: completions::Entity::find()
            .filter(completions::Column::StudentId.eq(id))
            .order_by(completions::Column::CompletedAt, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        comments: comments::Entity::find()
            .filter(comments::Column::AuthorId.eq(id))
            .order_by(comments::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        certificates: certificates::Entity::find()
            .filter(certificates::Column::StudentId.eq(id))
            .order_by(certificates::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        taught: courses::Entity::find()
            .filter(courses::Column::TeacherId.eq(id))
            .order_by(courses::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        given: awards::Entity::find()
            .filter(given)
            .order_by(awards::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        acts_on: audit_log::Entity::find()
            .filter(audit_log::Column::PersonId.eq(id))
            .filter(acts_by(id).not())
            .order_by(audit_log::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        acts_by: audit_log::Entity::find()
            .filter(acts_by(id))
            .order_by(audit_log::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        messages: outbox::Entity::find()
            .filter(outbox::Column::PersonId.eq(id))
            .order_by(outbox::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        deliveries: deliveries::Entity::find()
            .filter(deliveries::Column::PersonId.eq(id))
            .order_by(deliveries::Column::CreatedAt, Order::Asc)
            .order_by(deliveries::Column::Id, Order::Asc)
            .limit(limit)
            .all(db)
            .await?,
        mail_settings: mail_settings::Entity::find()
            .filter(mail_settings::Column::PersonId.eq(id))
            .all(db)
            .await?,
    })
}

/// Condition: the actor is this person, and not a service of the same name.
fn acts_by(person: Uuid) -> Condition {
    Condition::all()
        .add(audit_log::Column::Actor.eq(person.to_string()))
        .add(audit_log::Column::ActorKind.eq(audit_log::ActorKind::Person))
}

/// A side of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// The guardian.
    Guardian,
    /// The child.
    Child,
}

/// Ends this person's enrolments; returns the courses.
pub(crate) async fn end_enrollments(txn: &Txn, person: Seen, now: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    use enrollments::{Column, Entity};
    let person = proven(person, &ENDING)?;
    let open = || Column::StudentId.eq(person).and(Column::EndedAt.is_null());
    let taken = Entity::find().select_only().column(Column::CourseId).filter(open());
    let taken = taken.into_tuple().all(txn.connection()).await?;
    let update = Entity::update_many().col_expr(Column::EndedAt, Expr::value(now)).filter(open());
    update.exec(txn.connection()).await?;
    Ok(taken)
}

/// Ends this person's links on one side; returns them as (guardian, child).
pub(crate) async fn end_links(
    txn: &Txn,
    side: Side,
    person: Seen,
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, Uuid)>, Error> {
    use guardians::{Column, Entity};
    let of = match side {
        Side::Guardian => Column::GuardianId,
        Side::Child => Column::ChildId,
    };
    let person = proven(person, &ENDING)?;
    let open = || of.eq(person).and(Column::EndedAt.is_null());
    let linked = Entity::find().select_only().columns([Column::GuardianId, Column::ChildId]).filter(open());
    let linked = linked.into_tuple().all(txn.connection()).await?;
    let update = Entity::update_many().col_expr(Column::EndedAt, Expr::value(now)).filter(open());
    update.exec(txn.connection()).await?;
    Ok(linked)
}

/// Removes this person as the teacher of all their courses; returns the courses.
pub(crate) async fn end_teaching(txn: &Txn, person: Seen, now: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    use courses::{Column, Entity};
    let person = proven(person, &ENDING)?;
    let theirs = || Column::TeacherId.eq(person);
    let taught = Entity::find().select_only().column(Column::Id).filter(theirs());
    let taught = taught.into_tuple().all(txn.connection()).await?;
    let update = Entity::update_many()
        .col_expr(Column::TeacherId, Expr::value(None::<Uuid>))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(theirs());
    update.exec(txn.connection()).await?;
    Ok(taught)
}

/// Clears the texts by and about this person: comments, notes, reasons, answers of webhooks.
pub(crate) async fn blank_words(txn: &Txn, person: Seen) -> Result<(), Error> {
    use awards::Column;
    let (db, id) = (txn.connection(), proven(person, &[Action::ErasePerson])?);
    comments::Entity::update_many()
        .col_expr(comments::Column::Body, Expr::value(""))
        .filter(comments::Column::AuthorId.eq(id))
        .exec(db)
        .await?;
    let nothing = || Expr::value(None::<String>);
    // The answer of a receiver may contain data of the person that it got in the request.
    deliveries::Entity::update_many()
        .col_expr(deliveries::Column::Answer, nothing())
        .filter(deliveries::Column::PersonId.eq(id))
        .filter(deliveries::Column::Answer.is_not_null())
        .exec(db)
        .await?;
    for (words, of) in [
        (Column::Notes, Column::PersonId),
        (Column::RevocationReason, Column::PersonId),
        (Column::Notes, Column::AwardedBy),
        (Column::RevocationReason, Column::RevokedBy),
    ] {
        let update = awards::Entity::update_many().col_expr(words, nothing());
        update.filter(of.eq(id)).filter(words.is_not_null()).exec(db).await?;
    }
    Ok(())
}

/// Clears and deletes every certificate of this person. `word` replaces the required texts. The new numbers are
/// `number` with a counter. Also clears the ids that callers chose for these certificates and for those that the person
/// issued, because such an id can contain a name.
pub(crate) async fn blank_certificates(
    txn: &Txn,
    student: Seen,
    now: DateTime<Utc>,
    word: &str,
    number: &str,
) -> Result<(), Error> {
    use certificates::Column;
    let (db, student) = (txn.connection(), proven(student, &[Action::ErasePerson])?);
    let ids = certificates::Entity::update_many()
        .col_expr(Column::ClientMutationId, Expr::value(None::<String>))
        .col_expr(Column::SentHash, Expr::value(None::<Uuid>))
        .filter(Condition::any().add(Column::StudentId.eq(student)).add(Column::CreatedBy.eq(student)))
        .filter(Column::ClientMutationId.is_not_null());
    ids.exec(db).await?;
    let update = certificates::Entity::update_many()
        .col_expr(Column::Title, Expr::value(word))
        .col_expr(Column::IssuedBy, Expr::value(word))
        .col_expr(Column::Description, Expr::value(None::<String>))
        .col_expr(Column::DocumentUrl, Expr::value(None::<String>))
        .col_expr(Column::Metadata, Expr::value(None::<sea_orm::JsonValue>))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::DeletedAt, Expr::col(Column::DeletedAt).if_null(Expr::value(now)))
        .filter(Column::StudentId.eq(student));
    update.exec(db).await?;
    let count = "UPDATE certificates SET number = $2 || counted.place \
         FROM (SELECT id, CAST(row_number() OVER (ORDER BY id) AS text) AS place \
               FROM certificates WHERE student_id = $1) AS counted \
         WHERE certificates.id = counted.id";
    db.execute_raw(super::statement(db, count, [student.into(), number.into()])).await?;
    Ok(())
}

/// Removes this person's name as the issuer of other people's certificates: those of courses they teach or taught, and
/// those they issued. The title of the course replaces it, or `word` if there is no course.
pub(crate) async fn rename_issuer(
    txn: &Txn,
    person: Seen,
    name: &str,
    now: DateTime<Utc>,
    word: &str,
) -> Result<(), Error> {
    use certificates::Column;
    let id = proven(person, &[Action::ErasePerson])?;
    let taught = Query::select()
        .column(courses::Column::Id)
        .from(courses::Entity)
        .and_where(courses::Column::TeacherId.eq(id))
        .to_owned();
    // The audit log has the courses that they taught before, and the certificates that they issued.
    let acts = Condition::any().add(audit_log::Column::PersonId.eq(id)).add(acts_by(id));
    let acted = Query::select()
        .column(audit_log::Column::ObjectId)
        .from(audit_log::Entity)
        .cond_where(acts)
        .and_where(audit_log::Column::ObjectId.is_not_null())
        .to_owned();
    let title = Query::select()
        .column(courses::Column::Title)
        .from(courses::Entity)
        .and_where(
            Expr::col((courses::Entity, courses::Column::Id))
                .eq(Expr::col((certificates::Entity, Column::CourseId))),
        )
        .to_owned();
    let theirs = Condition::any()
        .add(Column::CourseId.in_subquery(taught))
        .add(Column::CourseId.in_subquery(acted.clone()))
        .add(Column::Id.in_subquery(acted));
    let update = certificates::Entity::update_many()
        .col_expr(Column::IssuedBy, Expr::from(title).if_null(Expr::value(word)))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::IssuedBy.eq(name))
        .filter(theirs);
    update.exec(txn.connection()).await?;
    Ok(())
}

/// Replaces the external ids of this person's events, except those of the source `own`, with `name` and a number. The
/// numbers keep the order of the old ids, because it decides which of two simultaneous events comes first in a run. A run
/// whose last event is one of them gets the new id.
pub(crate) async fn rename_events(txn: &Txn, person: Seen, own: &str, name: &str) -> Result<(), Error> {
    let (db, letters) = (txn.connection(), txn.dialect.by_letters());
    let person = proven(person, &[Action::ErasePerson])?;
    let named = format!(
        "(SELECT id, source, external_id, $3 || substr(CAST(1000000000000 + row_number() OVER \
              (ORDER BY source{letters}, external_id{letters}) AS text), 2) AS name \
          FROM events WHERE person_id = $1 AND source <> $2) AS named"
    );
    let of_metrics = |key: &str| {
        format!(
            "UPDATE metrics SET {key}_external_id = named.name FROM {named} WHERE metrics.person_id = $1 \
             AND metrics.{key}_source = named.source AND metrics.{key}_external_id = named.external_id"
        )
    };
    let events =
        format!("UPDATE events SET external_id = named.name FROM {named} WHERE events.id = named.id");
    // Runs first, because they are found by the old ids.
    for sql in [of_metrics("run"), of_metrics("reset"), events] {
        let values = [person.into(), own.into(), name.into()];
        db.execute_raw(super::statement(db, &sql, values)).await?;
    }
    Ok(())
}
