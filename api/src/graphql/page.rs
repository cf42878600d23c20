//! Pagination: page size, start and direction, and the cursors that encode a position.

use async_graphql::connection::CursorType;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use super::fault::{Answer, Fault};
use crate::store::feed::Item;

/// The maximum page size.
pub(crate) const MOST: i32 = 100;
/// The default page size.
pub(crate) const USUAL: i32 = 20;

/// Reads the page size from `first`.
pub(crate) fn first(first: Option<i32>) -> Answer<u64> {
    size("first", first.unwrap_or(USUAL))
}

fn size(name: &str, rows: i32) -> Answer<u64> {
    at_most(name, rows, MOST)
}

/// Reads a number of rows between 0 and `most`; `INVALID_INPUT` for any other number.
pub(crate) fn at_most(name: &str, rows: i32, most: i32) -> Answer<u64> {
    match u64::try_from(rows) {
        Ok(rows) if rows <= most.unsigned_abs().into() => Ok(rows),
        _ => Err(Fault::argument(
            name,
            format!("`{name}` must be 0 to {most}. Request fewer rows and use a cursor."),
        )),
    }
}

/// The part of a list that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut<C> {
    /// The page starts after this position; if read backwards, it ends before it.
    pub(crate) from: Option<C>,
    /// Whether the list is read from its end.
    pub(crate) backwards: bool,
    /// The maximum number of rows.
    pub(crate) rows: u64,
}

/// Reads the four arguments of a list that can be paged in both directions.
pub(crate) fn cut<C: CursorType>(
    first: Option<i32>,
    after: Option<&str>,
    last: Option<i32>,
    before: Option<&str>,
) -> Answer<Cut<C>> {
    if last.is_none() && before.is_none() {
        let rows = self::first(first)?;
        return Ok(Cut { from: after.map(|text| place("after", text)).transpose()?, backwards: false, rows });
    }
    if after.is_some() {
        return Err(Fault::argument(
            "after",
            "`after` works only with `first`, and `before` only with `last`: send one pair.",
        ));
    }
    let rows = size("last", last.unwrap_or(USUAL))?;
    Ok(Cut { from: before.map(|text| place("before", text)).transpose()?, backwards: true, rows })
}

/// Decodes a cursor into a position.
pub(crate) fn place<C: CursorType>(name: &str, text: &str) -> Answer<C> {
    C::decode_cursor(text).map_err(|_| {
        Fault::argument(
            name,
            format!("`{name}` is not a cursor of this list: send one that this list returned."),
        )
    })
}

/// The lists ordered by time. A cursor contains its list, so that another list refuses it.
pub(crate) mod list {
    /// A person's awards.
    pub(crate) const AWARDS: char = 'a';
    /// The audit log.
    pub(crate) const ACTS: char = 'l';
    /// Certificates.
    pub(crate) const CERTIFICATES: char = 'd';
    /// Comments on a lesson.
    pub(crate) const COMMENTS: char = 't';
    /// Courses.
    pub(crate) const COURSES: char = 'c';
    /// Deliveries.
    pub(crate) const DELIVERIES: char = 'e';
    /// Webhooks.
    pub(crate) const WEBHOOKS: char = 'w';
}

/// A time and an id: a position in a [`list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment<const LIST: char>(pub(crate) DateTime<Utc>, pub(crate) Uuid);

impl<const LIST: char> CursorType for Moment<LIST> {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let [list, at, id] = parts("moment", text)?;
        if list.chars().ne([LIST]) {
            return Err("another kind of cursor");
        }
        Ok(Self(time(&at)?, id.parse().map_err(|_| "malformed")?))
    }

    fn encode_cursor(&self) -> String {
        sealed("moment", &[&LIST, &self.0.timestamp_millis(), &self.1])
    }
}

/// A name and an id: a position in a list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String, pub(crate) Uuid);

impl CursorType for Name {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let [id, name] = parts("name", text)?;
        let name = URL_SAFE_NO_PAD.decode(name).ok().and_then(|name| String::from_utf8(name).ok());
        // A stored name never has a control character, and a database may refuse one in a query.
        let name = name.filter(|name| !name.chars().any(char::is_control));
        name.zip(id.parse().ok()).map(|(name, id)| Self(name, id)).ok_or("malformed")
    }

    fn encode_cursor(&self) -> String {
        // A space separates the parts of a cursor, and a name can contain spaces.
        sealed("name", &[&self.1, &URL_SAFE_NO_PAD.encode(&self.0)])
    }
}

/// A score, the time when it was reached, and a person: a position on a leaderboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StandingCursor(pub(crate) i64, pub(crate) DateTime<Utc>, pub(crate) Uuid);

impl CursorType for StandingCursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let [score, at, person] = parts("rung", text)?;
        let (score, person) = score.parse().ok().zip(person.parse().ok()).ok_or("malformed")?;
        Ok(Self(score, time(&at)?, person))
    }

    fn encode_cursor(&self) -> String {
        sealed("rung", &[&self.0, &self.1.timestamp_millis(), &self.2])
    }
}

/// A percentage and an achievement: a position in a list of progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProgressCursor(pub(crate) f64, pub(crate) Uuid);

impl CursorType for ProgressCursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        let [percent, id] = parts("progress", text)?;
        let percent = percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
        percent.zip(id.parse().ok()).map(|(percent, id)| Self(percent, id)).ok_or("malformed")
    }

    fn encode_cursor(&self) -> String {
        sealed("progress", &[&self.0, &self.1])
    }
}

/// A position in the feed, at which a subscription resumes. It contains a part of the id of the award or group at this position.
/// The server thus detects a cursor of another database, for example after a restore from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1; 0 is before the first item.
    pub(crate) at: i64,
    /// The random part of the id of the item's award, or of its group; 0 before the first item.
    mark: u32,
}

