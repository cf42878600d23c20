//! What is held on one person beside what they earned: taken out for an export, emptied for an erasure.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{
    acts, awards, certificates, comments, completions, courses, enrollments, events, guardians, metrics,
    outbox,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::connect::{Reads, Txn};
use super::error::Error;
use crate::auth::policy::Seen;

/// Rows one UPDATE by a list carries: two values each.
const ROWS_A_LIST: usize = 1_000;

/// What is held on one person beside what they earned; each list oldest first.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// The links to their guardians and to their children, ended ones too.
    pub(crate) links: Vec<guardians::Model>,
    /// The courses they took or take.
    pub(crate) enrollments: Vec<enrollments::Model>,
    /// The lessons they completed.
    pub(crate) completions: Vec<completions::Model>,
    /// What they wrote.
    pub(crate) comments: Vec<comments::Model>,
    /// Their certificates, deleted ones too.
    pub(crate) certificates: Vec<certificates::Model>,
    /// The courses they teach.
    pub(crate) taught: Vec<courses::Model>,
    /// The awards they gave or took back.
    pub(crate) given: Vec<awards::Model>,
    /// What others did on their record.
    pub(crate) acts_on: Vec<acts::Model>,
    /// What they did on others' records.
    pub(crate) acts_by: Vec<acts::Model>,
    /// The messages about them.
    pub(crate) messages: Vec<outbox::Model>,
}

/// All of it.
pub(crate) async fn of_person(txn: &Txn, person: Seen) -> Result<Holdings, Error> {
    let (db, id) = (txn.connection(), person.person());
    let linked =
        Condition::any().add(guardians::Column::GuardianId.eq(id)).add(guardians::Column::ChildId.eq(id));
    let given = Condition::any().add(awards::Column::AwardedBy.eq(id)).add(awards::Column::RevokedBy.eq(id));
    Ok(Holdings {
        links: guardians::Entity::find()
            .filter(linked)
            .order_by(guardians::Column::LinkedAt, Order::Asc)
            .all(db)
            .await?,
        enrollments: enrollments::Entity::find()
            .filter(enrollments::Column::StudentId.eq(id))
            .order_by(enrollments::Column::EnrolledAt, Order::Asc)
            .all(db)
            .await?,
        completions: completions::Entity::find()
            .filter(completions::Column::StudentId.eq(id))
            .order_by(completions::Column::CompletedAt, Order::Asc)
            .all(db)
            .await?,
        comments: comments::Entity::find()
            .filter(comments::Column::AuthorId.eq(id))
            .order_by(comments::Column::Id, Order::Asc)
            .all(db)
            .await?,
        certificates: certificates::Entity::find()
            .filter(certificates::Column::StudentId.eq(id))
            .order_by(certificates::Column::Id, Order::Asc)
            .all(db)
            .await?,
        taught: courses::Entity::find()
            .filter(courses::Column::TeacherId.eq(id))
            .order_by(courses::Column::Id, Order::Asc)
            .all(db)
            .await?,
        given: awards::Entity::find().filter(given).order_by(awards::Column::Id, Order::Asc).all(db).await?,
        acts_on: acts::Entity::find()
            .filter(acts::Column::PersonId.eq(id))
            .order_by(acts::Column::Id, Order::Asc)
            .all(db)
            .await?,
        acts_by: acts::Entity::find()
            .filter(acts::Column::Actor.eq(id.to_string()))
            .order_by(acts::Column::Id, Order::Asc)
            .all(db)
            .await?,
        messages: outbox::Entity::find()
            .filter(outbox::Column::PersonId.eq(id))
            .order_by(outbox::Column::Id, Order::Asc)
            .all(db)
            .await?,
    })
}

/// Ends every link and every enrolment of this person.
pub(crate) async fn end_relations(txn: &Txn, person: Seen, now: DateTime<Utc>) -> Result<(), Error> {
    let (db, id) = (txn.connection(), person.person());
    let linked =
        Condition::any().add(guardians::Column::GuardianId.eq(id)).add(guardians::Column::ChildId.eq(id));
    guardians::Entity::update_many()
        .col_expr(guardians::Column::EndedAt, Expr::value(now))
        .filter(linked)
        .filter(guardians::Column::EndedAt.is_null())
        .exec(db)
        .await?;
    enrollments::Entity::update_many()
        .col_expr(enrollments::Column::EndedAt, Expr::value(now))
        .filter(enrollments::Column::StudentId.eq(id))
        .filter(enrollments::Column::EndedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Empties what this person wrote, and what others wrote about them: comments, notes, reasons.
pub(crate) async fn blank_words(txn: &Txn, person: Seen) -> Result<(), Error> {
    let (db, id) = (txn.connection(), person.person());
    comments::Entity::update_many()
        .col_expr(comments::Column::Body, Expr::value(""))
        .filter(comments::Column::AuthorId.eq(id))
        .exec(db)
        .await?;
    awards::Entity::update_many()
        .col_expr(awards::Column::Notes, Expr::value(None::<String>))
        .col_expr(awards::Column::RevocationReason, Expr::value(None::<String>))
        .filter(awards::Column::PersonId.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Empties every certificate of this person of all that was written on it, and deletes it; `word` stands
/// where a certificate has to say something.
pub(crate) async fn blank_certificates(
    txn: &Txn,
    student: Seen,
    now: DateTime<Utc>,
    word: &str,
) -> Result<(), Error> {
    use certificates::Column;
    let update = certificates::Entity::update_many()
        .col_expr(Column::Title, Expr::value(word))
        .col_expr(Column::IssuedBy, Expr::value(word))
        .col_expr(Column::Description, Expr::value(None::<String>))
        .col_expr(Column::DocumentUrl, Expr::value(None::<String>))
        .col_expr(Column::Metadata, Expr::value(None::<sea_orm::JsonValue>))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::DeletedAt, Expr::col(Column::DeletedAt).if_null(Expr::value(now)))
        .filter(Column::StudentId.eq(student.person()));
    update.exec(txn.connection()).await?;
    Ok(())
}

/// Gives these events of one person, by our ids, other ids of their senders, and says so where a run of theirs
/// stands at one of them.
pub(crate) async fn rename_events(
    txn: &Txn,
    names: &HashMap<Uuid, String>,
    runs: &[metrics::Model],
) -> Result<(), Error> {
    let names: Vec<_> = names.iter().collect();
    for some in names.chunks(ROWS_A_LIST) {
        let mut rename = sea_orm::sea_query::CaseStatement::new();
        for (id, name) in some {
            rename = rename.case(events::Column::Id.eq(**id), Expr::value(name.as_str()));
        }
        let update = events::Entity::update_many()
            .col_expr(events::Column::ExternalId, rename.into())
            .filter(events::Column::Id.is_in(some.iter().map(|(id, _)| **id)));
        update.exec(txn.connection()).await?;
    }
    super::metrics::put(txn, runs.to_vec()).await
}
