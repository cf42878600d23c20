//! The demo: a small school with some weeks of history, and commands to paste that show an award arrive.
//! The school is a data file next to this one. It is created through the same functions as every other data.

mod classes;
mod school;

use std::fmt::Write;
use std::net::SocketAddr;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::audit::RequestContext;
use crate::auth::token::Keys;
use crate::auth::{Actor, Claims, Role, Scopes, policy};
use crate::config::{DEMO_SECRET, MailTarget, address_of};
use crate::pipeline::{self, Incoming, Submission};
use crate::refusal::{Failure, Refusal};
use crate::registry::people::{self, Change};
use crate::store;
use school::{Member, School, broken, school};

/// The lifetime of the printed tokens, unless the settings allow less.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(12);
/// Number of events sent together.
const CHUNK: usize = 500;

/// Fills an empty database with the school; returns whether it did. A database with other people is not changed.
///
/// # Errors
/// If the database fails, or the school's data is invalid: the reason, for a human reader.
pub async fn fill(app: &App) -> Result<bool, String> {
    move_in(app).await.map_err(|failure| match failure {
        Failure::Refused(refusal) => format!("the demo's school cannot be created: {}", refusal.message),
        Failure::Store(error) => format!("the demo's school cannot be created: {error}"),
    })
}

async fn move_in(app: &App) -> Result<bool, Failure> {
    let school = school()?;
    let (Some(head), Some(everyone)) = (school.people.first(), school.people.get(1..)) else {
        return Ok(false);
    };
    // The head is created last. If they exist, the school is complete; otherwise an interrupted start continues.
    let present = store::people::walk(&app.db, None, 1_000).await?;
    let stranger = |id: Uuid| school.people.iter().all(|member| member.id != id);
    if present.iter().any(|row| row.id == head.id) {
        return Ok(false);
    }
    if present.iter().any(|row| stranger(row.id)) {
        tracing::warn!(
            "this database was not created by the demo, whose secret is public: set PLAUDIT_PROFILE=production for a school"
        );
        return Ok(false);
    }
    let actor = Actor::Person { id: head.id, role: Role::SuperAdmin };
    let request = RequestContext { actor, request_id: "demo".into() };
    for member in everyone {
        let change = Change {
            display_name: member.name.clone(),
            role: Role::parse(&member.role),
            // A reserved domain: no mail reaches anybody.
            email: Some(Some(address(&member.name))),
            timezone: Some(Some(member.timezone.clone())),
            referred_by: member.referred_by.map(Some),
            ..Change::default()
        };
        people::upsert(app, &request, member.id, change).await?;
    }
    classes::begin(app, &request, &school).await?;
    let recorder =
        policy::recorder(&Actor::Service { source: school.service.as_str().into(), scopes: Scopes::ALL })?;
    for events in past(app, &school).chunks(CHUNK) {
        let submission = Submission {
            recorder: recorder.clone(),
            request: None,
            events: events.into(),
            span: tracing::Span::current(),
        };
        for refusal in pipeline::record(app, submission).await?.into_iter().filter_map(Result::err) {
            // A custom catalogue may define these keys differently. The rest of the school is still valid.
            tracing::debug!(message = refusal.message, "an event of the demo was refused");
        }
    }
    classes::talk(app, &school).await?;
    let claims = Claims {
        subject: head.id.to_string(),
        role: Role::SuperAdmin,
        name: Some(head.name.clone()),
        scopes: Scopes::ALL,
        id: None,
        key: None,
        expires_at: app.clock.now(),
    };
    people::sign_in(app, claims).await?;
    Ok(true)
}

/// The mail address of a member, from the ASCII letters of the name.
fn address(name: &str) -> String {
    let words =
        name.split(' ').map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
    format!("{}@school.example", words.collect::<Vec<_>>().join(".").to_lowercase())
}

/// A token of the demo's admin.
///
/// # Errors
/// `INVALID_INPUT` if the settings have no secret to sign with.
pub fn admin_token(keys: &Keys, now: DateTime<Utc>) -> Result<String, Refusal> {
    token(keys, &school()?, Role::Admin, now)
}

