//! The price of each field in units. A field that is read from memory or by a loader costs 1; this table has all
//! fields that cost more. A unit is at most 50 µs of one processor with 50,000 people and 500,000 events, and at most
//! 400 bytes of the response. The default of `limits.complexity` (10,000) is thus half a second and 4 MB. The price
//! of a list is that of its maximum number of rows. A test compares this table with the schema.

use super::page::{MOST, USUAL};

/// One statement that reads few rows by an index.
const STATEMENT: u64 = 3;
/// The share of one row in a statement for many rows.
const SHARE: u64 = 1;
/// A page of people whose record a teacher may see: up to 20 ms.
const PEOPLE: u64 = 300;
/// A count of the people whose record a teacher may see, or of their certificates: up to 100 ms for a teacher of all
/// people.
const PEOPLE_COUNT: u64 = 2_000;
/// A page of the students of a course: it sorts up to 1,000 students, usually far fewer.
const STUDENTS: u64 = 20;
/// A count of the rows of a person, a lesson or a course, in a statement that counts for many of them.
const SMALL_COUNT: u64 = 2;
/// A count of all people, courses, certificates or audit entries, or of all places on a leaderboard: up to 5 ms.
const FULL_COUNT: u64 = 100;
/// A count of the people who have earned an achievement, in an index with one entry for each award.
const HOLDERS: u64 = 20;
/// A search for a text in all names: up to 10 ms.
const SEARCH: u64 = 200;
/// A search for people of one role: up to 40 ms if few people have it.
const ROLE: u64 = 800;
/// A count of the students of another teacher's course whose record a teacher may see: up to 2 ms.
const STUDENTS_COUNT: u64 = 40;
/// A page of the certificates that a teacher may see: up to 10 ms.
const CERTIFICATES: u64 = 200;
/// A field of an achievement's leaderboard. There are as many of these as achievements, and each is loaded at its first use.
const AWARD_BOARD: u64 = 800;
/// A leaderboard of a past period, which is usually not in memory.
const PAST_BOARD: u64 = 1_000;
/// A leaderboard of a course, which is sorted for each use.
const COURSE_BOARD: u64 = 400;
/// The progress of a person in all achievements of the catalogue.
const PROGRESS: u64 = 20;
/// A person's awards, counted by category and rank.
const SUMMARY: u64 = 2;
/// A transaction that writes: its statements, its locks and its share of a commit.
const WRITE: u64 = 20;
/// The export of a person's whole record as JSON.
const EXPORT: u64 = 1_000;
/// The erasure of a person in one transaction.
const ERASURE: u64 = 200;
/// An event: checked, evaluated and written with its consequences, in a transaction with other events.
const EVENT: u64 = 4;
/// An award by a person. It is evaluated together with all other awards of the recipient.
const GRANT: u64 = 5;
/// A course with up to 500 lessons, written in one transaction.
const COURSE: u64 = 100;
/// A new subscription, and each award that it sends. Both check rights with several statements.
const DELIVERY: u64 = 5;
/// A text of up to 2,000 characters. It can have 8,000 bytes, usually far fewer. `limits.answer_bytes` bounds the
/// response.
const PROSE: u64 = 5;
/// A JSON object of up to 16 KiB.
const METADATA: u64 = 10;
/// Introspection of the schema: about 2,000 small objects.
const INTROSPECTION: u64 = 500;

/// The maximum number of errors of a payload.
const ERRORS: u64 = 5;
/// The usual maximum number of awards of one event, lesson, comment or badge, and of a revocation.
const AWARDS: u64 = 20;
/// Awards of one of many events or badges. Each award belongs to one event only, so many rows have none.
const AWARDS_OF_ROW: u64 = 3;
/// The errors of one row of many events or awards. A row is refused for one reason.
const ERRORS_OF_ROW: u64 = 2;
/// The types of events of webhooks.
const WEBHOOK_TYPES: u64 = 7;
/// The maximum number of tracks of `nextAchievements`.
pub(crate) const MOST_TRACKS: u64 = 100;
/// The default number of achievements of `catalog`.
pub(crate) const USUAL_CATALOG: i32 = 200;
/// The maximum number of achievements of `catalog`.
pub(crate) const MOST_CATALOG: i32 = 500;

