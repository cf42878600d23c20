//! The most expensive known documents: each is refused as a whole, or its answer has a bounded size.

use serde_json::{Value, json};
use tests::{Expensive, School, on_both};

/// Maximum bytes of an answer.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

on_both! {
    async fn an_expensive_document_is_too_complex_or_has_an_answer_of_bounded_size(w: World) {
        School::SMALL.fill(&w.database).await;
        let documents = Expensive::all();
        assert!(documents.len() >= 7, "the documents are found: {}", documents.len());
        let mut wrong = Vec::new();
        for document in documents {
            let client = w.person(document.subject, document.role);
            let (status, text) = client.exchange(&document.text, json!({}), &document.name).await;
            let answer: Value = serde_json::from_str(&text).unwrap();
            let code = &answer["errors"][0]["extensions"]["code"];
            // A refusal of the whole document has no data. Other errors mean that the document is wrong.
            let is_refused = code == "TOO_COMPLEX" && answer["data"].is_null();
            let is_answered = status == 200 && code.is_null() && text.len() <= ANSWER_BYTES;
            if !is_refused && !is_answered {
                wrong.push(format!("{}: {status}, {} bytes, code {code}", document.name, text.len()));
            }
            // Restores the budget per minute for the next document.
            w.tick(chrono::TimeDelta::minutes(2));
        }
        assert_eq!(wrong, Vec::<String>::new());
        // The school has no metrics, so the comparison at the end of other tests would fail.
        w.stop().await;
    }
}