/// One person of each role that uses a front end: the role, the name, and a token.
///
/// # Errors
/// `INVALID_INPUT` if the settings have no secret to sign with.
pub(crate) fn bearers(keys: &Keys, now: DateTime<Utc>) -> Result<Vec<(Role, String, String)>, Refusal> {
    let school = school()?;
    let of = |role| Ok((role, bearer(&school, role)?.name.clone(), token(keys, &school, role, now)?));
    [Role::Student, Role::Teacher, Role::Parent, Role::Admin].into_iter().map(of).collect()
}

/// The welcome text: the address of GraphiQL, a token for each role, and three commands to paste.
pub fn welcome(app: &App, address: SocketAddr) -> String {
    let (now, address) = (app.clock.now(), address_of(address));
    let told = school().and_then(|school| {
        let tokens = Role::ALL.map(|role| Ok((role, token(&app.keys, &school, role, now)?)));
        let tokens: Vec<(Role, String)> = tokens.into_iter().collect::<Result<_, Refusal>>()?;
        Ok(lines(app, &school, address, &tokens))
    });
    // Without a secret the server cannot sign tokens: they come from the school's issuer.
    told.unwrap_or_else(|_| {
        format!("The demo is at http://{address}/graphiql; tokens come from your issuer.\n")
    })
}

fn lines(app: &App, school: &School, address: SocketAddr, tokens: &[(Role, String)]) -> String {
    let of = |role| tokens.iter().find(|(known, _)| *known == role).map_or("", |(_, token)| token.as_str());
    let mut text =
        format!("\nPlaudit's demo is running. Explore the API: http://{address}/graphiql\n\nTokens:\n");
    for (role, token) in tokens {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<12} {token}", role.as_str());
    }
    let curl = |token: &str, body: Value| {
        format!(
            "curl -s http://{address}/graphql -H 'content-type: application/json' -H 'authorization: Bearer {token}' -d '{body}'"
        )
    };
    let _ = write!(
        text,
        "\n1. In a second terminal, watch awards as they happen:\n\n{}\n",
        watch_line(app, address, of(Role::Admin))
    );
    let catalogue = app.catalogue.current();
    if let Some(first) =
        school.tries.iter().find(|first| catalogue.catalog.activity(&first.activity).is_some())
    {
        let input =
            json!({"userId": school.newcomer, "activity": first.activity, "attributes": first.attributes});
        let query = "mutation Record($input: RecordEventInput!) { recordEvent(input: $input) \
            { xpGained awards { achievement { name } xpBonus } userErrors { message } } }";
        let line = curl(of(Role::Service), json!({"query": query, "variables": {"input": input}}));
        let _ = write!(text, "\n2. Record an event, as a backend does:\n\n{line}\n");
    }
    let query =
        "{ me { displayName role xp level { number } earned { nodes { achievement { name } earnedAt } } } }";
    let line = curl(of(Role::Student), json!({"query": query}));
    let _ = write!(text, "\n3. Ask what its student has now:\n\n{line}\n");
    if let Some(MailTarget::Folder(folder)) = &app.config.mail.target {
        let _ = write!(text, "\nMails to the people of the school are files in {}.\n", folder.display());
    }
    text
}

/// The command line of `plaudit watch`, without options that match the defaults.
fn watch_line(app: &App, address: SocketAddr, token: &str) -> String {
    let in_checkout = std::env::var_os("CARGO").is_some();
    let called = std::env::args().next().filter(|_| !in_checkout);
    let mut line = called.map_or("cargo run -q -- watch".to_owned(), |binary| format!("{binary} watch"));
    if app.config.listen != crate::config::Config::demo().listen {
        let _ = write!(line, " --url ws://{address}/graphql");
    }
    if app.config.auth.secret.as_deref() != Some(DEMO_SECRET) {
        let _ = write!(line, " --token {token}");
    }
    line
}