/// The price of a field: `base`, and for each of its rows the price of the selection, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price {
    /// The price of the field without its rows.
    pub(super) base: u64,
    /// Arguments with a surcharge, which applies if the field has the argument.
    pub(super) with: &'static [(&'static str, u64)],
    /// The price of its page's `totalCount`, if it depends on the list. 0: the price of the field `totalCount`.
    pub(super) count: u64,
    /// An argument with a surcharge for each subfield that has a base price.
    pub(super) below: Option<(&'static str, u64)>,
    /// The surcharge for a teacher, who may have thousands of students, and a teacher's price of `totalCount`.
    pub(super) for_teacher: Option<(u64, u64)>,
    /// The number of rows.
    pub(super) rows: Rows,
}

/// The number of rows of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// One object or scalar.
    One,
    /// A list with at most this many rows.
    AtMost(u64),
    /// A list with as many rows as the argument `first` or `last` requests.
    First {
        /// The default.
        usual: i32,
        /// The maximum.
        most: i32,
    },
    /// A page: one object, whose lists have as many rows as the field's argument `first` or `last` requests.
    Page {
        /// The default.
        usual: i32,
        /// The maximum.
        most: i32,
    },
    /// A list of a page, with the page's number of rows.
    OfPage,
    /// A list with as many rows as the list in this field of the argument `input`. The selected fields of a row are
    /// in memory, or are read for many rows in one statement, so [`SELECTED_OF_ROW`] fields cost 1.
    Sent {
        /// The field of `input` that has the list.
        list: &'static str,
        /// The price of each row without its selection.
        each: u64,
    },
}

/// The number of selected fields that cost 1 in a row of [`Rows::Sent`].
pub(super) const SELECTED_OF_ROW: u64 = 10;

impl Price {
    const fn base(base: u64) -> Self {
        Self::rows(base, Rows::One)
    }

    const fn rows(base: u64, rows: Rows) -> Self {
        Self { base, with: &[], count: 0, below: None, for_teacher: None, rows }
    }

    const fn with(self, arguments: &'static [(&'static str, u64)]) -> Self {
        Self { with: arguments, ..self }
    }

    const fn below(self, argument: &'static str, more: u64) -> Self {
        Self { below: Some((argument, more)), ..self }
    }

    const fn for_teacher(self, more: u64, count: u64) -> Self {
        Self { for_teacher: Some((more, count)), ..self }
    }

    /// The price for a teacher or for another caller.
    pub(super) fn to(self, is_teacher: bool) -> Self {
        match self.for_teacher {
            Some((more, count)) if is_teacher => Self { base: self.base + more, count, ..self },
            _ => self,
        }
    }
}

/// Connections: up to 100 rows, default 20.
const PAGE: Rows = Rows::Page { usual: USUAL, most: MOST };
/// Plain lists with the argument `first`: up to 100 rows, default 20.
const LIST: Rows = Rows::First { usual: USUAL, most: MOST };
/// Plain lists whose default is the maximum of 100 rows.
const WHOLE_LIST: Rows = Rows::First { usual: MOST, most: MOST };

