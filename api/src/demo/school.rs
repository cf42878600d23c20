//! The demo's school, parsed from the data file next to this one.

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
    /// A student without awards, for the first award.
    pub(super) newcomer: Uuid,
    /// In the order of their creation; the first is the super admin.
    pub(super) people: Vec<Member>,
    /// The links between guardians and children.
    pub(super) guardians: Vec<Guardian>,
    pub(super) courses: Vec<Course>,
    pub(super) badges: Vec<Badge>,
    pub(super) habits: Vec<Habit>,
    /// Events that earn the newcomer an award; the demo prints the first whose pack is loaded.
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

/// A course, and the progress of its students.
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
    /// Their comments on the last of these lessons.
    #[serde(default)]
    pub(super) comments: Vec<String>,
}

/// A badge of the school, and the people it was awarded to.
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

/// An activity that a person repeats.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Habit {
    pub(super) person: Uuid,
    pub(super) activity: String,
    /// The number of days, up to yesterday.
    pub(super) days: u32,
    pub(super) every_days: u32,
    /// The hour of the day, UTC.
    pub(super) hour: u32,
    /// How often on such a day, two minutes apart.
    pub(super) times: u32,
    /// Used in turn; `{n}` in a text is the number of the event.
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
    /// The request context of one of its people.
    pub(super) fn request(&self, id: Uuid) -> Result<RequestContext, Refusal> {
        let member = self.people.iter().find(|member| member.id == id);
        let role = member.and_then(|member| Role::parse(&member.role));
        let role = role.ok_or_else(|| broken(format!("{id} is not a member")))?;
        Ok(RequestContext { actor: Actor::Person { id, role }, request_id: "demo".into() })
    }
}

/// The school that the demo shows.
pub(super) fn school() -> Result<School, Refusal> {
    serde_json::from_str(include_str!("school.json")).map_err(|error| broken(error.to_string()))
}

pub(super) fn broken(why: String) -> Refusal {
    Refusal::new(Code::Internal, format!("the demo's school is invalid: {why}"))
}