fn token(keys: &Keys, school: &School, role: Role, now: DateTime<Utc>) -> Result<String, Refusal> {
    let life = TOKEN_LIFE.min(keys.max_ttl());
    if role == Role::Service {
        return keys.mint(&school.service, role, None, life, now);
    }
    let bearer = bearer(school, role)?;
    keys.mint(&bearer.id.to_string(), role, Some(&bearer.name), life, now)
}

/// The first member with this role, who has its token.
fn bearer(school: &School, role: Role) -> Result<&Member, Refusal> {
    let found = school.people.iter().find(|member| member.role == role.as_str());
    found.ok_or_else(|| broken(format!("no member has the role {}", role.as_str())))
}

/// The school's past events, oldest first. Their ids are derived from the day, so that an interrupted start sends the
/// same events again.
fn past(app: &App, school: &School) -> Vec<Incoming> {
    let catalogue = app.catalogue.current();
    let today = app.clock.now().date_naive();
    let mut events = Vec::new();
    for (number, habit) in school.habits.iter().enumerate() {
        if catalogue.catalog.activity(&habit.activity).is_none() {
            continue;
        }
        let mut turns = habit.attributes.iter().cycle();
        let mut done = 0_u32;
        for ago in (1..=habit.days).rev().filter(|ago| ago % habit.every_days.max(1) == 0) {
            let day = today.checked_sub_days(Days::new(ago.into())).unwrap_or(today);
            let begins = NaiveTime::from_hms_opt(habit.hour, 0, 0).unwrap_or_default();
            for time in 0..habit.times {
                done = done.saturating_add(1);
                events.push(Incoming {
                    id: Some(format!("{number}:{day}:{time}")),
                    person: habit.person,
                    activity: habit.activity.clone(),
                    occurred_at: Some(
                        day.and_time(begins).and_utc()
                            + TimeDelta::minutes(2) * i32::try_from(time).unwrap_or(0),
                    ),
                    attributes: turns.next().map(|attributes| numbered(attributes, done)),
                });
            }
        }
    }
    events.sort_by_key(|event| event.occurred_at);
    events
}

/// Replaces `{n}` in the attributes.
fn numbered(attributes: &Value, number: u32) -> Value {
    match attributes {
        Value::String(text) => text.replace("{n}", &number.to_string()).into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), numbered(value, number)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_school_has_every_role_and_refers_only_to_its_own_people() {
        let school = school().unwrap();
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Service) {
            assert!(school.people.iter().any(|member| member.role == role.as_str()), "{role:?}");
        }
        assert_eq!(school.people[0].role, "super_admin");
        let newcomer = school.people.iter().find(|member| member.role == "student").unwrap();
        assert_eq!(newcomer.id, school.newcomer, "the student's token is the newcomer's");
        for habit in &school.habits {
            assert!(school.people.iter().any(|member| member.id == habit.person), "{}", habit.person);
            assert_ne!(habit.person, school.newcomer, "the newcomer has nothing yet");
        }
        for taken in school.courses.iter().flat_map(|course| &course.students) {
            let nothing = taken.lessons == 0 && taken.comments.is_empty();
            assert!(nothing || taken.student != school.newcomer, "the newcomer has nothing yet");
        }
        let mut gifts = school.badges.iter().flat_map(|badge| &badge.given);
        assert!(gifts.all(|gift| gift.student != school.newcomer), "the newcomer has nothing yet");
        for (at, member) in school.people.iter().enumerate() {
            let before = &school.people[..at];
            assert!(member.referred_by.is_none_or(|id| before.iter().any(|known| known.id == id)));
            assert!(member.timezone.parse::<chrono_tz::Tz>().is_ok(), "{}", member.timezone);
        }
    }

    #[test]
    fn attributes_are_numbered_in_their_texts() {
        let numbered = numbered(&json!({"lesson": "lesson-{n}", "points": 10}), 7);
        assert_eq!(numbered, json!({"lesson": "lesson-7", "points": 10}));
    }
}
