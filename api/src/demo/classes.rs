//! The demo's courses, badges and families. Each action is done by one of the demo's people at its own time.
//! An interrupted start repeats its actions, which has no effect the second time. Comments come last.

use chrono::{Days, NaiveTime, TimeDelta};
use engine::catalog::{achievement_id, kebab_case};
use uuid::Uuid;

use super::school::{Badge, Course, School, Taken};
use crate::app::App;
use crate::audit::RequestContext;
use crate::catalogue;
use crate::clock::Clock;
use crate::refusal::Failure;
use crate::registry::awards::{self, Row};
use crate::registry::badges::{self, Wording};
use crate::registry::courses::{self, Draft};
use crate::registry::{guardians, lessons};
use crate::store;

/// How many days ago people were enrolled.
const ENROLLED: u64 = 28;
/// When lessons were completed: days ago, and hour of that day. All are within three days, because older messages would
/// be buried and logged.
const LESSONS: [(u64, u32); 6] = [(2, 14), (2, 15), (2, 16), (1, 14), (1, 15), (1, 16)];
/// When people commented on them.
const TALKED: (u64, u32) = (1, 17);

/// Links families, creates courses, and awards badges.
pub(super) async fn begin(app: &App, head: &RequestContext, school: &School) -> Result<(), Failure> {
    for link in &school.guardians {
        guardians::link(app, head, link.parent, link.student, true).await?;
    }
    for (place, course) in (0_i64..).zip(&school.courses) {
        hold(app, school, course, place).await?;
    }
    for badge in &school.badges {
        give(app, head, school, badge).await?;
    }
    Ok(())
}

/// Students comment on the lesson they completed last.
pub(super) async fn talk(app: &App, school: &School) -> Result<(), Failure> {
    for course in &school.courses {
        let (_, lessons) = find(app, course).await?.unwrap_or_default();
        for (place, taken) in (0_i64..).zip(&course.students) {
            let Some(last) = taken.lessons.checked_sub(1).and_then(|last| lessons.get(last)) else {
                continue;
            };
            for body in &taken.comments {
                lessons::comment(&then(app, TALKED, place), &school.request(taken.student)?, *last, body)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn hold(app: &App, school: &School, course: &Course, place: i64) -> Result<(), Failure> {
    if find(app, course).await?.is_none() {
        let draft = Draft {
            title: course.title.clone(),
            teacher: None,
            lessons: course.lessons.clone(),
            certificate_title: course.certificate_title.clone(),
        };
        courses::create(&then(app, (ENROLLED, 9), place), &school.request(course.teacher)?, draft).await?;
    }
    let (id, titles) = find(app, course).await?.unwrap_or_default();
    for (place, Taken { student, lessons: done, .. }) in (1_i64..).zip(&course.students) {
        let request = school.request(*student)?;
        lessons::enroll(&then(app, (ENROLLED, 10), place), &request, id, None, true).await?;
        for (lesson, moment) in titles.iter().take(*done).zip(LESSONS) {
            lessons::complete(&then(app, moment, place), &request, *lesson, None).await?;
        }
    }
    Ok(())
}

async fn give(app: &App, head: &RequestContext, school: &School, badge: &Badge) -> Result<(), Failure> {
    let id = achievement_id(&format!("{}/{}", catalogue::SCHOOL, kebab_case(&badge.name)));
    if !app.catalogue.current().achievements.contains_key(&id) {
        let wording = Wording {
            name: Some(badge.name.clone()),
            description: Some(Some(badge.description.clone())),
            icon_url: Some(Some(badge.icon_url.clone())),
            category: None,
            criteria: Some(Some(badge.criteria.clone())),
            rarity: Some(badge.rarity),
        };
        badges::create(app, head, wording, badge.xp_bonus).await?;
    }
    for gift in &badge.given {
        let at = then(app, (gift.days_ago, 12), 0).clock.now();
        let row = Row { student: gift.student, at: Some(at), notes: Some(gift.notes.clone()) };
        for given in awards::award(app, &school.request(gift.by)?, id, &[Ok(row)]).await? {
            given?;
        }
    }
    Ok(())
}

/// The course with this title and its lessons, in order, if it exists.
async fn find(app: &App, course: &Course) -> Result<Option<(Uuid, Vec<Uuid>)>, Failure> {
    let there = store::courses::page_of(&app.db, store::courses::Wanted::default(), None, 100).await?;
    let Some(row) = there.into_iter().find(|row| row.title == course.title) else { return Ok(None) };
    let lessons = store::courses::lessons_of(&app.db, [row.id], 0, u64::MAX).await?;
    Ok(Some((row.id, lessons.into_iter().map(|lesson| lesson.id).collect())))
}

/// The same application with its clock set to a past day, hour (UTC) and minute. Its actions get that time.
fn then(app: &App, (days, hour): (u64, u32), minute: i64) -> App {
    let today = app.clock.now().date_naive();
    let day = today.checked_sub_days(Days::new(days)).unwrap_or(today);
    let full = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
    let then = day.and_time(full).and_utc() + TimeDelta::minutes(minute);
    App { clock: Clock::hand(then), ..app.clone() }
}
