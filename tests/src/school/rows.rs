//! The statements that write a school. The rows of each table are numbered from 1 as `n`.

use super::sql::Dialect;
use super::{Kind, PARENT, STUDENT, School, TEACHER};

/// Maximum number of lessons of a course.
const LESSONS: u64 = 500;
const LESSONS_OF_SMALL: u64 = 20;

impl School {
    /// People, events and their consequences.
    pub(super) fn people_and_history(&self, d: Dialect) -> Vec<String> {
        let (people, events, awards) = (self.people, self.events, self.awards);
        let (students, busy) = (self.students(), events / 50);
        let student = |number: &str| d.id(Kind::Person, &format!("{STUDENT} + ({number}) % {students}"));
        let owner = format!(
            "CASE WHEN n <= {busy} THEN {} ELSE {} END",
            d.id(Kind::Person, &STUDENT.to_string()),
            student("n")
        );
        let (event, award) = (d.id(Kind::Event, "n"), d.id(Kind::Award, "n"));
        let (at, on) = (d.time("n * 60"), d.date("n * 60"));
        let awarded = d.time("n * 30");
        let referred = d.id(Kind::Person, &STUDENT.to_string());
        let ranked = "(SELECT id, row_number() OVER (ORDER BY key <> 'aurora/first-steps', id) AS rank,
                       count(*) OVER () AS most FROM achievements)";
        vec![
            format!(
                "INSERT INTO people (id, display_name, search_name, search_key, role, timezone, referred_by, created_at, updated_at)
                 SELECT {}, 'Student ' || n, 'student ' || n, 'student ' || n,
                   CASE WHEN n = 1 THEN 'super_admin' WHEN n < {TEACHER} THEN 'admin' WHEN n < {PARENT} THEN 'teacher'
                        WHEN n < {STUDENT} THEN 'parent' ELSE 'student' END, 'UTC',
                   CASE WHEN n > {STUDENT} AND n % 50 = 0 THEN {referred} END, {}, {} FROM {}",
                d.id(Kind::Person, "n"), d.time("0"), d.time("0"), d.series(people)
            ),
            format!(
                "INSERT INTO guardians (guardian_id, child_id, linked_at) SELECT {}, {}, {} FROM {}",
                d.id(Kind::Person, &format!("CASE WHEN n <= 100 THEN {PARENT} ELSE {PARENT} + n % 100 END")),
                student("n"), d.time("0"), d.series(students.min(400))
            ),
            format!(
                "INSERT INTO events (id, source, external_id, person_id, activity, occurred_at, local_date, local_hour, timezone,
                   makes_active, attributes, recorded_at, catalogue_version)
                 SELECT {event}, 'lessons', 'seeded-' || n, {owner}, 'question_answered', {at}, {on}, 12, 'UTC', true,
                   {}, {at}, 1 FROM {}",
                d.json("'{\"correct\": true, \"level\": \"B1\", \"skill\": \"grammar\"}'"), d.series(events)
            ),
            format!(
                "INSERT INTO xp_entries (id, person_id, amount, kind, event_id, occurred_at, local_date, recorded_at)
                 SELECT {}, {owner}, 5, 'BASE', {event}, {at}, {on}, {at} FROM {}",
                d.id(Kind::Base, "n"), d.series(events)
            ),
            "INSERT INTO active_days (person_id, day, timezone) SELECT DISTINCT person_id, local_date, timezone FROM events".to_owned(),
            format!(
                "INSERT INTO awards (id, person_id, achievement_id, occurrence, cause, earned_at, recorded_at, xp_bonus,
                   flagged, awarded_by, notes)
                 SELECT {award}, {}, ranked.id, 1 + (n - 1) / {students} / ranked.most,
                   CASE WHEN n % 10 = 0 THEN 'PERSON' ELSE 'RULE' END, {awarded}, {awarded}, 10, false,
                   CASE WHEN n % 10 = 0 THEN {} END, CASE WHEN n % 10 = 0 THEN '{}' END
                 FROM {} JOIN {ranked} AS ranked ON ranked.rank = 1 + (n - 1) / {students} % ranked.most",
                student("n"), d.id(Kind::Person, &TEACHER.to_string()), "Well done. ".repeat(20), d.series(awards)
            ),
            format!(
                "INSERT INTO xp_entries (id, person_id, amount, kind, award_id, occurred_at, local_date, recorded_at)
                 SELECT {}, {}, 10, 'BONUS', {award}, {awarded}, {}, {awarded} FROM {}",
                d.id(Kind::Bonus, "n"), student("n"), d.date("n * 30"), d.series(awards)
            ),
            format!(
                "INSERT INTO feed (position, kind, award_id, group_id, person_id) SELECT n, 'AWARD_EARNED', {award}, {award}, {} FROM {}",
                student("n"), d.series(awards)
            ),
            format!("UPDATE feed_counter SET position = {awards}"),
            format!(
                "INSERT INTO outbox (id, kind, person_id, award_id, group_id, created_at, planned_at)
                 SELECT {}, 'AWARD_EARNED', {}, {award}, {award}, {awarded}, {awarded} FROM {}",
                d.id(Kind::Message, "n"), student("n"), d.series(awards)
            ),
            "INSERT INTO totals (person_id, xp, xp_reached_at, awards, streak_run, streak_longest, last_active_on,
               last_active_in)
             SELECT entries.person_id, entries.xp, entries.at, coalesce(held.number, 0), 1, 5, entries.day, 'UTC'
             FROM (SELECT person_id, sum(amount) AS xp, max(occurred_at) AS at, max(local_date) AS day
                   FROM xp_entries GROUP BY person_id) AS entries
             LEFT JOIN (SELECT person_id, count(*) AS number FROM awards GROUP BY person_id) AS held
               ON held.person_id = entries.person_id"
                .to_owned(),
        ]
    }

    /// Courses, comments, certificates and the audit log.
    pub(super) fn courses_and_documents(&self, d: Dialect) -> Vec<String> {
        let (students, courses, small) = (self.students(), self.courses(), self.small_courses);
        let lessons_of_small = small * LESSONS_OF_SMALL;
        let lessons = lessons_of_small + self.large_courses * LESSONS;
        let student = |number: &str| d.id(Kind::Person, &format!("{STUDENT} + ({number}) % {students}"));
        let (first, zero) = (d.id(Kind::Person, &STUDENT.to_string()), d.time("0"));
        let course_of_lesson = format!(
            "CASE WHEN n <= {lessons_of_small} THEN 1 + (n - 1) / {LESSONS_OF_SMALL}
             ELSE {small} + 1 + (n - {lessons_of_small} - 1) / {LESSONS} END"
        );
        let place_of_lesson = format!(
            "CASE WHEN n <= {lessons_of_small} THEN 1 + (n - 1) % {LESSONS_OF_SMALL}
             ELSE 1 + (n - {lessons_of_small} - 1) % {LESSONS} END"
        );
        vec![
            format!(
                "INSERT INTO courses (id, title, teacher_id, certificate_title, created_at, updated_at)
                 SELECT {}, 'Course ' || n, {}, 'Certificate of course ' || n, {}, {} FROM {}",
                d.id(Kind::Course, "n"),
                d.id(Kind::Person, &format!("{TEACHER} + CASE WHEN n = 1 OR n > {small} THEN 0 ELSE n % 10 END")),
                d.time("n * 60"), d.time("n * 60"), d.series(courses)
            ),
            format!(
                "INSERT INTO lessons (id, course_id, title, position)
                 SELECT {}, {}, substr('Lesson ' || n || '{}', 1, 200), {place_of_lesson} FROM {}",
                d.id(Kind::Lesson, "n"), d.id(Kind::Course, &course_of_lesson), " and more".repeat(25), d.series(lessons)
            ),
            format!(
                "INSERT INTO enrollments (course_id, student_id, enrolled_at)
                 SELECT {}, {}, {zero} FROM {} WHERE true ON CONFLICT DO NOTHING",
                d.id(Kind::Course, &format!("CASE WHEN n <= {students} THEN 1 ELSE 1 + n % {courses} END")),
                student("n"), d.series(students * 3)
            ),
            format!(
                "INSERT INTO completions (lesson_id, student_id, completed_at) SELECT {}, {}, {zero} FROM {}",
                d.id(Kind::Lesson, &format!("{lessons} - (n - 1) / {students}")), student("n"), d.series(students * 4)
            ),
            format!(
                "INSERT INTO comments (id, lesson_id, author_id, body, written_at)
                 SELECT {}, {}, {}, CASE WHEN n > {} - 200 THEN '{}' ELSE 'Comment ' || n END, {} FROM {}",
                d.id(Kind::Comment, "n"),
                d.id(Kind::Lesson, &format!("CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % {lessons} END")),
                format_args!("CASE WHEN n % 2 = 0 THEN {first} ELSE {} END", student("n")),
                self.comments, "A long comment. ".repeat(125), d.time("n * 60"), d.series(self.comments)
            ),
            format!(
                "INSERT INTO certificates (id, number, student_id, title, issued_by, issued_date, description, document_url,
                   metadata, created_at, updated_at)
                 SELECT {}, 'CERT-2025-' || n, CASE WHEN n <= 300 THEN {first} ELSE {} END, 'Certificate ' || n, 'School',
                   {}, '{}', 'https://cdn.school.example/' || n, CASE WHEN n <= 300 THEN {} END, {}, {} FROM {}",
                d.id(Kind::Certificate, "n"), student("n"), d.date("0"), "A certificate. ".repeat(20),
                d.json(&format!("'{{\"text\": \"{}\"}}'", "m".repeat(16_000))),
                d.time("n * 60"), d.time("n * 60"), d.series(self.certificates)
            ),
            format!(
                "INSERT INTO audit_log (id, actor, role, act, person_id, at, request_id)
                 SELECT {}, '{}', 'super_admin', 'link_guardian', {}, {}, 'seeded-' || n FROM {}",
                d.id(Kind::Act, "n"), Self::super_admin(),
                format_args!("CASE WHEN n % 50 = 0 THEN {first} ELSE {} END", student("n")),
                d.time("n * 60"), d.series(self.acts)
            ),
        ]
    }
}