impl Position {
    /// Before the first item.
    pub(crate) const START: Self = Self { at: 0, mark: 0 };

    /// The position of this item.
    pub(crate) fn of(item: &Item) -> Self {
        let [.., a, b, c, d] = item.award_id.unwrap_or(item.group_id).into_bytes();
        Self { at: item.position, mark: u32::from_be_bytes([a, b, c, d]) }
    }
}

impl CursorType for Position {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        // A cursor from before the first item may omit the mark, which is 0 on every database.
        let start = |[at]: [String; 1]| [at, "0".to_owned()];
        let [at, mark] = parts("feed", text).or_else(|_| parts("feed", text).map(start))?;
        let at = at.parse().ok().filter(|at| *at >= 0).ok_or("malformed")?;
        let mark = u32::from_str_radix(&mark, 16).map_err(|_| "malformed")?;
        Ok(Self { at, mark })
    }

    fn encode_cursor(&self) -> String {
        sealed("feed", &[&self.at, &format_args!("{:x}", self.mark)])
    }
}

/// Parses a time in milliseconds. It accepts only the years that events may have, because a forged cursor could contain
/// a time that the database cannot store.
fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let at = text.parse().ok().and_then(DateTime::from_timestamp_millis);
    at.filter(|at| (2000..=9999).contains(&at.year())).ok_or("malformed")
}

fn sealed(kind: &str, parts: &[&dyn std::fmt::Display]) -> String {
    let text = parts.iter().fold(kind.to_owned(), |text, part| format!("{text} {part}"));
    URL_SAFE_NO_PAD.encode(text)
}

fn parts<const N: usize>(kind: &str, text: &str) -> Result<[String; N], &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "not text")?;
    let mut words = text.split(' ').map(str::to_owned);
    if words.next().as_deref() != Some(kind) {
        return Err("another kind of cursor");
    }
    <[String; N]>::try_from(words.collect::<Vec<_>>()).map_err(|_| "malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_what_it_was() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = Uuid::from_u128(7);
        let moment: Moment<'a'> = Moment(at, id);
        assert_eq!(Moment::decode_cursor(&moment.encode_cursor()), Ok(moment));
        assert_eq!(
            StandingCursor::decode_cursor(&StandingCursor(5, at, id).encode_cursor()),
            Ok(StandingCursor(5, at, id))
        );
        let progress = ProgressCursor(66.67, id);
        assert_eq!(ProgressCursor::decode_cursor(&progress.encode_cursor()), Ok(progress));
        let name = Name("zoë o'neil".to_owned(), id);
        assert_eq!(Name::decode_cursor(&name.encode_cursor()), Ok(name));
        let item = Item {
            position: 9,
            kind: crate::store::feed::Kind::AwardEarned,
            person_id: id,
            group_id: id,
            award_id: Some(Uuid::from_u128(0xabcd_0000_0123)),
            certificate_id: None,
            detail: None,
        };
        let position = Position { at: 9, mark: 0x123 };
        assert_eq!(Position::of(&item), position);
        assert_eq!(Position::decode_cursor(&position.encode_cursor()), Ok(position));
        assert_eq!(Position::decode_cursor(&sealed("feed", &[&0, &0])), Ok(Position::START));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        assert_eq!(
            Position::decode_cursor(&StandingCursor(5, DateTime::UNIX_EPOCH, Uuid::nil()).encode_cursor()),
            Err("another kind of cursor")
        );
        let moment: Moment<'a'> =
            Moment(DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(), Uuid::nil());
        assert_eq!(Moment::<'c'>::decode_cursor(&moment.encode_cursor()), Err("another kind of cursor"));
        assert_eq!(
            Name::decode_cursor(&Name("a\0".to_owned(), Uuid::nil()).encode_cursor()),
            Err("malformed")
        );
        for percent in [-0.01, 100.01, f64::INFINITY, f64::NAN] {
            let forged = ProgressCursor(percent, Uuid::nil()).encode_cursor();
            assert_eq!(ProgressCursor::decode_cursor(&forged), Err("malformed"), "{percent}");
        }
        assert_eq!(Position::decode_cursor("!"), Err("not base64"));
        assert_eq!(Position::decode_cursor(&sealed("feed", &[&-1, &0])), Err("malformed"));
        assert_eq!(Position::decode_cursor(&sealed("feed", &[&1, &2, &3])), Err("malformed"));
    }

    #[test]
    fn a_time_that_no_event_can_have_is_malformed() {
        let (first, last) = (946_684_800_000_i64, 253_402_300_799_999_i64);
        let id = Uuid::from_u128(7);
        for millis in [first, last] {
            let at = DateTime::from_timestamp_millis(millis).unwrap();
            let moment: Moment<'a'> = Moment(at, id);
            assert_eq!(Moment::decode_cursor(&moment.encode_cursor()), Ok(moment));
            assert_eq!(
                StandingCursor::decode_cursor(&StandingCursor(5, at, id).encode_cursor()),
                Ok(StandingCursor(5, at, id))
            );
        }
        // chrono accepts the last of these times, and PostgreSQL does not.
        for millis in [first - 1, last + 1, 0, i64::MIN, i64::MAX, -8_000_000_000_000_000] {
            assert_eq!(
                Moment::<'a'>::decode_cursor(&sealed("moment", &[&'a', &millis, &id])),
                Err("malformed"),
                "{millis}"
            );
            assert_eq!(
                StandingCursor::decode_cursor(&sealed("rung", &[&5, &millis, &id])),
                Err("malformed"),
                "{millis}"
            );
        }
    }
}
