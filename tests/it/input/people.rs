//! `upsertUser` with an invalid name, address or time zone, or a role that the caller cannot assign.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Answer, Client, on_both};
use uuid::Uuid;

use super::{Kept, No, invalid, with};

const UPSERT: &str = "mutation($input: UpsertUserInput!) { upsertUser(input: $input) {
    user { id } userErrors { field code message reason } } }";

async fn upsert(client: &Client, input: &Value) -> Answer {
    client.ask(UPSERT, json!({"input": input})).await
}

on_both! {
    async fn each_fault_of_a_person_is_reported_and_nothing_is_changed(w: World) {
        let (ada, eve, bob) = (w.student("UTC").await, w.student("UTC").await, w.student("UTC").await);
        let is = json!({"email": "ada@school.example", "timezone": "Asia/Tokyo", "locale": "pt-BR", "referredBy": eve});
        w.upsert(ada, is).await;
        let unchanged = "SELECT count(*) FROM people WHERE display_name = 'Ada' AND email = 'ada@school.example'
            AND timezone = 'Asia/Tokyo' AND locale = 'pt-BR' AND role = 'student' AND referred_by IS NOT NULL";
        let kept = Kept::of(&w).await;
        let name = |remedy| invalid(&["displayName"], remedy);
        let empty = "The text is empty: write 1 to 100 characters.";
        let hidden = invalid(&["displayName"], "readers cannot see or which changes the direction of the text: remove it");
        let email = invalid(&["email"], "Send one such as ada@school.example");
        let zone = invalid(&["timezone"], "Send a name such as Europe/Berlin");
        let locale = invalid(&["locale"], "Send one such as en or pt-BR");
        let uuid = "send the id the person signs in with";
        let role = No {
            code: "FORBIDDEN",
            field: &["role"],
            remedy: "a service can create STUDENT, PARENT and TEACHER, and cannot change a role",
        };
        let unknown = No { code: "NOT_FOUND", field: &["referredBy"], remedy: "Create the referrer first" };
        let again = No { code: "CONFLICT", field: &["referredBy"], remedy: "which cannot be changed. Omit the field" };
        let stranger = Uuid::new_v4();
        for (fault, no) in [
            (json!({"id": ""}), invalid(&["id"], uuid)),
            (json!({"id": "ada"}), invalid(&["id"], uuid)),
            (json!({"id": Uuid::nil()}), invalid(&["id"], "Choose another id")),
            (json!({"displayName": ""}), name(empty)),
            (json!({"displayName": " \u{a0} "}), name(empty)),
            (json!({"displayName": "x".repeat(101)}), name("The text has 101 characters; at most 100 are allowed.")),
            (json!({"displayName": "Ada\r\nBcc: all@school.example"}), name("Write one line: remove the line break or control character U+000D.")),
            (json!({"displayName": "A\u{0}da"}), name("remove the line break or control character U+0000.")),
            (json!({"displayName": "Ada\u{202e}gpj.exe"}), hidden),
            (json!({"displayName": "\u{2066}Ada\u{2069}"}), hidden),
            (json!({"displayName": "A\u{200b}da"}), hidden),
            (json!({"displayName": "A\u{200d}da"}), hidden),
            (json!({"displayName": "Ada\u{feff}"}), hidden),
            (json!({"displayName": "Ada\u{e0041}"}), hidden),
            (json!({"displayName": "Ada\u{200f}"}), hidden),
            (json!({"email": "ada\u{202e}@school.example"}), email),
            // One visible letter of more than a kilobyte.
            (json!({"displayName": format!("a{}", "\u{301}".repeat(600))}), name("bytes; at most 1000 are allowed: shorten it.")),
            (json!({"email": ""}), email),
            (json!({"email": "ada"}), email),
            (json!({"email": "@school.example"}), email),
            (json!({"email": "ada@school"}), email),
            (json!({"email": "ada@eve@school.example"}), email),
            (json!({"email": "ada@school.example\r\nBcc: all"}), email),
            (json!({"email": format!("{}@school.example", "x".repeat(254))}), email),
            (json!({"timezone": ""}), zone),
            (json!({"timezone": "Mars/Base"}), zone),
            (json!({"timezone": "UTC+2"}), zone),
            (json!({"locale": ""}), locale),
            (json!({"locale": "english please"}), locale),
            (json!({"locale": "en-"}), locale),
            (json!({"role": null}), invalid(&["role"], "send one, or omit the field to keep it")),
            (json!({"role": "SERVICE"}), invalid(&["role"], "A service is not a user")),
            (json!({"role": "TEACHER"}), role),
            (json!({"role": "ADMIN"}), role),
            (json!({"id": stranger, "role": "ADMIN"}), role),
            (json!({"id": stranger, "role": "SUPER_ADMIN"}), role),
            (json!({"id": eve, "referredBy": eve}), invalid(&["referredBy"], "Send another person's id")),
            (json!({"id": eve, "referredBy": "bob"}), invalid(&["referredBy"], uuid)),
            (json!({"id": eve, "referredBy": stranger}), unknown),
            (json!({"id": stranger, "referredBy": Uuid::from_u128(9)}), unknown),
            (json!({"referredBy": bob}), again),
            (json!({"referredBy": null}), invalid(&["referredBy"], "cannot be removed. Omit the field")),
        ] {
            let answer =
                upsert(&w.service(), &with(json!({"id": ada, "displayName": "Ada L."}), &fault)).await;
            let payload = &answer.data()["upsertUser"];
            assert_eq!(payload["user"], Value::Null, "{fault}");
            no.check(&payload["userErrors"], &["input"], &fault.to_string());
            kept.check(&w, &fault.to_string()).await;
            assert_eq!(w.database.number(unchanged).await, 1, "{fault}");
        }
        w.upsert(ada, json!({"referredBy": eve})).await;
        w.finish().await;
    }

    async fn a_token_with_an_invalid_name_can_sign_in_with_a_cleaned_name(w: World) {
        let keys = plaudit::auth::token::Keys::load(&w.config.auth).unwrap();
        for (named, shown) in [
            ("A\u{202e}d\u{200b}a", "Ada".to_owned()),
            ("👩\u{200d}🚀 Zoe\u{301}", "👩\u{200d}🚀 Zoé".to_owned()),
        ] {
            let id = Uuid::new_v4();
            let ttl = chrono::TimeDelta::hours(1);
            let token = keys.mint(&id.to_string(), Role::Student, Some(named), ttl, w.clock.now()).unwrap();
            let answer = Client::new(w.url(), Some(token)).ask("{ me { displayName } }", json!({})).await;
            assert_eq!(*answer.data(), json!({"me": {"displayName": shown}}), "{named:?}");
        }
        w.finish().await;
    }

    async fn values_that_the_schema_rules_out_are_named(w: World) {
        let kept = Kept::of(&w).await;
        for (fault, words) in [
            (json!({"displayName": null}), "input.displayName"),
            (json!({"displayName": 7}), "input.displayName"),
            (json!({"role": "BOSS"}), "does not contain the value \"BOSS\""),
            (json!({"nickname": "Ada"}), "unknown field \"nickname\""),
        ] {
            let answer =
                upsert(&w.service(), &with(json!({"id": Uuid::new_v4(), "displayName": "Ada"}), &fault))
                    .await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"), "{fault}");
            assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains(words), "{}", answer.body);
            kept.check(&w, &fault.to_string()).await;
        }
        w.finish().await;
    }

    async fn roles_are_assigned_only_by_permitted_roles(w: World) {
        let (root, admin) = (Uuid::new_v4(), Uuid::new_v4());
        let (by_root, by_admin) = (w.person(root, Role::SuperAdmin), w.person(admin, Role::Admin));
        for client in [&by_root, &by_admin] {
            assert_eq!(client.ask("{ me { id } }", json!({})).await.status, 200);
        }
        let person = |id: Uuid, role: &str| json!({"id": id, "displayName": "Ada", "role": role});
        let given = async |client: &Client, id: Uuid, role: &str| {
            let answer = upsert(client, &person(id, role)).await;
            let error = &answer.data()["upsertUser"]["userErrors"][0];
            let Some(reason) = error["reason"].as_str() else { return "given".to_owned() };
            // A user with a higher role is refused at `id`, whatever role is sent.
            let field = if reason == "HIGHER_ROLE" { "id" } else { "role" };
            assert_eq!(error["field"], json!(["input", field]), "{error}");
            reason.to_owned()
        };
        let not_yours = "ROLE_NOT_ASSIGNABLE";
        let new = Uuid::new_v4;
        for (role, by_service, by_an_admin, by_a_super_admin) in [
            ("STUDENT", "given", "given", "given"),
            ("PARENT", "given", "given", "given"),
            ("TEACHER", "given", "given", "given"),
            ("ADMIN", not_yours, "given", "given"),
            ("SUPER_ADMIN", not_yours, not_yours, "given"),
        ] {
            assert_eq!(given(&w.service(), new(), role).await, by_service, "a service gives {role}");
            assert_eq!(given(&by_admin, new(), role).await, by_an_admin, "an admin gives {role}");
            assert_eq!(given(&by_root, new(), role).await, by_a_super_admin, "a super admin gives {role}");
        }
        assert_eq!(given(&by_admin, admin, "STUDENT").await, "OWN_ROLE");
        assert_eq!(given(&by_root, root, "ADMIN").await, "OWN_ROLE");
        assert_eq!(
            given(&by_admin, root, "STUDENT").await,
            "HIGHER_ROLE",
            "an admin does not dismiss a super admin"
        );
        for (client, above, role) in
            [(&by_admin, root, "SUPER_ADMIN"), (&w.service(), root, "SUPER_ADMIN"), (&w.service(), admin, "ADMIN")]
        {
            assert_eq!(given(client, above, role).await, "HIGHER_ROLE", "nor does anybody rename those above them");
        }
        assert_eq!(given(&by_root, admin, "STUDENT").await, "given");
        let dismissed = by_admin.ask("{ me { id } }", json!({})).await;
        assert_eq!((dismissed.status.as_u16(), dismissed.code()), (401, "UNAUTHENTICATED"));
        w.finish().await;
    }

    async fn callers_who_cannot_manage_users_are_refused(w: World) {
        let ada = w.student("UTC").await;
        let (teacher, parent) = (Uuid::new_v4(), Uuid::new_v4());
        w.upsert(teacher, json!({"role": "TEACHER"})).await;
        w.upsert(parent, json!({"role": "PARENT"})).await;
        let kept = Kept::of(&w).await;
        for (client, code) in [
            (w.person(ada, Role::Student), "FORBIDDEN"),
            (w.person(teacher, Role::Teacher), "FORBIDDEN"),
            (w.person(parent, Role::Parent), "FORBIDDEN"),
            (w.nobody(), "UNAUTHENTICATED"),
        ] {
            for id in [ada, teacher, Uuid::new_v4()] {
                let answer = upsert(&client, &json!({"id": id, "displayName": "Mallory"})).await;
                assert_eq!(answer.code(), code);
                assert!(answer.body["data"]["upsertUser"].is_null(), "{}", answer.body);
            }
            kept.check(&w, code).await;
        }
        assert_eq!(w.database.number("SELECT count(*) FROM people WHERE display_name = 'Mallory'").await, 0);
        w.finish().await;
    }
}
