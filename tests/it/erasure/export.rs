//! The export of a person's data, for admins and for the person. The person's own export identifies no other person.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, on_both};
use uuid::Uuid;

use super::{Ada, EXPORT, member};

on_both! {
    async fn an_export_is_complete_and_only_for_the_person_and_admins(w: World) {
        let (_, head) = member(&w, Role::SuperAdmin).await;
        let ada = Ada::with_a_past(&w, &head).await;
        // Messages contain their settlement time, which must not change between two exports.
        w.server.settle().await.unwrap();
        let own = ada.client.ask(EXPORT, json!({"id": ada.id})).await;
        let own = own.data()["exportPerson"]["export"].clone();
        assert_eq!(own["person"], json!({
            "id": ada.id, "displayName": "Ada Lovelace", "role": "student", "email": "ada@school.example",
            "timezone": "Europe/London", "locale": "en-GB", "onLeaderboards": true, "referredBy": null,
            "createdAt": "2026-01-15T12:00:00.000Z", "updatedAt": "2026-01-15T12:00:00.000Z",
        }));
        let sent = own["events"].as_array().unwrap().iter().filter(|event| event["source"] == "school").count();
        assert_eq!(sent, 6);
        let sum: i64 = own["xpEntries"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()).sum();
        assert_eq!(own["totals"]["xp"], json!(sum));
        let awards: Vec<&str> = own["awards"].as_array().unwrap().iter().map(|award| award["achievement"].as_str().unwrap()).collect();
        assert!(awards.contains(&"aurora/first-steps"), "{awards:?}");
        assert_eq!(own["activeDays"], json!([{"date": "2026-01-15", "timezone": "Europe/London"}]));
        assert_eq!(own["enrollments"][0]["courseId"], ada.course);
        assert_eq!(own["completions"][0]["lessonId"], ada.lesson);
        assert_eq!(own["comments"][0]["body"], "I am Ada Lovelace.");
        assert_eq!(own["links"].as_array().unwrap().len(), 1);
        assert_eq!(own["certificates"][0]["additionalMetadata"], json!({"name": "Ada Lovelace"}));
        let messages = own["messages"].as_array().unwrap().iter();
        assert_eq!(messages.filter(|message| message["kind"] == "AWARD_EARNED").count(), awards.len());
        let acts: Vec<&str> = own["actsOn"].as_array().unwrap().iter().map(|act| act["act"].as_str().unwrap()).collect();
        assert_eq!(acts, ["upsert_user", "link_guardian", "create_certificate"]);
        for list in ["metrics", "cappedDays", "coursesTaught", "awardsGiven", "actsBy"] {
            assert!(own[list].is_array(), "{list}");
        }
        for _ in 0..2 {
            let by_head = head.ask(EXPORT, json!({"id": ada.id})).await;
            let mut theirs = by_head.data()["exportPerson"]["export"].clone();
            for list in ["events", "links", "actsOn"] {
                assert!(theirs[list].as_array().unwrap().len() >= own[list].as_array().unwrap().len(), "{list}");
                theirs[list] = own[list].clone();
            }
            assert_eq!(theirs, own, "but for whom the lists name");
        }
        let again = head.ask(EXPORT, json!({"id": ada.id})).await;
        assert_eq!(again.data()["exportPerson"]["export"]["actsOn"][3]["act"], "export_person", "an export is an act itself");
        for client in [&ada.teacher, &ada.parent] {
            let (other, missing) = (client.ask(EXPORT, json!({"id": ada.id})).await, client.ask(EXPORT, json!({"id": Uuid::new_v4()})).await);
            assert_eq!(other.body, missing.body);
            let error = &other.data()["exportPerson"]["userErrors"][0];
            assert_eq!((&error["code"], &error["field"]), (&json!("NOT_FOUND"), &json!(["input", "userId"])));
        }
        assert_eq!(w.service().ask(EXPORT, json!({"id": ada.id})).await.code(), "FORBIDDEN");
        let bad = head.ask(EXPORT, json!({"id": "ada"})).await;
        assert_eq!(bad.data()["exportPerson"]["userErrors"][0]["code"], "INVALID_INPUT");
        w.finish().await;
    }

    async fn a_persons_own_export_identifies_no_other_person(w: World) {
        let (head_id, head) = member(&w, Role::SuperAdmin).await;
        let ada = Ada::with_a_past(&w, &head).await;
        let (teacher, parent) = (ada.teacher_id, ada.parent_id);
        let (eve, ben) = (w.student("UTC").await, w.student("UTC").await);
        w.upsert(ada.id, json!({"displayName": "Ada Lovelace", "referredBy": eve})).await;
        w.upsert(ben, json!({"referredBy": ada.id})).await;
        let answers = vec![json!({"userId": ben, "activity": "question_answered", "attributes": {"correct": true}}); 10];
        w.service().record_all(&answers).await;
        // Recorded by an admin.
        let event = json!({"userId": ada.id, "activity": "question_answered", "attributes": {"correct": true}});
        assert_eq!(head.record(event).await["userErrors"], json!([]));
        let badge = "mutation { createBadge(input: {name: \"Kind\", iconUrl: \"https://school.example/b.png\"}) { achievement { id } } }";
        let badge = head.ask(badge, json!({})).await.data()["createBadge"]["achievement"]["id"].clone();
        let give = "mutation($badge: ID!, $id: ID!) { awardBadge(input: {badgeId: $badge, studentId: $id}) { award { id } } }";
        let given = ada.teacher.ask(give, json!({"badge": badge, "id": ada.id})).await;
        let award = given.data()["awardBadge"]["award"]["id"].clone();
        let take = "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"No\"}) { award { id } } }";
        assert_eq!(ada.teacher.ask(take, json!({"id": award})).await.data()["revokeAward"]["award"]["id"], award);

        let export = async |client: &Client, id: Uuid| {
            client.ask(EXPORT, json!({"id": id})).await.data()["exportPerson"]["export"].clone()
        };
        let (own, whole) = (export(&ada.client, ada.id).await, export(&head, ada.id).await);
        for (who, id) in [("head", head_id), ("teacher", teacher), ("parent", parent), ("eve", eve), ("ben", ben)] {
            assert!(!own.to_string().contains(&id.to_string()), "{who} is named to Ada");
            assert!(whole.to_string().contains(&id.to_string()), "{who} is not named to admins");
        }
        assert_eq!(own["referred"], json!([{"userId": null}]));
        assert_eq!(whole["referred"], json!([{"userId": ben}]));
        let badge = |export: &Value| export["awards"].as_array().unwrap().iter().find(|one| one["id"] == award).cloned().unwrap();
        let mut expected = badge(&whole);
        assert_eq!((&expected["awardedBy"], &expected["revokedBy"], &expected["flagged"]), (&json!(teacher), &json!(teacher), &json!(false)));
        (expected["awardedBy"], expected["revokedBy"]) = (Value::Null, Value::Null);
        assert_eq!(badge(&own), expected);
        assert!(own["events"].as_array().unwrap().iter().any(|event| event["source"] == "school" && event["externalId"] == "ada@school.example/7"));
        let active = own["events"].as_array().unwrap().iter().filter(|event| event["makesActive"] == true).count();
        assert_eq!(active, 10, "seven answers, an enrolment, a lesson and a comment");

        // The same for a teacher's actions on others' records: the export shows the action, not the other person.
        let (own, whole) = (export(&ada.teacher, teacher).await, export(&head, teacher).await);
        for id in [ada.id.to_string(), award.as_str().unwrap().to_owned(), ada.certificate.as_str().unwrap().to_owned()] {
            assert!(!own.to_string().contains(&id), "{own}");
            assert!(whole.to_string().contains(&id), "{whole}");
        }
        assert_eq!(own["awardsGiven"][0]["awardedBy"], json!(teacher));
        let acts = |export: &Value, field: &str| -> Vec<Value> {
            export["actsBy"].as_array().unwrap().iter().map(|act| act[field].clone()).collect()
        };
        assert_eq!(acts(&own, "act"), ["create_certificate", "award_badge", "revoke_award"]);
        assert_eq!((acts(&own, "objectId"), acts(&own, "userId")), (vec![Value::Null; 3], vec![Value::Null; 3]));
        assert_eq!(acts(&own, "requestId"), acts(&whole, "requestId"));
        w.finish().await;
    }
}
