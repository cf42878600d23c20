//! The demo's school, as it is written beside this file.

use engine::catalog::Rarity;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::audit::RequestContext;
use crate::auth::{Actor, Role};
use crate::refusal::{Code, Refusal};

/// The school.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct School {
    /// The system that sends its events.
    pub(super) service: String,
    /// A student with nothing yet, for the first award.
    pub(super) newcomer: Uuid,
    /// In the order they are created; the first runs the installation.
    pub(super) people: Vec<Member>,
    /// Who sees whose record.
    pub(super) guardians: Vec<Guardian>,
    pub(super) courses: Vec<Course>,
    pub(super) badges: Vec<Badge>,
    pub(super) habits: Vec<Habit>,
    /// Events that bring the newcomer an award; the first whose pack is loaded is printed.
    pub(super) tries: Vec<Try>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Member {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) timezone: String,
    pub(super) referred_by: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guardian {
    pub(super) parent: Uuid,
    pub(super) student: Uuid,
}

/// A course, and how far its students are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Course {
    pub(super) title: String,
    pub(super) teacher: Uuid,
    pub(super) certificate_title: Option<String>,
    pub(super) lessons: Vec<String>,
    pub(super) students: Vec<Taken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taken {
    pub(super) student: Uuid,
    /// How many lessons they have completed.
    pub(super) lessons: usize,
    /// What they wrote about the last of them.
    #[serde(default)]
    pub(super) comments: Vec<String>,
}

/// A badge of the school's own, and who has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Badge {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) icon_url: String,
    pub(super) criteria: String,
    pub(super) rarity: Rarity,
    pub(super) xp_bonus: i64,
    pub(super) given: Vec<Gift>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Gift {
    pub(super) student: Uuid,
    pub(super) by: Uuid,
    pub(super) notes: String,
    pub(super) days_ago: u64,
}

/// Something a person does again and again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Habit {
    pub(super) person: Uuid,
    pub(super) activity: String,
    /// Since how many days, up to yesterday.
    pub(super) days: u32,
    pub(super) every_days: u32,
    /// The hour of the day, UTC.
    pub(super) hour: u32,
    /// How often on such a day, two minutes apart.
    pub(super) times: u32,
    /// Taken in turn; `{n}` in a text is the number of the event.
    #[serde(default)]
    pub(super) attributes: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Try {
    pub(super) activity: String,
    pub(super) attributes: Value,
}

impl School {
    /// One of its people, as the author of what they do.
    pub(super) fn request(&self, id: Uuid) -> Result<RequestContext, Refusal> {
        let member = self.people.iter().find(|member| member.id == id);
        let role = member.and_then(|member| Role::parse(&member.role));
        let role = role.ok_or_else(|| broken(format!("{id} is nobody")))?;
        Ok(RequestContext { actor: Actor::Person { id, role }, request_id: "demo".into() })
    }
}

/// The school that the demo shows.
pub(super) fn school() -> Result<School, Refusal> {
    serde_json::from_str(include_str!("school.json")).map_err(|error| broken(error.to_string()))
}

pub(super) fn broken(why: String) -> Refusal {
    Refusal::new(Code::Internal, format!("the demo's school is not one: {why}"))
}
