//! Webhooks: another system gets a signed request for each event, at least once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use plaudit::auth::Role;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{Client, MailServer, Received, Receiver, Reply, World, on_both, on_each};
use uuid::Uuid;

const CREATE: &str = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) {
    webhook { id url types description enabled } secret userErrors { field code message } } }";
const DELIVERIES: &str = "query($filter: DeliveryFilter) { deliveries(filter: $filter) { nodes {
    id channel kind state attempts status answer reason webhookId } pageInfo { hasNextPage endCursor } } }";

/// A school with an admin and a webhook.
struct Hooked {
    admin: Uuid,
    receiver: Receiver,
    id: Value,
    secret: String,
}

impl Hooked {
    async fn of(w: &World, types: Value) -> Self {
        let (admin, receiver) = (Uuid::new_v4(), Receiver::start().await);
        let input = json!({"url": receiver.url(), "types": types, "description": "The timetable"});
        let answer = w.person(admin, Role::Admin).ask(CREATE, json!({"input": input})).await;
        let made = &answer.data()["createWebhook"];
        assert_eq!(made["userErrors"], json!([]));
        assert_eq!(made["webhook"]["enabled"], true);
        let secret = made["secret"].as_str().unwrap().to_owned();
        Self { admin, receiver, id: made["webhook"]["id"].clone(), secret }
    }

    /// The admin, with a token that has just been issued.
    fn admin(&self, w: &World) -> Client {
        w.person(self.admin, Role::Admin)
    }

    /// Sends a mutation with this input about the webhook; returns its payload.
    async fn change(&self, w: &World, mutation: &str, input: &str, fields: &str) -> Value {
        let document = format!(
            "mutation {{ {mutation}(input: {{webhookId: {}{input}}}) {{ {fields} userErrors {{ field code reason message }} }} }}",
            self.id
        );
        self.admin(w).ask(&document, json!({})).await.data()[mutation].clone()
    }

    async fn deliveries(&self, w: &World) -> Vec<Value> {
        let answer = self
            .admin(w)
            .ask(DELIVERIES, json!({"filter": {"channel": "WEBHOOK", "webhookId": self.id}}))
            .await;
        answer.data()["deliveries"]["nodes"].as_array().unwrap().clone()
    }
}

/// Whether a signature of the request verifies with this secret, as a receiver computes it.
fn is_signed(request: &Received, secret: &str) -> bool {
    let (id, at) = (request.header("webhook-id").unwrap(), request.header("webhook-timestamp").unwrap());
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    request.header("webhook-signature").unwrap().split(' ').any(|one| one == expected)
}

