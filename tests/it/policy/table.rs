//! Who may do what to whom, as data: one row for every path to a person's record, one cell for every role.

use plaudit::auth::Role;

/// A current relation of a target to the caller. Ended relations do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// The target is the caller's own.
    Own,
    /// A student enrolled in a course that the caller teaches.
    Student,
    /// A child linked to the caller.
    Child,
    /// A course that the caller is enrolled in.
    Taken,
    /// A person with a higher role, whom the caller cannot change.
    Above,
}

/// The targets for which a role may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// All.
    All,
    /// None: FORBIDDEN.
    No,
    /// Targets with one of these relations; all others are reported as missing.
    Only(&'static [Tie]),
}

/// The kind of id in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// No id.
    Nothing,
    /// A person.
    Person,
    /// An award that events earned the person.
    Earned,
    /// A badge that a teacher awarded to the person, or the super admin if no teacher could.
    Given,
    /// A certificate of the person.
    Certificate,
    /// Another certificate of the person, to be deleted. A teacher has issued it, or the super admin if no teacher could.
    Spare,
    /// A deleted certificate of the person.
    Deleted,
    /// A course; the person is its teacher.
    Course,
    /// A lesson of that course.
    Lesson,
    /// A comment on that lesson.
    Comment,
    /// An entry of the audit log.
    Entry,
    /// The super admin, who has awarded badges.
    Giver,
    /// A badge that people award.
    Badge,
    /// Another badge, to be retired.
    Old,
    /// A webhook.
    Webhook,
    /// A test of that webhook.
    Delivery,
    /// A secret achievement, by its id or its key.
    Secret,
    SecretKey,
}

