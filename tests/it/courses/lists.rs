//! Lists of courses and people: order, pages, the caller's reach, and a constant number of statements.

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

use super::{complete, course, enroll, join, leave, mutate, text};

/// Creates a student with this name.
async fn student(w: &World, name: &str) -> Uuid {
    let id = Uuid::new_v4();
    w.upsert(id, json!({"displayName": name})).await;
    id
}

async fn names(client: &Client, of: &str, variables: Value) -> Vec<String> {
    let query =
        format!("query($role: Role, $course: ID, $search: String, $first: Int, $after: String) {{ {of} }}");
    let answer = client.ask(&query, variables).await;
    let mut list = answer.data();
    while let Some(inner) = list.as_object().and_then(|object| object.values().next()) {
        list = inner;
    }
    list.as_array().unwrap().iter().map(|node| text(&node["displayName"])).collect()
}

const PEOPLE: &str = "people(role: $role, courseId: $course, search: $search, first: $first, after: $after) { nodes { displayName } }";

/// The number of statements of a query.
async fn price(w: &World, client: &Client, query: &str) -> u64 {
    let before = w.server.app.db.statements();
    client.ask(query, json!({})).await.data();
    w.server.app.db.statements() - before
}

on_both! {
    async fn people_are_filtered_by_role_course_and_name_within_reach(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        w.upsert(grace_id, json!({"displayName": "Grace"})).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        w.upsert(parent_id, json!({"displayName": "Paul"})).await;
        let service = w.service();
        let mut people = Vec::new();
        for name in ["zoe", "Élodie", "Ada", "adam", "Bob 100%", "Bob 1000", "שלום"] {
            people.push(student(&w, name).await);
        }
        let cobol = course(&grace, 1).await;
        for student in &people[1..4] {
            enroll(&service, &cobol, Some(*student)).await;
        }
        let link = json!({"parentId": parent_id, "studentId": people[6]});
        mutate(&service, "linkGuardian", "linked", link).await;
        // By name without case, then by code points.
        let all = ["Ada", "adam", "Bob 100%", "Bob 1000", "Grace", "Paul", "zoe", "Élodie", "שלום"];
        for (client, asked, expected) in [
            (&service, json!({}), all.to_vec()),
            (&service, json!({"role": "TEACHER"}), vec!["Grace"]),
            (&service, json!({"role": "SERVICE"}), vec![]),
            (&service, json!({"search": "BOB 100%"}), vec!["Bob 100%"]),
            (&service, json!({"search": "ÉLO"}), vec!["Élodie"]),
            (&service, json!({"search": "E\u{301}lo"}), vec!["Élodie"]),
            (&service, json!({"search": "_"}), vec![]),
            (&service, json!({"search": " "}), all.to_vec()),
            (&service, json!({"course": cobol.id, "search": "bob"}), vec![]),
            (&service, json!({"course": cobol.id}), vec!["Ada", "adam", "Élodie"]),
            (&service, json!({"course": cobol.id, "search": "od"}), vec!["Élodie"]),
            (&grace, json!({"search": "o"}), vec!["Élodie"]),
            (&grace, json!({"role": "TEACHER"}), vec!["Grace"]),
            (&grace, json!({"search": "bob"}), vec![]),
            (&parent, json!({}), vec!["Paul", "שלום"]),
            (&parent, json!({"course": cobol.id}), vec![]),
            (&parent, json!({"course": Uuid::new_v4()}), vec![]),
        ] {
            assert_eq!(names(client, PEOPLE, asked.clone()).await, expected, "{asked}");
        }
        let counted = "{ people(first: 1) { totalCount pageInfo { hasNextPage } } }";
        for (client, total) in [(&service, 9), (&grace, 4), (&parent, 2)] {
            let page = json!({"totalCount": total, "pageInfo": {"hasNextPage": true}});
            assert_eq!(client.ask(counted, json!({})).await.data()["people"], page);
        }
        for bad in [json!({"course": "x"}), json!({"first": 101}), json!({"first": -1}), json!({"after": "!"}),
                    json!({"search": "a\u{0}"}), json!({"search": "x".repeat(101)})] {
            let query = format!("query($role: Role, $course: ID, $search: String, $first: Int, $after: String) {{ {PEOPLE} }}");
            assert_eq!(service.ask(&query, bad.clone()).await.code(), "INVALID_INPUT", "{bad}");
        }
        w.finish().await;
    }

    async fn pages_of_people_and_courses_are_complete(w: World) {
        let (_, admin) = join(&w, Role::Admin).await;
        let cobol = course(&admin, 1).await;
        let mut expected = Vec::new();
        for nth in 0..7 {
            let name = format!("Sam {}", nth / 2);
            enroll(&admin, &cobol, Some(student(&w, &name).await)).await;
            expected.push(name);
            w.tick(chrono::TimeDelta::seconds(1));
            course(&admin, 1).await;
        }
        let query = "query($people: String, $students: String, $courses: String, $id: ID!) {
            people(role: STUDENT, first: 3, after: $people) { nodes { id displayName } pageInfo { endCursor hasNextPage } }
            node(id: $id) { ... on Course { students(first: 3, after: $students) {
                totalCount nodes { id displayName } pageInfo { endCursor hasNextPage } } } }
            courses(first: 3, after: $courses) { totalCount nodes { id createdAt } pageInfo { endCursor hasNextPage } } }";
        let mut variables = json!({"id": cobol.id});
        let (mut people, mut students, mut courses) = (Vec::new(), Vec::new(), Vec::new());
        for last in [false, false, true] {
            let answer = admin.ask(query, variables.clone()).await;
            let data = answer.data();
            let lists = [("people", &data["people"], &mut people), ("students", &data["node"]["students"], &mut students),
                         ("courses", &data["courses"], &mut courses)];
            for (name, page, all) in lists {
                assert_eq!(page["pageInfo"]["hasNextPage"], !last, "{name}");
                all.extend(page["nodes"].as_array().unwrap().clone());
                variables[name] = page["pageInfo"]["endCursor"].clone();
            }
            assert_eq!((&data["node"]["students"]["totalCount"], &data["courses"]["totalCount"]), (&json!(7), &json!(8)));
        }
        assert_eq!(people, students);
        assert_eq!(people.iter().map(|node| text(&node["displayName"])).collect::<Vec<_>>(), expected);
        assert_eq!(courses.len(), 8);
        assert!(courses.windows(2).all(|pair| pair[0]["createdAt"].as_str() > pair[1]["createdAt"].as_str()));
        assert_eq!(courses[7]["id"], json!(cobol.id), "the newest comes first");
        w.finish().await;
    }

    async fn everyone_sees_a_course_but_only_students_within_reach(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let (_, hedy) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, _) = join(&w, Role::Student).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let cobol = course(&grace, 1).await;
        for student in [ada_id, eve_id] {
            enroll(&w.service(), &cobol, Some(student)).await;
        }
        let link = json!({"parentId": parent_id, "studentId": eve_id});
        mutate(&w.service(), "linkGuardian", "linked", link).await;
        let query = "query($course: ID!, $lesson: ID!) {
            node(id: $course) { id __typename ... on Course { title teacher { id role xp } students { totalCount nodes { id xp } } } }
            lesson: node(id: $lesson) { __typename ... on Lesson { title position } } }";
        let (everyone, nobody) = (vec![ada_id, eve_id], vec![]);
        for (client, seen, teacher_xp) in [
            (&w.service(), &everyone, json!(0)), (&grace, &everyone, json!(0)), (&hedy, &nobody, Value::Null),
            (&ada, &vec![ada_id], Value::Null), (&parent, &vec![eve_id], Value::Null),
        ] {
            let answer = client.ask(query, json!({"course": cobol.id, "lesson": cobol.lessons[0]})).await;
            let course = &answer.data()["node"];
            assert_eq!((&course["id"], &course["title"]), (&json!(cobol.id), &json!("Rust")));
            assert_eq!(course["teacher"], json!({"id": grace_id, "role": "TEACHER", "xp": teacher_xp}));
            assert_eq!(course["students"]["totalCount"], seen.len());
            let mut ids: Vec<String> =
                course["students"]["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
            let mut expected: Vec<String> = seen.iter().map(Uuid::to_string).collect();
            ids.sort();
            expected.sort();
            assert_eq!(ids, expected);
            assert_eq!(answer.data()["lesson"], json!({"__typename": "Lesson", "title": "Lesson 1", "position": 1}));
        }
        assert_eq!(w.nobody().ask("{ courses { totalCount } }", json!({})).await.code(), "UNAUTHENTICATED");
        w.finish().await;
    }

    async fn the_feed_of_a_course_has_the_awards_of_its_students(w: World) {
        let (_, grace) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let (eve_id, eve) = join(&w, Role::Student).await;
        let (cobol, math) = (course(&grace, 1).await, course(&grace, 1).await);
        enroll(&ada, &cobol, None).await;
        enroll(&eve, &math, None).await;
        let follow = "subscription($id: ID) { achievementEarned(courseId: $id) { award { user { id } } } }";
        let told = |id: Uuid| json!({"data": {"achievementEarned": {"award": {"user": {"id": id}}}}});
        let (mut one, mut both) = (grace.socket().await, grace.socket().await);
        one.subscribe("1", follow, json!({"id": cobol.id})).await;
        both.subscribe("1", follow, json!({})).await;
        w.followed_by(2).await;
        complete(&eve, &math.lessons[0], None).await;
        complete(&ada, &cobol.lessons[0], None).await;
        assert_eq!(both.next("1").await, told(eve_id));
        assert_eq!(both.next("1").await, told(ada_id));
        assert_eq!(one.next("1").await, told(ada_id));
        one.subscribe("2", follow, json!({"id": Uuid::new_v4()})).await;
        let tests::Frame::Message(end) = one.frame().await else { panic!("a message tells why it ends") };
        assert!(end.to_string().contains("NOT_FOUND"), "{end}");
        w.finish().await;
    }

    async fn a_list_costs_the_same_statements_for_one_and_for_twenty(w: World) {
        let (grace_id, grace) = join(&w, Role::Teacher).await;
        let cobol = course(&grace, 2).await;
        let service = w.service();
        let add = async |count: usize| {
            for nth in 0..count {
                let id = student(&w, &format!("Sam {nth}")).await;
                enroll(&service, &cobol, Some(id)).await;
                let link = json!({"parentId": grace_id, "studentId": id});
                mutate(&service, "linkGuardian", "linked", link).await;
            }
        };
        let row = "id displayName xp level { number } streak { current } earned(first: 2) { totalCount } summary { totalEarned }";
        let queries = [
            format!("{{ people(role: STUDENT) {{ totalCount nodes {{ {row} }} }} }}"),
            format!("{{ courses {{ totalCount nodes {{ title teacher {{ id }} lessons {{ title }} students {{ totalCount nodes {{ {row} }} }} }} }} }}"),
            format!("{{ me {{ children {{ {row} }} }} }}"),
        ];
        add(1).await;
        let mut one = Vec::new();
        for query in &queries {
            one.push(price(&w, &grace, query).await);
        }
        add(19).await;
        let mut twenty = Vec::new();
        for query in &queries {
            twenty.push(price(&w, &grace, query).await);
        }
        assert_eq!(twenty, one, "people, a course's students, children");
        let answer = grace.ask("{ me { children { id } } people(role: STUDENT) { totalCount } }", json!({})).await;
        assert_eq!(answer.data()["me"]["children"].as_array().unwrap().len(), 20);
        assert_eq!(answer.data()["people"]["totalCount"], 20);
        // As many courses as students, each with lessons, a teacher and students.
        for _ in 0..19 {
            let another = course(&grace, 2).await;
            enroll(&service, &another, Some(student(&w, "Sam").await)).await;
        }
        let courses = "{ courses { nodes { title teacher { displayName } lessons { title } students(first: 2) { totalCount nodes { id xp } } } } }";
        let all = price(&w, &grace, courses).await;
        let first = price(&w, &grace, &courses.replace("courses {", "courses(first: 1) {")).await;
        assert_eq!(all, first, "courses");
        w.finish().await;
    }

    async fn a_course_of_many_is_paged_by_name_as_far_as_each_caller_sees(w: World) {
        // More students than the server sorts at once: it scans the index of names instead.
        let count = 1_010;
        let (_, grace) = join(&w, Role::Teacher).await;
        let (_, heidi) = join(&w, Role::Teacher).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let service = w.service();
        let (large, small) = (course(&grace, 1).await, course(&heidi, 1).await);
        let mut people = Vec::new();
        for some in (0..count).collect::<Vec<_>>().chunks(40) {
            let students = some.iter().map(async |nth| student(&w, &format!("Sam {nth:04}")).await);
            people.extend(join_all(students).await);
        }
        for some in people.chunks(40) {
            join_all(some.iter().map(|id| enroll(&service, &large, Some(*id)))).await;
        }
        enroll(&service, &small, Some(people[7])).await;
        leave(&service, &large, Some(people[1])).await;
        let link = json!({"parentId": parent_id, "studentId": people[5]});
        mutate(&service, "linkGuardian", "linked", link).await;

        let roster = "query($id: ID!, $after: String) { node(id: $id) { ... on Course {
            students(first: 3, after: $after) { totalCount nodes { displayName } pageInfo { hasNextPage endCursor } } } } }";
        let page = async |client: &Client, after: Value| {
            let answer = client.ask(roster, json!({"id": large.id, "after": after})).await;
            let mut students = answer.data()["node"]["students"].clone();
            let cursor = students["pageInfo"]["endCursor"].take();
            let names = students["nodes"].as_array().unwrap();
            let names = names.iter().map(|node| text(&node["displayName"])).collect::<Vec<_>>();
            let more = students["pageInfo"]["hasNextPage"].as_bool().unwrap();
            (students["totalCount"].as_i64().unwrap(), names, more, cursor)
        };
        let (total, names_of_page, more, cursor) = page(&grace, Value::Null).await;
        assert_eq!((total, more), (count - 1, true));
        assert_eq!(names_of_page, ["Sam 0000", "Sam 0002", "Sam 0003"]);
        let (_, next, ..) = page(&grace, cursor).await;
        assert_eq!(next, ["Sam 0004", "Sam 0005", "Sam 0006"]);
        let (total, seen, more, _) = page(&heidi, Value::Null).await;
        assert_eq!((total, seen, more), (1, vec!["Sam 0007".to_owned()], false));
        let (total, seen, more, _) = page(&parent, Value::Null).await;
        assert_eq!((total, seen, more), (1, vec!["Sam 0005".to_owned()], false));

        let asked = |first: i64| json!({"course": large.id, "first": first, "role": "STUDENT"});
        assert_eq!(names(&grace, PEOPLE, asked(2)).await, ["Sam 0000", "Sam 0002"]);
        assert_eq!(names(&service, PEOPLE, asked(2)).await, ["Sam 0000", "Sam 0002"]);
        assert_eq!(names(&heidi, PEOPLE, asked(2)).await, ["Sam 0007"]);
        assert_eq!(names(&parent, PEOPLE, asked(2)).await, ["Sam 0005"]);
        let of_small = json!({"course": small.id, "first": 2});
        assert_eq!(names(&grace, PEOPLE, of_small).await, ["Sam 0007"]);
        let counted = "query($course: ID) { people(courseId: $course, first: 1) { totalCount } }";
        let total = grace.ask(counted, json!({"course": large.id})).await;
        assert_eq!(total.data()["people"]["totalCount"], json!(count - 1));
        w.finish().await;
    }
}