on_both! {
    async fn an_award_is_a_signed_request_with_ids_and_no_names(w: World) {
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        let requests = hook.receiver.requests();
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert!(request.header("webhook-id").unwrap().starts_with("msg_"));
        assert_eq!(request.header("webhook-timestamp"), Some("1768478400"));
        assert!(is_signed(request, &hook.secret));
        let altered = Received { body: request.text().replace("award", "Award").into(), ..request.clone() };
        assert!(!is_signed(&altered, &hook.secret));
        assert!(!is_signed(request, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let body = request.json();
        assert_eq!((&body["version"], &body["type"], &body["timestamp"]), (&json!(1), &json!("award.earned"), &json!("2026-01-15T12:00:00Z")));
        assert_eq!(body["data"]["userId"], json!(ada));
        assert_eq!(body["data"]["achievement"]["key"], "course-portal/first-comment-written");
        assert_eq!(body["data"]["revokedAt"], Value::Null);
        assert!(!request.text().contains("Ada"), "{}", request.text());
        let delivered = &hook.deliveries(&w).await[0];
        assert_eq!(
            (&delivered["state"], &delivered["status"], &delivered["answer"], &delivered["attempts"], &delivered["kind"]),
            (&json!("DELIVERED"), &json!(200), &json!("thanks"), &json!(1), &json!("EVENT"))
        );
        w.finish().await;
    }

    async fn only_the_chosen_types_are_sent_and_an_erasure_is_one(w: World) {
        let hook = Hooked::of(&w, json!(["LEVEL_REACHED", "PERSON_ERASED"])).await;
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
        let erase = "mutation($id: ID!) { erasePerson(input: {userId: $id}) { userErrors { message } } }";
        assert_eq!(head.ask(erase, json!({"id": ada})).await.data()["erasePerson"]["userErrors"], json!([]));
        w.server.settle().await.unwrap();
        let bodies: Vec<Value> = hook.receiver.requests().iter().map(Received::json).collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert_eq!((&bodies[0]["type"], &bodies[0]["data"]), (&json!("person.erased"), &json!({"userId": ada})));
        w.finish().await;
    }

    async fn what_a_receiver_does_wrong_is_tried_again_with_the_same_id(w: World) {
        let cases = [
            (Reply::Status(500, "broken\u{7}\nhere"), "the receiver answers with status 500", json!(500), json!("broken  here")),
            (Reply::Status(404, ""), "the receiver answers with status 404", json!(404), json!("")),
            (Reply::Redirect("http://127.0.0.1:9/".to_owned()), "the receiver answers with a redirect, which is not followed", json!(307), json!("")),
            (Reply::Cut, "the connection to the receiver ended", json!(null), json!(null)),
        ];
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let activities = ["comment_written", "session_join", "visualize", "question_answered"];
        for (at, ((reply, reason, status, answer), activity)) in cases.into_iter().zip(activities).enumerate() {
            hook.receiver.plan([reply]);
            let ada = w.student("UTC").await;
            w.service().record(json!({"userId": ada, "activity": activity, "attributes": if activity == "question_answered" { json!({"correct": true}) } else { json!({}) }})).await;
            w.server.settle().await.unwrap();
            let delivery = hook.deliveries(&w).await[0].clone();
            assert_eq!(
                (&delivery["state"], &delivery["reason"], &delivery["status"], &delivery["answer"]),
                (&json!("OPEN"), &json!(reason), &status, &answer)
            );
            w.tick(TimeDelta::seconds(6));
            w.server.settle().await.unwrap();
            let requests = hook.receiver.requests();
            assert_eq!(requests.len(), 2 * (at + 1));
            let [.., first, second] = requests.as_slice() else { panic!() };
            assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
            assert_eq!(hook.deliveries(&w).await[0]["state"], "DELIVERED");
        }
        w.finish().await;
    }

    async fn a_huge_answer_is_read_only_in_part(w: World) {
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        hook.receiver.plan([Reply::Huge(50_000_000)]);
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        let delivery = hook.deliveries(&w).await[0].clone();
        assert_eq!((&delivery["state"], delivery["answer"].as_str().unwrap().len()), (&json!("DELIVERED"), 500));
        w.finish().await;
    }

    async fn a_secret_is_rotated_with_an_overlap_of_a_day(w: World) {
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let rotated = hook.change(&w, "rotateWebhookSecret", "", "secret webhook { oldSecretUntil }").await;
        let new = rotated["secret"].as_str().unwrap().to_owned();
        assert_ne!(new, hook.secret);
        assert_eq!(rotated["webhook"]["oldSecretUntil"], "2026-01-16T12:00:00.000Z");
        let signed = async || {
            hook.change(&w, "testWebhook", "", "delivery { id }").await;
            w.server.settle().await.unwrap();
            let requests = hook.receiver.requests();
            let last = requests.last().unwrap();
            assert_eq!(last.json()["type"], "webhook.test");
            (is_signed(last, &hook.secret), is_signed(last, &new))
        };
        assert_eq!(signed().await, (true, true));
        w.tick(TimeDelta::hours(24));
        assert_eq!(signed().await, (false, true));
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'rotate_webhook_secret'").await, 1);
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'test_webhook'").await, 2);
        w.finish().await;
    }

    async fn a_disabled_webhook_gets_nothing_and_what_it_missed_can_be_sent_again(w: World) {
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let ada = w.student("UTC").await;
        let changed = hook.change(&w, "updateWebhook", ", enabled: false", "webhook { enabled disabledBecause }").await;
        assert_eq!(changed["webhook"], json!({"enabled": false, "disabledBecause": "an admin disabled it"}));
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        for mutation in ["testWebhook", "redeliverWebhook"] {
            let since = if mutation == "testWebhook" { "" } else { ", since: \"2026-01-15T12:00:00Z\"" };
            let refused = hook.change(&w, mutation, since, "").await;
            assert_eq!(refused["userErrors"][0]["reason"], "WEBHOOK_DISABLED", "{mutation}");
        }
        hook.change(&w, "updateWebhook", ", enabled: true", "webhook { id }").await;
        w.service().record(json!({"userId": ada, "activity": "session_join"})).await;
        w.server.settle().await.unwrap();
        assert_eq!(hook.receiver.requests().len(), 1);
        let again = hook.change(&w, "redeliverWebhook", ", since: \"2026-01-15T12:00:00Z\"", "webhook { id }").await;
        assert_eq!(again["userErrors"], json!([]));
        w.server.settle().await.unwrap();
        let ids: Vec<String> =
            hook.receiver.requests().iter().map(|one| one.header("webhook-id").unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids[1..].contains(&ids[0]), "the second event is sent again, with its id");
        w.server.settle().await.unwrap();
        assert_eq!(hook.receiver.requests().len(), 3);
        let early = hook.change(&w, "redeliverWebhook", ", since: \"2025-12-15T12:00:00Z\"", "").await;
        assert_eq!(early["userErrors"][0]["field"], json!(["input", "since"]));
        for (act, times) in [("create_webhook", 1), ("update_webhook", 2), ("redeliver_webhook", 1)] {
            let sql = format!("SELECT count(*) FROM audit_log WHERE act = '{act}'");
            assert_eq!(w.database.number(&sql).await, times, "{act}");
        }
        w.finish().await;
    }

    async fn a_delivery_is_tried_again_by_an_admin(w: World) {
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        let id = hook.deliveries(&w).await[0]["id"].clone();
        let retry = "mutation($id: ID!) { retryDelivery(input: {deliveryId: $id}) { delivery { state attempts } userErrors { reason } } }";
        let answer = hook.admin(&w).ask(retry, json!({"id": id})).await;
        assert_eq!(answer.data()["retryDelivery"], json!({"delivery": {"state": "OPEN", "attempts": 0}, "userErrors": []}));
        w.server.settle().await.unwrap();
        assert_eq!(hook.receiver.requests().len(), 2);
        let answer = hook.admin(&w).ask(retry, json!({"id": Uuid::new_v4()})).await;
        assert_eq!(answer.data()["retryDelivery"]["userErrors"], json!([{"reason": "DELIVERY_NOT_FOUND"}]));
        assert_eq!(w.database.number("SELECT count(*) FROM audit_log WHERE act = 'retry_delivery'").await, 1);
        w.finish().await;
    }

    async fn a_slow_webhook_delays_no_other(w: World) {
        let slow = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        slow.receiver.plan(vec![Reply::Stall; 4]);
        let quick = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let mut events = Vec::new();
        for _ in 0..20 {
            events.push(json!({"userId": w.student("UTC").await, "activity": "comment_written"}));
        }
        for event in events {
            w.service().record(event).await;
        }
        let settled = w.server.settle();
        let quick_ones = async {
            while quick.receiver.requests().len() < 20 {
                tokio::task::yield_now().await;
            }
            slow.receiver.requests().len()
        };
        // The requests to the slow one take ten seconds; the others are over long before.
        let at_that_time = tokio::select! { one = quick_ones => one, _ = settled => 20 };
        assert_eq!(at_that_time, 4);
        w.stop().await;
    }

    async fn urls_that_lead_inside_are_refused_with_their_reason(w: World) {
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        for (url, says) in [
            ("https://10.0.0.1/", "not on the public Internet"),
            ("https://169.254.169.254/latest/meta-data", "not on the public Internet"),
            ("https://[::ffff:10.0.0.1]/", "not on the public Internet"),
            ("https://hooks.example/#part", "no fragment"),
        ] {
            let input = json!({"url": url, "types": ["AWARD_EARNED"], "description": "Inside"});
            let answer = admin.ask(CREATE, json!({"input": input})).await;
            let error = &answer.data()["createWebhook"]["userErrors"][0];
            assert_eq!((&error["field"], &error["code"]), (&json!(["input", "url"]), &json!("INVALID_INPUT")), "{url}");
            assert!(error["message"].as_str().unwrap().contains(says), "{url}: {error}");
        }
        w.finish().await;
    }
}

on_each! {
    async fn a_receiver_that_fails_for_a_day_is_disabled_and_the_admins_get_a_mail(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        let head = Uuid::new_v4();
        w.person(head, Role::SuperAdmin).ask("{ me { id } }", json!({})).await;
        w.database.execute("UPDATE people SET email = 'head@school.example' WHERE role = 'super_admin'").await;
        hook.receiver.plan(vec![Reply::Status(503, "later"); 8]);
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        for _ in 0..40 {
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::hours(1));
        }
        assert_eq!(hook.receiver.requests().len(), 8);
        let delivery = &hook.deliveries(&w).await[0];
        assert_eq!(delivery["reason"], "the receiver answers with status 503; given up after 8 attempts");
        let listed = hook.admin(&w).ask("{ webhooks { nodes { enabled disabledBecause } } }", json!({})).await;
        assert_eq!(
            listed.data()["webhooks"]["nodes"],
            json!([{"enabled": false, "disabledBecause": "the receiver answers with status 503; given up after 8 attempts"}])
        );
        let mails = server.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].0, "head@school.example");
        w.finish().await;
    }

    async fn one_event_that_is_always_refused_does_not_disable_a_receiver_that_accepts_others(backend: Backend) {
        let Some(w) = World::on(backend).await else { return };
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        hook.receiver.plan([Reply::Status(400, "no")]);
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        // Another event is accepted in between.
        w.service().record(json!({"userId": ada, "activity": "session_join"})).await;
        w.server.settle().await.unwrap();
        hook.receiver.plan(vec![Reply::Status(400, "no"); 7]);
        for _ in 0..40 {
            w.tick(TimeDelta::hours(1));
            w.server.settle().await.unwrap();
        }
        let mut states: Vec<String> =
            hook.deliveries(&w).await.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        assert_eq!((hook.receiver.requests().len(), states), (9, vec!["DELIVERED".to_owned(), "GIVEN_UP".to_owned()]));
        let listed = hook.admin(&w).ask("{ webhooks { nodes { enabled } } }", json!({})).await;
        assert_eq!(listed.data()["webhooks"]["nodes"], json!([{"enabled": true}]));
        w.finish().await;
    }

    async fn a_receiver_that_is_gone_is_disabled_at_once(backend: Backend) {
        let Some(w) = World::on(backend).await else { return };
        let hook = Hooked::of(&w, json!(["AWARD_EARNED"])).await;
        hook.receiver.plan([Reply::Status(410, "")]);
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.server.settle().await.unwrap();
        assert_eq!(hook.deliveries(&w).await[0]["state"], "GIVEN_UP");
        let listed = hook.admin(&w).ask("{ webhooks { nodes { disabledBecause } } }", json!({})).await;
        let because = "the receiver wants no more requests (status 410)";
        assert_eq!(listed.data()["webhooks"]["nodes"], json!([{"disabledBecause": because}]));
        w.finish().await;
    }
}
