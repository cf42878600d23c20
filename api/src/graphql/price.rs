//! What each field costs, in units: one table for all that costs more than a field that is read from memory or by a
//! loader, which costs 1. A unit stands for at most 50 µs of one processor with 50,000 people and 500,000 events, and
//! for at most 400 bytes of the answer, so that the default of `limits.complexity` (10,000) is half a second and 4 MB.
//! Lists are priced at the most rows that they can have. A test compares this table with the schema.

use super::page::{MOST, USUAL};

/// One statement that finds its rows by an index, and reads few of them.
const STATEMENT: u64 = 3;
/// The share of one row in a statement that reads for many rows.
const SHARE: u64 = 1;
/// Reads a page of people within a teacher's reach: up to 20 ms.
const PEOPLE: u64 = 300;
/// How many people are in the caller's reach, or certificates of them: up to 100 ms for a teacher of all.
const PEOPLE_COUNT: u64 = 2_000;
/// A page of the students of a course: up to 1,000 of them are put in order, usually far fewer.
const STUDENTS: u64 = 20;
/// A count of at most as many rows as a person, a lesson or a course has, in a statement that counts for many rows.
const SMALL_COUNT: u64 = 2;
/// A count of all people, courses, certificates or acts, or of all places on a board: up to 5 ms.
const FULL_COUNT: u64 = 100;
/// How many people hold one achievement: counted in an index with one entry an award.
const HOLDERS: u64 = 20;
/// A search for a text in every name: up to 10 ms.
const SEARCH: u64 = 200;
/// A search for people of one role: up to 40 ms, where few of all names have it.
const ROLE: u64 = 800;
/// How many students of a course are in a teacher's reach, where another teaches the course: up to 2 ms.
const STUDENTS_COUNT: u64 = 40;
/// Reads a page of certificates within a teacher's reach: up to 10 ms.
const CERTIFICATES: u64 = 200;
/// A board by achievement counts awards where a board by XP reads a number: up to 40 ms for each of its fields.
const AWARD_BOARD: u64 = 800;
/// The progress of one person in every achievement of the catalogue.
const PROGRESS: u64 = 20;
/// What one person holds, counted by category and rank.
const SUMMARY: u64 = 2;
/// A transaction that writes: its statements, its locks and its share of a commit.
const WRITE: u64 = 20;
/// The whole record of a person, read and written out as JSON.
const EXPORT: u64 = 1_000;
/// Everything that identifies a person, removed in one transaction.
const ERASURE: u64 = 200;
/// An event: checked, decided, written with all that follows from it, in a transaction with others.
const EVENT: u64 = 4;
/// An award given by hand; it is decided with everything that its recipient has.
const GRANT: u64 = 5;
/// A course and up to 500 lessons, written in one transaction.
const COURSE: u64 = 100;
/// A new subscription, and each award that it sends: both judge rights in several statements.
const DELIVERY: u64 = 5;
/// A text of up to 2,000 letters. It can have 8,000 bytes, usually far fewer, and `limits.answer_bytes` bounds the answer.
const PROSE: u64 = 5;
/// A JSON object of up to 16 KiB.
const METADATA: u64 = 10;
/// The schema as the server describes it: about 2,000 small objects.
const INTROSPECTION: u64 = 500;

/// Rows of a list whose length is not an argument: the most that it can have.
const ERRORS: u64 = 5;
/// Awards that one event, lesson or comment brings.
const AWARDS: u64 = 20;
/// Awards that one of many events brings. An award is brought by one event only, so that many rows have none.
const AWARDS_OF_ROW: u64 = 3;
/// Errors of one of many events or awards, which is refused for one reason.
const ERRORS_OF_ROW: u64 = 2;
/// Tracks that `nextAchievements` answers.
pub(crate) const MOST_TRACKS: u64 = 100;
/// Achievements that `catalog` answers if nothing is said, and at most.
pub(crate) const USUAL_CATALOG: i32 = 200;
/// See [`USUAL_CATALOG`].
pub(crate) const MOST_CATALOG: i32 = 500;

/// The price of a field: `base`, and for each of its rows what is selected of it, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price {
    /// What the field itself costs beside its rows.
    pub(super) base: u64,
    /// Arguments that each cost this much more if they are given.
    pub(super) with: &'static [(&'static str, u64)],
    /// What `totalCount` of its page costs, where that depends on the list. 0: the price of the field `totalCount`.
    pub(super) count: u64,
    /// An argument that makes each of its fields that has a price cost this much more.
    pub(super) below: Option<(&'static str, u64)>,
    /// What it costs a teacher, whose reach may be thousands of students: this much more, and this for `totalCount`.
    pub(super) for_teacher: Option<(u64, u64)>,
    /// How many rows it has.
    pub(super) rows: Rows,
}