/// The price of a field of a type.
pub(super) fn of(parent: &str, field: &str) -> Price {
    match (parent, field) {
        (_, "__typename") => Price::base(0),
        (_, "__schema" | "__type") => Price::base(INTROSPECTION),

        ("Query", "people") => {
            // Includes the count of all people.
            Price::rows(FULL_COUNT, PAGE)
                .with(&[("search", SEARCH), ("role", ROLE)])
                .for_teacher(PEOPLE, PEOPLE_COUNT)
        }
        ("Query", "certificates") => Price::rows(STATEMENT, PAGE).for_teacher(CERTIFICATES, PEOPLE_COUNT),
        ("Query", "courses" | "comments" | "earned" | "auditLog" | "deliveries" | "webhooks") => {
            Price::rows(STATEMENT, PAGE)
        }
        ("Query" | "User", "inProgress") => Price::rows(PROGRESS, PAGE),
        ("Query", "nextAchievements") => Price::rows(PROGRESS, Rows::AtMost(MOST_TRACKS)),
        ("Query", "catalog") => {
            Price::rows(STATEMENT, Rows::Page { usual: USUAL_CATALOG, most: MOST_CATALOG })
        }
        ("Query", "leaderboard") => Price::base(0)
            .with(&[("at", PAST_BOARD), ("courseId", COURSE_BOARD)])
            .below("achievement", AWARD_BOARD),
        ("Query", "me" | "node" | "user" | "certificate" | "feedCursor" | "mailSettings") => {
            Price::base(STATEMENT)
        }

        ("User", "earned") => Price::rows(SHARE, PAGE),
        ("Course", "students") => Price::rows(STUDENTS, PAGE).for_teacher(0, STUDENTS_COUNT),
        ("User" | "Query", "summary") => Price::base(SUMMARY),
        ("User", "children") => Price::rows(SHARE, LIST),
        ("Course", "lessons") => Price::rows(SHARE, WHOLE_LIST),
        ("StudentAchievements", "certificates" | "badges") => Price::rows(STATEMENT, WHOLE_LIST),
        ("Leaderboard", "standings") => Price::rows(FULL_COUNT, PAGE),
        ("Leaderboard", "standing" | "totalCount") => Price::base(FULL_COUNT),
        ("Catalog", "categories") => Price::rows(0, Rows::OfPage),
        // Each achievement is in one category, so the price of `categories` already has all rows of the page.
        ("Category", "achievements") => Price::base(0),
        ("Achievement", "earnedCount") => Price::base(HOLDERS),

        ("AwardConnection" | "CommentConnection" | "UserConnection", "totalCount") => {
            Price::base(SMALL_COUNT)
        }
        // The page has computed the whole list.
        ("ProgressConnection", "totalCount") => Price::base(0),
        (connection, field) if connection.ends_with("Connection") => match field {
            "edges" | "nodes" => Price::rows(0, Rows::OfPage),
            "totalCount" => Price::base(FULL_COUNT),
            _ => Price::base(0),
        },

        ("Award", "notes" | "revocationReason") => Price::base(PROSE),
        ("Comment", "body") | ("Certificate", "description") => Price::base(PROSE),
        ("Certificate", "additionalMetadata") => Price::base(METADATA),

        ("Webhook", "types") => Price::rows(0, Rows::AtMost(WEBHOOK_TYPES)),
        ("Mutation", field) => of_mutation(field),
        ("RecordEventsPayload" | "AwardBadgesPayload", "results") => Price::base(0),
        ("RecordEventResult" | "AwardResult", "awards") => Price::rows(0, Rows::AtMost(AWARDS_OF_ROW)),
        (payload, "awards") if payload.ends_with("Payload") => Price::rows(0, Rows::AtMost(AWARDS)),
        ("RevokeAwardPayload", "revoked" | "flagged") => Price::rows(0, Rows::AtMost(AWARDS)),
        ("RecordEventResult" | "AwardResult", "userErrors") => Price::rows(0, Rows::AtMost(ERRORS_OF_ROW)),
        (_, "userErrors") => Price::rows(0, Rows::AtMost(ERRORS)),

        ("Subscription", "achievementEarned") => Price::base(DELIVERY),
        _ => Price::base(0),
    }
}

fn of_mutation(field: &str) -> Price {
    match field {
        "recordEvent" => Price::base(EVENT),
        "recordEvents" => Price::rows(0, Rows::Sent { list: "events", each: EVENT }),
        "awardBadges" => Price::rows(WRITE, Rows::Sent { list: "rows", each: GRANT }),
        "createCourse" | "updateCourse" => Price::base(COURSE),
        "exportPerson" => Price::base(EXPORT),
        "erasePerson" => Price::base(ERASURE),
        "awardBadge"
        | "completeLesson"
        | "createBadge"
        | "createCertificate"
        | "createWebhook"
        | "deleteCertificate"
        | "enroll"
        | "linkGuardian"
        | "redeliverWebhook"
        | "retireBadge"
        | "retryDelivery"
        | "revokeAward"
        | "rotateWebhookSecret"
        | "testWebhook"
        | "updateBadge"
        | "updateCertificate"
        | "updateMe"
        | "updateWebhook"
        | "upsertUser"
        | "writeComment" => Price::base(WRITE),
        // `tests/it/checklist.rs` finds a mutation without a price.
        _ => Price::base(WRITE),
    }
}

/// Whether recording already has the value of this field in memory: ids, awards with their keys, and errors.
pub(super) fn is_of_recording(parent: &str, field: &str) -> bool {
    match parent {
        "RecordEventPayload" | "RecordEventResult" => field != "user",
        "RecordEventsPayload" | "UserError" => true,
        "Award" => matches!(field, "id" | "earnedAt" | "xpBonus" | "cause" | "occurrence" | "achievement"),
        "Achievement" => matches!(field, "id" | "key" | "name"),
        _ => false,
    }
}