/// The people for whom it is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// All people.
    Anybody,
    /// Students. A person with another role and an erased person have no place on a leaderboard, so every caller gets an empty
    /// result.
    Learners,
    /// Students; others get this code.
    Students(&'static str),
    /// People who may teach; others get this code.
    Staff(&'static str),
    /// People who may be guardians; a student gets this code.
    Guardians(&'static str),
}

/// How an answer shows whether it was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// The field is null if not.
    Null,
    /// `userErrors` contain `NOT_FOUND` if not.
    Errors,
    /// The list does not contain the person if not.
    List,
    /// The name is visible to everyone, and each field of the record is null if not.
    Record,
}

/// One path to a person's record.
pub(super) struct Row {
    /// `Type.field`, or `Type.field(argument)` for an id; then a distinguishing text.
    pub(super) path: &'static str,
    /// The description, for human readers.
    pub(super) says: &'static str,
    /// The request. `$id` is the target's id; `$key` its key; capitals after @ stand for ids of the school.
    pub(super) ask: &'static str,
    pub(super) of: Target,
    pub(super) read: Read,
    /// By role, in the order of [`super::school::ROLES`].
    pub(super) who: [Who; 6],
    /// The relations for which it is never allowed, whatever the cell: FORBIDDEN with its reason.
    pub(super) never: &'static [Tie],
    pub(super) fit: Fit,
}

use Fit::{Anybody, Guardians, Learners, Staff, Students};
use Read::{Errors, List, Null, Record};
use Target::{
    Badge, Certificate, Comment, Course, Deleted, Delivery, Earned, Entry, Given, Giver, Lesson, Nothing,
    Old, Person, Secret, SecretKey, Spare, Webhook,
};
use Tie::{Above, Child, Own, Student, Taken};
use Who::{All, No, Only};

const OPEN: [Who; 6] = [All; 6];
const SIGHT: [Who; 6] = [All, All, Only(&[Own, Student, Child]), Only(&[Own]), Only(&[Own, Child]), All];
const PEOPLE: [Who; 6] = [All, All, All, All, All, No];
const ADMINS: [Who; 6] = [All, All, No, No, No, No];
const ADMINS_SEE: [Who; 6] = [All, All, Only(&[]), Only(&[]), Only(&[]), Only(&[])];
const STAFF_AND_SERVICES_SEE: [Who; 6] = [All, All, Only(&[]), Only(&[]), Only(&[]), All];
const SELF_OR_ALL: [Who; 6] = [All, All, Only(&[Own]), Only(&[Own]), Only(&[Own]), All];
const EXPORT: [Who; 6] = [All, All, Only(&[Own]), Only(&[Own]), Only(&[Own]), No];
const REGISTER: [Who; 6] = [All, All, No, No, No, All];
const GIVE: [Who; 6] = [All, All, Only(&[Student]), No, No, No];
const LEARN: [Who; 6] = [All, All, Only(&[Student]), Only(&[Own]), No, All];
const TEACH: [Who; 6] = [All, All, Only(&[Own]), No, No, No];
const LINKED: [Who; 6] = [Only(&[Child]), Only(&[Child]), Only(&[Child]), Only(&[]), Only(&[Child]), No];

const SECRET: [Who; 6] = [All, All, Only(&[Own]), Only(&[Own]), Only(&[Own]), All];
const NOT_THEIRS: [Who; 6] = [Only(&[]), Only(&[]), Only(&[]), No, No, No];
const NOT_ADMINS: [Who; 6] = [Only(&[]), Only(&[]), No, No, No, No];

/// Data that remains of an erased person.
pub(super) struct Left {
    /// The path, as in the table.
    pub(super) path: &'static str,
    /// The roles that see it.
    pub(super) to: &'static [Role],
    /// The visible result.
    pub(super) told: &'static str,
}

const fn left(path: &'static str, to: &'static [Role], told: &'static str) -> Left {
    Left { path, to, told }
}

const STAFF: &[Role] = &[Role::SuperAdmin, Role::Admin];
const REGISTRARS: &[Role] = &[Role::SuperAdmin, Role::Admin, Role::Service];

/// All data that remains of erased people; everything else is reported as if they had never existed.
pub(super) const ERASED: &[Left] = &[
    left("Query.node(id) a certificate", STAFF, "ok"),
    left("Query.node(id) a deleted certificate", STAFF, "ok"),
    left("Query.certificates", STAFF, "ok"),
    left("Query.certificate(id)", STAFF, "ok"),
    left("Query.certificate(id) deleted", STAFF, "ok"),
    left("Query.auditLog(userId)", STAFF, "ok"),
    left("Query.deliveries(userId)", STAFF, "ok"),
    left("Certificate.student", STAFF, "ok"),
    left("Mutation.upsertUser(id)", REGISTRARS, "CONFLICT"),
    left("Mutation.updateCertificate(id)", STAFF, "CONFLICT"),
    left("Mutation.deleteCertificate(id)", STAFF, "ok"),
];

const fn row(
    path: &'static str,
    says: &'static str,
    ask: &'static str,
    of: Target,
    read: Read,
    who: [Who; 6],
) -> Row {
    Row { path, says, ask, of, read, who, never: &[], fit: Anybody }
}

const fn but(never: &'static [Tie], row: Row) -> Row {
    Row { never, ..row }
}

const fn fit(fit: Fit, row: Row) -> Row {
    Row { fit, ..row }
}

/// All paths, in the order of the requests: those that change least come first.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row("Query.me", "Read the own user", "me { id }", Nothing, Null, [All, All, All, All, All, No]),
    row("Query.user(id)", "Find a person", "user(id: $id) { id displayName @RECORD }", Person, Null, SIGHT),
    row("Query.node(id) a person", "Find a person by any id", "node(id: $id) { ... on User { id @RECORD } }", Person, Null, SIGHT),
    row("Query.node(id) an award", "Find an award", "node(id: $id) { ... on Award { id notes } }", Earned, Null, SIGHT),
    row("Query.node(id) a badge given", "Find a badge awarded to a person", "node(id: $id) { ... on Award { id notes } }", Given, Null, SIGHT),
    row("Query.node(id) a certificate", "Find a certificate by any id", "node(id: $id) { ... on Certificate { id number } }", Certificate, Null, SIGHT),
    row("Query.node(id) a deleted certificate", "Find a deleted certificate by any id", "node(id: $id) { ... on Certificate { id } }", Deleted, Null, ADMINS_SEE),
    row("Query.node(id) a course", "Find a course", "node(id: $id) { ... on Course { id } }", Course, Null, OPEN),
    row("Query.node(id) a lesson", "Find a lesson", "node(id: $id) { ... on Lesson { id } }", Lesson, Null, OPEN),
    row("Query.node(id) a comment", "Find a comment", "node(id: $id) { ... on Comment { id body } }", Comment, Null, [All, All, Only(&[Own, Child]), Only(&[Taken]), Only(&[Child]), Only(&[])]),
    row("Query.node(id) an audit entry", "Find an entry of the audit log", "node(id: $id) { ... on AuditEntry { id act } }", Entry, Null, ADMINS_SEE),
    row("Query.people", "List people", "people(first: 100) { nodes { id } }", Person, List, SIGHT),
    row("Query.people by name", "Search people", "people(first: 100, search: \"of the matrix\") { nodes { id } }", Person, List, SIGHT),
    fit(Students("absent"), row("Query.people(courseId)", "List who takes a course", "people(first: 100, courseId: \"@HALL\") { nodes { id } }", Person, List, SIGHT)),
    row("Query.courses", "List the courses", "courses { nodes { id } }", Nothing, Null, OPEN),
    row("Query.courses(teacherId)", "List the courses of a teacher", "courses(teacherId: $id) { totalCount }", Giver, Null, OPEN),
    fit(Students("absent"), row("Query.courses(studentId)", "List a person's courses", "courses(studentId: $id) { totalCount }", Person, List, SIGHT)),
    row("Query.comments(lessonId)", "Read the comments on a lesson", "comments(lessonId: $id) { totalCount }", Lesson, Null, [All, All, Only(&[Own, Child]), Only(&[Taken]), Only(&[Child]), No]),
    row("Query.catalog", "Read what can be earned", "catalog { totalCount }", Nothing, Null, OPEN),
    row("Query.achievement", "Read about one thing that can be earned", "achievement(key: \"aurora/first-steps\") { id }", Nothing, Null, OPEN),
    row("Query.catalog of secrets", "Find a secret among what can be earned", "catalog { categories { achievements { id } } }", Secret, List, SECRET),
    row("Query.achievement(key) of a secret", "Read about a secret that can be earned", "achievement(key: $key) { id }", SecretKey, Null, SECRET),
    row("Query.node(id) a secret", "Find a secret by any id", "node(id: $id) { ... on Achievement { id name } }", Secret, Null, SECRET),
    row("Query.earned(userId)", "Read a person's awards", "earned(userId: $id) { nodes { id } }", Person, Null, SIGHT),
    row("Query.inProgress(userId)", "Read a person's progress", "inProgress(userId: $id) { totalCount }", Person, Null, SIGHT),
    row("Query.nextAchievements(userId)", "Read a person's next achievements", "nextAchievements(userId: $id) { percent }", Person, Null, SIGHT),
    row("Query.summary(userId)", "Read a person's summary", "summary(userId: $id) { totalEarned }", Person, Null, SIGHT),
    row("Query.leaderboard", "Read who stands where", "leaderboard { totalCount }", Nothing, Null, OPEN),
    row("Query.leaderboard(courseId)", "Read who stands where in a course", "leaderboard(courseId: $id) { totalCount }", Course, Null, OPEN),
    row("Query.leaderboard(achievement) of a secret", "Read who has earned a secret", "leaderboard(achievement: $key) { totalCount }", SecretKey, Null, SECRET),
    row("Query.certificates", "List certificates", "certificates(first: 100) { nodes { student { id } } }", Certificate, List, SIGHT),
    row("Query.certificates(studentId)", "List a person's certificates", "certificates(studentId: $id) { nodes { id } }", Person, Null, SIGHT),
    row("Query.certificate(id)", "Read a certificate", "certificate(id: $id) { id number }", Certificate, Null, SIGHT),
    row("Query.certificate(id) deleted", "Read a deleted certificate", "certificate(id: $id) { id number }", Deleted, Null, ADMINS_SEE),
    row("Query.studentAchievements(studentId)", "Read a person's certificates and badges", "studentAchievements(studentId: $id) { certificates { id } badges { id } }", Person, Null, SIGHT),
    row("Query.auditLog", "Read the audit log", "auditLog { totalCount }", Nothing, Null, ADMINS),
    row("Query.auditLog(userId)", "Read the audit log of a person", "auditLog(userId: $id) { totalCount }", Person, Null, ADMINS),
    row("Query.mailSettings", "Read one's own mail settings", "mailSettings { mode }", Nothing, Null, PEOPLE),
    row("Query.webhooks", "List the webhooks", "webhooks { nodes { id } }", Nothing, Null, ADMINS),
    row("Query.deliveries(userId)", "List the mails to a person", "deliveries(filter: {userId: $id}) { nodes { id } }", Person, Null, ADMINS),
    row("Query.deliveries(webhookId)", "List the requests to a webhook", "deliveries(filter: {webhookId: $id}) { nodes { id } }", Webhook, Null, ADMINS),
    row("Query.feedCursor", "Read the feed cursor", "feedCursor", Nothing, Null, OPEN),
    fit(Learners, row("User.id", "See a person on a leaderboard", "leaderboard { standing(userId: $id) { user { id } } }", Person, List, OPEN)),
    fit(Learners, row("User.displayName", "See their name there", "leaderboard { standing(userId: $id) { user { id displayName } } }", Person, List, OPEN)),
    fit(Learners, row("User.role", "See their role there", "leaderboard { standing(userId: $id) { user { id role } } }", Person, List, OPEN)),
    fit(Learners, row("User.email", "See their address there", "leaderboard { standing(userId: $id) { user { id email } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.timezone", "See their time zone", "leaderboard { standing(userId: $id) { user { id timezone } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.locale", "See their language", "leaderboard { standing(userId: $id) { user { id locale } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.onLeaderboards", "See whether they are ranked", "leaderboard { standing(userId: $id) { user { id onLeaderboards } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.referredBy", "See who brought them", "leaderboard { standing(userId: $id) { user { id referredBy { id } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.xp", "See their XP beside the name", "leaderboard { standing(userId: $id) { user { id xp } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.level", "See their level", "leaderboard { standing(userId: $id) { user { id level { number } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.streak", "See their streak", "leaderboard { standing(userId: $id) { user { id streak { longest } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.earned", "See what they have earned", "leaderboard { standing(userId: $id) { user { id earned { totalCount } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.inProgress", "See what they are on the way to", "leaderboard { standing(userId: $id) { user { id inProgress { totalCount } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.summary", "See their summary", "leaderboard { standing(userId: $id) { user { id summary { totalEarned } } } }", Person, Record, SIGHT)),
    fit(Learners, row("User.children a guardian's", "See that they have children", "leaderboard { standing(userId: $id) { user { id children { id } } } }", Person, Record, SIGHT)),
    row("User.children", "List one's own children", "me { children { id } }", Person, List, LINKED),
    fit(Learners, row("Standing.user", "From a place on a board to the record", "leaderboard { standings { nodes { user { id @RECORD } } } }", Person, Record, SIGHT)),
    fit(Learners, row("Leaderboard.standing(userId)", "Read the record from a person's place", "leaderboard { standing(userId: $id) { user { id @RECORD } } }", Person, Record, SIGHT)),
    fit(Learners, row("Leaderboard.standings(around)", "Read the record from the places around a person", "leaderboard { standings(around: $id) { nodes { user { id @RECORD } } } }", Person, Record, SIGHT)),
    row("Award.user", "From an award to the record", "node(id: $id) { ... on Award { user { id @RECORD } } }", Earned, Null, SIGHT),
    row("Award.awardedBy", "From a badge to the giver's record", "node(id: \"@GIFT\") { ... on Award { awardedBy { id @RECORD } } }", Giver, Record, STAFF_AND_SERVICES_SEE),
    row("Certificate.student", "From a certificate to the record", "certificate(id: $id) { student { id @RECORD } }", Certificate, Null, SIGHT),
    row("Course.teacher", "From a course to the teacher's record", "node(id: $id) { ... on Course { teacher { id @RECORD } } }", Course, Record, SELF_OR_ALL),
    fit(Students("absent"), row("Course.students", "List the students of a course", "node(id: \"@HALL\") { ... on Course { students(first: 100) { nodes { id } } } }", Person, List, SIGHT)),
    row("Lesson.completed(userId)", "See whether a person has completed a lesson", "node(id: \"@TASK\") { ... on Lesson { completed(userId: $id) } }", Person, Null, SIGHT),
    row("Comment.author", "From a comment to the record", "comments(lessonId: \"@NOTED\") { nodes { author { id @RECORD } } }", Certificate, Record, [All, All, Only(&[Student, Child]), Only(&[Own]), Only(&[Child]), No]),
    row("StudentAchievements.certificates", "Read a person's certificates", "studentAchievements(studentId: $id) { certificates { id } }", Person, Null, SIGHT),
    row("StudentAchievements.badges", "Read a person's badges", "studentAchievements(studentId: $id) { badges { id } }", Person, Null, SIGHT),
    row("AuditEntry.user", "From the audit log to the record", "auditLog(userId: $id) { nodes { user { id @RECORD } } }", Person, Record, ADMINS),
    row("AuditEntry.actorUser", "From the audit log to the actor's record", "auditLog(userId: \"@CHILD\") { nodes { actorUser { id @RECORD } } }", Giver, Record, ADMINS),
    row("Subscription.achievementEarned", "Follow awards as they happen", "achievementEarned", Person, List, SIGHT),
    row("Subscription.achievementEarned(userId)", "Subscribe to a person's awards", "achievementEarned(userId: $id, after: \"@START\") { award { user { id @RECORD } } }", Person, Null, SIGHT),
    fit(Students("absent"), row("Subscription.achievementEarned(courseId)", "Follow a course's awards", "achievementEarned", Person, List, SIGHT)),
    row("AchievementEarned.award", "From what is followed to the award", "achievementEarned(userId: $id, after: \"@START\") { award { id notes } }", Person, Null, SIGHT),
    row("Mutation.recordEvent(userId)", "Record an event of a person", "recordEvent(input: {userId: $id, activity: \"@ACTIVITY\"}) { userErrors { field code message reason } }", Person, Errors, SELF_OR_ALL),
    row("Mutation.recordEvents(userId)", "Record what many did", "recordEvents(input: {events: [{userId: $id, activity: \"@ACTIVITY\"}]}) { results { userErrors { field code message reason } } }", Person, Errors, SELF_OR_ALL),
    but(&[Above], row("Mutation.upsertUser(id)", "Change a person", "upsertUser(input: {id: $id, displayName: \"Somebody of the matrix\"}) { userErrors { field code message reason } }", Person, Errors, REGISTER)),
    row("Mutation.upsertUser(referredBy)", "Set a person's referrer", "upsertUser(input: {id: \"@NEW\", displayName: \"New\", referredBy: $id}) { userErrors { field code message reason } }", Person, Errors, REGISTER),
    row("Mutation.exportPerson(userId)", "Export a person's data", "exportPerson(input: {userId: $id}) { userErrors { field code message reason } }", Person, Errors, EXPORT),
    fit(Guardians("INVALID_INPUT"), row("Mutation.linkGuardian(parentId)", "Link a guardian to a child", "linkGuardian(input: {parentId: $id, studentId: \"@LONER\"}) { userErrors { field code message reason } }", Person, Errors, REGISTER)),
    fit(Students("INVALID_INPUT"), row("Mutation.linkGuardian(studentId)", "Link a child to a guardian", "linkGuardian(input: {parentId: \"@NEIGHBOUR\", studentId: $id}) { userErrors { field code message reason } }", Person, Errors, REGISTER)),
    fit(Staff("INVALID_INPUT"), row("Mutation.createCourse(teacherId)", "Create a course for a teacher", "createCourse(input: {title: \"New\", lessons: [], teacherId: $id}) { userErrors { field code message reason } }", Person, Errors, TEACH)),
    row("Mutation.updateCourse(id)", "Change a course", "updateCourse(input: {id: $id, title: \"Changed\"}) { userErrors { field code message reason } }", Course, Errors, TEACH),
    fit(Staff("INVALID_INPUT"), row("Mutation.updateCourse(teacherId)", "Hand a course to a teacher", "updateCourse(input: {id: \"@KEPT\", teacherId: $id}) { userErrors { field code message reason } }", Person, Errors, TEACH)),
    fit(Students("INVALID_INPUT"), row("Mutation.enroll(studentId)", "Enrol a person", "enroll(input: {courseId: \"@ROOM\", studentId: $id}) { userErrors { field code message reason } }", Person, Errors, LEARN)),
    fit(Students("NOT_FOUND"), row("Mutation.completeLesson(studentId)", "Complete a lesson for a person", "completeLesson(input: {lessonId: \"@TASK\", studentId: $id}) { userErrors { field code message reason } }", Person, Errors, LEARN)),
    row("Mutation.completeLesson(lessonId)", "Complete a lesson of a course", "completeLesson(input: {lessonId: $id, studentId: \"@PUPIL\"}) { userErrors { field code message reason } }", Lesson, Errors, [Only(&[Taken]), Only(&[Taken]), Only(&[Own]), Only(&[Taken]), No, Only(&[Taken])]),
    row("Mutation.writeComment(lessonId)", "Write a comment on a lesson", "writeComment(input: {lessonId: $id, body: \"Hello\"}) { userErrors { field code message reason } }", Lesson, Errors, [No, No, No, Only(&[Taken]), No, No]),
    row("Mutation.enroll(courseId)", "Enrol a student in a course", "enroll(input: {courseId: $id, studentId: \"@PUPIL\"}) { userErrors { field code message reason } }", Course, Errors, [All, All, Only(&[Own]), All, No, All]),
    row("Mutation.createBadge", "Make a badge", "createBadge(input: {name: \"Badge @CALLER\", iconUrl: \"https://school.example/b.png\"}) { userErrors { field code message reason } }", Nothing, Errors, ADMINS),
    row("Mutation.updateBadge(id)", "Change a badge", "updateBadge(input: {id: $id, criteria: \"Kind\"}) { userErrors { field code message reason } }", Badge, Errors, ADMINS),
    row("Mutation.retireBadge(id)", "Retire a badge", "retireBadge(input: {id: $id}) { userErrors { field code message reason } }", Old, Errors, ADMINS),
    but(&[Own, Child], row("Mutation.awardBadge(studentId)", "Award a badge", "awardBadge(input: {badgeId: \"@BADGE\", studentId: $id}) { userErrors { field code message reason } }", Person, Errors, GIVE)),
    row("Mutation.awardBadge(badgeId)", "Give a badge that there is", "awardBadge(input: {badgeId: $id, studentId: \"@PUPIL\"}) { userErrors { field code message reason } }", Badge, Errors, [All, All, All, No, No, No]),
    but(&[Own, Child], row("Mutation.awardBadges(studentId)", "Give many a badge", "awardBadges(input: {badgeId: \"@BADGE\", rows: [{studentId: $id}]}) { results { userErrors { field code message reason } } }", Person, Errors, GIVE)),
    row("Mutation.awardBadges(badgeId)", "Give many a badge that there is", "awardBadges(input: {badgeId: $id, rows: [{studentId: \"@PUPIL\"}]}) { results { userErrors { field code message reason } } userErrors { code } }", Badge, Errors, [All, All, All, No, No, No]),
    row("Mutation.awardBadge(badgeId) a secret", "Give a secret that events earn", "awardBadge(input: {badgeId: $id, studentId: \"@PUPIL\"}) { userErrors { field code message reason } }", Secret, Errors, NOT_THEIRS),
    row("Mutation.awardBadges(badgeId) a secret", "Give many a secret that events earn", "awardBadges(input: {badgeId: $id, rows: [{studentId: \"@PUPIL\"}]}) { results { userErrors { field code message reason } } userErrors { field code message reason } }", Secret, Errors, NOT_THEIRS),
    row("Mutation.updateBadge(id) a secret", "Change a secret that events earn", "updateBadge(input: {id: $id, criteria: \"Kind\"}) { userErrors { field code message reason } }", Secret, Errors, NOT_ADMINS),
    row("Mutation.retireBadge(id) a secret", "Retire a secret that events earn", "retireBadge(input: {id: $id}) { userErrors { field code message reason } }", Secret, Errors, NOT_ADMINS),
    fit(Students("NOT_FOUND"), row("Mutation.createCertificate(studentId)", "Issue a certificate", "createCertificate(input: {studentId: $id, title: \"Well done\", issuedBy: \"The school\", issuedDate: \"2026-01-15\"}) { userErrors { field code message reason } }", Person, Errors, GIVE)),
    row("Mutation.updateCertificate(id)", "Change a certificate", "updateCertificate(input: {id: $id, title: \"Very well done\"}) { userErrors { field code message reason } }", Certificate, Errors, ADMINS),
    row("Mutation.deleteCertificate(id)", "Delete a certificate", "deleteCertificate(input: {id: $id}) { userErrors { field code message reason } }", Spare, Errors, GIVE),
    row("Mutation.revokeAward(awardId) given", "Take back a badge that a teacher gave", "revokeAward(input: {awardId: $id, reason: \"A mistake\"}) { userErrors { field code message reason } }", Given, Errors, GIVE),
    row("Mutation.revokeAward(awardId) earned", "Take back what events earned", "revokeAward(input: {awardId: $id, reason: \"A mistake\"}) { userErrors { field code message reason } }", Earned, Errors, [All, All, Only(&[]), No, No, No]),
    row("Mutation.updateMe", "Choose one's own mails", "updateMe(input: {mail: {digestHour: 8}}) { userErrors { field code message reason } }", Nothing, Errors, PEOPLE),
    row("Mutation.createWebhook", "Make a webhook", "createWebhook(input: {url: \"http://127.0.0.1:9/\", types: [PERSON_ERASED], description: \"A system\"}) { userErrors { field code message reason } }", Nothing, Errors, ADMINS),
    row("Mutation.updateWebhook(webhookId)", "Change a webhook", "updateWebhook(input: {webhookId: $id, description: \"Another system\"}) { userErrors { field code message reason } }", Webhook, Errors, ADMINS),
    row("Mutation.rotateWebhookSecret(webhookId)", "Give a webhook a new secret", "rotateWebhookSecret(input: {webhookId: $id}) { userErrors { field code message reason } }", Webhook, Errors, ADMINS),
    row("Mutation.testWebhook(webhookId)", "Test a webhook", "testWebhook(input: {webhookId: $id}) { userErrors { field code message reason } }", Webhook, Errors, ADMINS),
    row("Mutation.redeliverWebhook(webhookId)", "Send a webhook what happened again", "redeliverWebhook(input: {webhookId: $id, since: \"2026-01-15T12:00:00Z\"}) { userErrors { field code message reason } }", Webhook, Errors, ADMINS),
    row("Mutation.retryDelivery(deliveryId)", "Try a delivery again", "retryDelivery(input: {deliveryId: $id}) { userErrors { field code message reason } }", Delivery, Errors, ADMINS),
    but(&[Own], row("Mutation.erasePerson(userId)", "Erase a person", "erasePerson(input: {userId: $id}) { userErrors { field code message reason } }", Person, Errors, [All, No, No, No, No, No])),
];