/// How many rows a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// One object or scalar.
    One,
    /// At most so many.
    AtMost(u64),
    /// As many as the argument `first` or `last` says.
    First {
        /// If neither is given.
        usual: i32,
        /// The most that is allowed.
        most: i32,
    },
    /// An object whose lists have as many rows as its own argument `first` or `last` says; it is one row itself.
    Page {
        /// If neither is given.
        usual: i32,
        /// The most that is allowed.
        most: i32,
    },
    /// A list of a page: as many rows as the page says.
    OfPage,
    /// As many as the list at this field of the argument `input` holds. What is selected of a row is in memory, or is
    /// read for many rows in one statement: [`SELECTED_OF_ROW`] fields cost 1.
    Sent {
        /// The field of the input.
        list: &'static str,
        /// What each costs beside what is selected of it.
        each: u64,
    },
}

/// See [`Rows::Sent`].
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

    /// The price for a caller of this kind.
    pub(super) fn to(self, is_teacher: bool) -> Self {
        match self.for_teacher {
            Some((more, count)) if is_teacher => Self { base: self.base + more, count, ..self },
            _ => self,
        }
    }
}

/// Connections have up to 100 rows, and 20 if nothing is said.
const PAGE: Rows = Rows::Page { usual: USUAL, most: MOST };
/// Plain lists that take `first`.
const LIST: Rows = Rows::First { usual: USUAL, most: MOST };
/// Plain lists that answer all that they may if nothing is said.
const WHOLE_LIST: Rows = Rows::First { usual: MOST, most: MOST };

/// The price of a field of a type.
pub(super) fn of(parent: &str, field: &str) -> Price {
    match (parent, field) {
        (_, "__typename") => Price::base(0),
        (_, "__schema" | "__type") => Price::base(INTROSPECTION),

        ("Query", "people") => {
            // With the count of all people.
            Price::rows(FULL_COUNT, PAGE)
                .with(&[("search", SEARCH), ("role", ROLE)])
                .for_teacher(PEOPLE, PEOPLE_COUNT)
        }
        ("Query", "certificates") => Price::rows(STATEMENT, PAGE).for_teacher(CERTIFICATES, PEOPLE_COUNT),
        ("Query", "courses" | "comments" | "earned" | "auditLog") => Price::rows(STATEMENT, PAGE),
        ("Query", "inProgress") => Price::rows(PROGRESS, LIST),
        ("Query", "nextAchievements") => Price::rows(PROGRESS, Rows::AtMost(MOST_TRACKS)),
        ("Query", "catalog") => {
            Price::rows(STATEMENT, Rows::Page { usual: USUAL_CATALOG, most: MOST_CATALOG })
        }
        ("Query", "leaderboard") => Price::base(0).below("achievement", AWARD_BOARD),
        ("Query", "me" | "node" | "user" | "certificate" | "feedCursor") => Price::base(STATEMENT),

        ("User", "earned") => Price::rows(SHARE, PAGE),
        ("Course", "students") => Price::rows(STUDENTS, PAGE).for_teacher(0, STUDENTS_COUNT),
        ("User" | "Query", "summary") => Price::base(SUMMARY),
        ("User", "inProgress") => Price::rows(PROGRESS, LIST),
        ("User", "children") => Price::rows(SHARE, LIST),
        ("Course", "lessons") => Price::rows(SHARE, WHOLE_LIST),
        ("StudentAchievements", "certificates" | "badges") => Price::rows(STATEMENT, WHOLE_LIST),
        ("Leaderboard", "standings") => Price::rows(FULL_COUNT, PAGE),
        ("Leaderboard", "standing" | "totalCount") => Price::base(FULL_COUNT),
        ("Catalog", "categories") => Price::rows(0, Rows::OfPage),
        // Each achievement is in one category: the page's rows are counted with the categories.
        ("Category", "achievements") => Price::base(0),
        ("Achievement", "earnedCount") => Price::base(HOLDERS),

        ("AwardConnection" | "CommentConnection" | "UserConnection", "totalCount") => {
            Price::base(SMALL_COUNT)
        }
        (connection, field) if connection.ends_with("Connection") => match field {
            "edges" | "nodes" => Price::rows(0, Rows::OfPage),
            "totalCount" => Price::base(FULL_COUNT),
            _ => Price::base(0),
        },

        ("Award", "notes" | "revocationReason") => Price::base(PROSE),
        ("Comment", "body") | ("Certificate", "description") => Price::base(PROSE),
        ("Certificate", "additionalMetadata") => Price::base(METADATA),

        ("Mutation", field) => of_mutation(field),
        ("RecordEventsPayload" | "AwardBadgesPayload", "results") => Price::base(0),
        ("RecordEventResult", "awards") => Price::rows(0, Rows::AtMost(AWARDS_OF_ROW)),
        (payload, "awards") if payload.ends_with("Payload") => Price::rows(0, Rows::AtMost(AWARDS)),
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
        _ => Price::base(WRITE),
    }
}

/// Whether a field of a recorded event is answered from what recording knows anyway: ids, keys of awards and errors.
pub(super) fn is_of_recording(parent: &str, field: &str) -> bool {
    match parent {
        "RecordEventPayload" | "RecordEventResult" => field != "user",
        "RecordEventsPayload" | "UserError" => true,
        "Award" => matches!(field, "id" | "earnedAt" | "xpBonus" | "cause" | "occurrence" | "achievement"),
        "Achievement" => matches!(field, "id" | "key" | "name"),
        _ => false,
    }
}
