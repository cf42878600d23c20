//! Writes the table as a page for human readers: `api/policy.md`.

use super::table::{ERASED, Row, TABLE, Target, Tie, Who};

const ABOVE: &str = "# Who may do what

Written by the test that asks the server every question below as everybody about everybody
(`cargo test -p tests policy`). What is written here is what the server does; a question that is not written here
fails the test.

How somebody stands to the one who asks is judged at the moment of asking:

- **self** — it is they.
- **students** — students who are enrolled, now, in a course that the teacher teaches.
- **children** — students to whom they are linked as a guardian, now. That holds for whoever is linked: a teacher
  who is also a parent sees their students and their children.
- **own course** — they teach it. **course taken** — the student in question is enrolled in it, now.
- Whoever has left the course, whose link has ended, or who never had to do with them is a stranger, and so is a
  student of another teacher. A stranger's record is answered exactly as if there were no such person.
- Another role ends what it cannot have, for good: whoever is a student no more leaves their courses and guardians,
  whoever becomes one has no children, whoever may not teach has no courses.

In the cells:

- **everybody** — of every person in the school; where no person is concerned, **yes**.
- **no** — the role may not do it at all, and is told so.
- **none** — there is nothing of the kind that the role would find.
- **once earned** — a secret achievement reads like a missing one until the one who asks has earned it.

Whoever is not signed in may do nothing of all this. A name on a board or on an award is open to everybody signed
in, with the place and the score there; the record behind the name is not. What was denied leaves no trace in any
table.

What people do to the record of another is written down in the same moment, and admins read it (`auditLog`): who, in
which role, what, on whom, when, in which request. The events that services send are not written down there: a service
is a system, and each event keeps the name of the one that sent it.
";
const BELOW: &str = "
## Whoever has been erased

Reads as if there had never been such a person, to everybody and in every row above, also where it says
everybody. A place on a board stays, with the words \"Erased person\" where the name was, and so does what the audit
log says of them. So do the same words where they gave somebody an award, wrote a comment, which is empty then, or
brought somebody in. What else is left:

| | for | told | field |
|---|---|---|---|
";
const PARTS: [(&str, &[&str]); 3] = [
    ("Reading", &["Query."]),
    ("From one record to another, and following", &[]),
    ("Changing", &["Mutation."]),
];

/// The page.
pub(super) fn table() -> String {
    let mut page = ABOVE.to_owned();
    for (title, starts) in PARTS {
        page.push_str(&format!(
            "\n## {title}\n\n| | super admin | admin | teacher | student | parent | service | field |\n|---|---|---|---|---|---|---|---|\n"
        ));
        for row in TABLE.iter().filter(|row| is_of(row, starts)) {
            let cells = row.who.map(|who| cell(row, who));
            page.push_str(&format!(
                "| {}{} | {} | `{}` |\n",
                row.says,
                never(row),
                cells.join(" | "),
                field(row)
            ));
        }
    }
    page.push_str(BELOW);
    for left in ERASED {
        let row = TABLE.iter().find(|row| row.path == left.path).expect("what is left is found by a row");
        let told = if left.told == "ok" { "yes" } else { left.told };
        let to = left.to.iter().map(|role| role.as_str().replace('_', " ")).collect::<Vec<_>>().join(", ");
        page.push_str(&format!("| {}{} | {to} | {told} | `{}` |\n", row.says, never(row), field(row)));
    }
    page
}

fn is_of(row: &Row, starts: &[&str]) -> bool {
    if starts.is_empty() {
        return !PARTS.iter().flat_map(|(_, starts)| *starts).any(|start| row.path.starts_with(start));
    }
    starts.iter().any(|start| row.path.starts_with(start))
}

fn field(row: &Row) -> &str {
    row.path.split(' ').next().unwrap_or(row.path)
}

fn cell(row: &Row, who: Who) -> String {
    let only = match who {
        Who::No => return "no".to_owned(),
        Who::All if is_impersonal(row) => return "yes".to_owned(),
        Who::All => return "everybody".to_owned(),
        Who::Only([]) => return "none".to_owned(),
        Who::Only(only) => only,
    };
    only.iter().map(|tie| word(row, *tie)).collect::<Vec<_>>().join(", ")
}

fn is_impersonal(row: &Row) -> bool {
    use Target::{Badge, Comment, Course, Entry, Lesson, Nothing, Old, Secret, SecretKey};
    matches!(row.of, Nothing | Course | Lesson | Comment | Entry | Badge | Old | Secret | SecretKey)
}

fn word(row: &Row, tie: Tie) -> &'static str {
    match tie {
        Tie::Own if matches!(row.of, Target::Course | Target::Lesson | Target::Comment) => "own course",
        Tie::Own if matches!(row.of, Target::Secret | Target::SecretKey) => "once earned",
        Tie::Child if matches!(row.of, Target::Course | Target::Lesson | Target::Comment) => {
            "a child's course"
        }
        Tie::Own => "self",
        Tie::Student => "students",
        Tie::Child => "children",
        Tie::Taken => "course taken",
        Tie::Above => "those above them",
    }
}

fn never(row: &Row) -> String {
    if row.never.is_empty() {
        return String::new();
    }
    let words: Vec<_> = row
        .never
        .iter()
        .map(|tie| match tie {
            Tie::Own => "themselves",
            Tie::Child => "their children",
            other => word(row, *other),
        })
        .collect();
    format!(" (never {})", words.join(" or "))
}
