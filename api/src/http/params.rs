//! The parameters of a request: `query`, `operationName`, `variables` and `extensions`, from a body, an address or a socket.

use std::collections::BTreeMap;

use async_graphql::Variables;
use serde::Deserialize;
use serde::de::IgnoredAny;
use url::form_urlencoded;

use crate::refusal::{Code, Refusal};

/// The parameters of one GraphQL request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params {
    /// The text of the document.
    pub(super) query: String,
    /// The name of the operation to run.
    #[serde(default)]
    pub(super) operation_name: Option<String>,
    /// The values of its variables.
    #[serde(default)]
    variables: Option<Variables>,
    /// Accepted because the protocol has it. The server supports no extension.
    #[serde(default)]
    #[expect(dead_code, reason = "parsed only to refuse other types than objects")]
    extensions: Option<BTreeMap<String, IgnoredAny>>,
}

/// A request that refers to its document by a hash, as Apollo's persisted queries do.
#[derive(Deserialize)]
struct ByHash {
    #[serde(rename = "extensions")]
    _extensions: Extensions,
}

#[derive(Deserialize)]
struct Extensions {
    #[serde(rename = "persistedQuery")]
    _persisted_query: IgnoredAny,
}

/// Bytes that a parsed value or a token of a parsed document takes. Measured with the shortest ones.
const PARSED_BYTES: usize = 256;

/// Counts the values of a JSON text below its root: a list or object of n values has n - 1 commas and one opening
/// bracket. An empty one counts as one more.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

impl Params {
    /// From the body of a POST with at most `most` JSON values. A value takes far more memory than its text.
    ///
    /// # Errors
    /// `INVALID_INPUT` if the body is not JSON, is a batch, or a parameter has the wrong type.
    pub(super) fn from_body(body: &[u8], most: usize) -> Result<Self, Refusal> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(wrong("Batches are not supported: send one request as one JSON object."));
        }
        if values(body) > most {
            let message = format!(
                "The body has more than {most} JSON values (limits.body_values). Send fewer rows in one request."
            );
            return Err(Refusal::new(Code::TooComplex, message));
        }
        serde_json::from_slice(body).map_err(|error| {
            if error.to_string().starts_with("missing field `query`")
                && serde_json::from_slice::<ByHash>(body).is_ok()
            {
                not_supported()
            } else if error.is_data() {
                wrong(&format!("The request's parameters are invalid: {error}. {SHAPE}"))
            } else {
                wrong(&format!("The body is not JSON: {error}."))
            }
        })
    }

    /// From the query part of an address.
    ///
    /// # Errors
    /// `INVALID_INPUT` if `query` is missing, or `variables` or `extensions` is not a JSON object.
    pub(super) fn from_address(query: &str) -> Result<Self, Refusal> {
        let mut given: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let by_hash = |text: &String| serde_json::from_str::<Extensions>(text).is_ok();
        Ok(Self {
            query: given.remove("query").ok_or_else(|| {
                if given.get("extensions").is_some_and(by_hash) {
                    return not_supported();
                }
                Refusal::invalid(["query"], format!("The address has no `query` parameter. {SHAPE}"))
            })?,
            operation_name: given.remove("operationName").filter(|name| !name.is_empty()),
            variables: object("variables", given.get("variables"))?,
            extensions: object("extensions", given.get("extensions"))?,
        })
    }

    /// Estimated bytes that the parameters take while their operation exists; `text` is the message they were parsed from.
    pub(super) fn memory(&self, text: &str) -> usize {
        let words =
            self.query.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let parsed = words.count().saturating_add(values(text.as_bytes()));
        text.len().saturating_add(parsed.saturating_mul(PARSED_BYTES))
    }

    /// Takes the variables out.
    pub(super) fn take_variables(&mut self) -> Variables {
        self.variables.take().unwrap_or_default()
    }
}

const SHAPE: &str = "`query` is a string; `operationName` a string or null; `variables` and `extensions` are objects or null.";

fn not_supported() -> Refusal {
    let message = "PersistedQueryNotSupported: send the document as `query`.";
    Refusal::new(Code::PersistedQueryNotSupported, message)
}

fn wrong(message: &str) -> Refusal {
    Refusal::new(crate::refusal::Code::InvalidInput, message)
}

fn object<'a, T: Deserialize<'a>>(name: &str, text: Option<&'a String>) -> Result<Option<T>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    serde_json::from_str(text)
        .map_err(|error| Refusal::invalid([name], format!("`{name}` must be a JSON object: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::{Params, values};

    #[track_caller]
    fn check(body: &str, expected: Result<&str, &str>) {
        match (Params::from_body(body.as_bytes(), 50_000), expected) {
            (Ok(params), Ok(query)) => assert_eq!(params.query, query),
            (Err(refusal), Err(part)) => {
                assert!(refusal.message.contains(part), "{body}: {}", refusal.message)
            }
            (outcome, _) => panic!("{body}: {outcome:?}"),
        }
    }

    #[test]
    fn a_body_has_a_bounded_number_of_values() {
        assert_eq!(values(br#"{"a":[1,2,{"b":"c,:[{\\\",{"}]}"#), 5);
        let body = |rows: usize| {
            format!("{{\"query\":\"{{a}}\",\"variables\":{{\"x\":[{}]}}}}", vec!["{\"\":0}"; rows].join(","))
        };
        check(&body(24_000), Ok("{a}"));
        check(&body(25_000), Err("The body has more than 50000 JSON values"));
        check(&format!("{{\"query\":\"{}\"}}", ",".repeat(100_000)), Ok(&",".repeat(100_000)));
    }

    #[test]
    fn a_body_is_one_object_with_a_query() {
        check(r#"{"query":"{a}"}"#, Ok("{a}"));
        check(r#"{"query":"{a}","operationName":null,"variables":null,"extensions":null}"#, Ok("{a}"));
        check(
            r#"{"query":"{a}","variables":{"x":[1,{"y":null}]},"extensions":{"some":1},"other":1}"#,
            Ok("{a}"),
        );
        check(r#"{"qeury":"{a}"}"#, Err("missing field `query`"));
        check(
            r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"0"}}}"#,
            Err("PersistedQueryNotSupported"),
        );
        check(r#"{"extensions":{"other":1}}"#, Err("missing field `query`"));
        check(r#"{"query":null}"#, Err("expected a string"));
        check(r#"{"query":"{a}","operationName":1}"#, Err("expected a string"));
        check(r#"{"query":"{a}","variables":"x"}"#, Err("parameters are invalid"));
        check(r#"{"query":"{a}","variables":[]}"#, Err("parameters are invalid"));
        check(r#"{"query":"{a}","extensions":false}"#, Err("parameters are invalid"));
        check(r#"{"query":"{a}","query":"{b}"}"#, Err("duplicate field `query`"));
        check(r#" [{"query":"{a}"}]"#, Err("Batches are not supported"));
        check(r#"{"query"#, Err("not JSON"));
        check("", Err("not JSON"));
        check("\u{0}", Err("not JSON"));
        check(
            &format!(r#"{{"query":"{{a}}","variables":{{"x":{}"#, "[".repeat(10_000)),
            Err("recursion limit"),
        );
    }

    #[test]
    fn numbers_of_variables_keep_their_kind() {
        let body =
            br#"{"query":"","variables":{"a":9007199254740993,"b":1.5,"c":-1,"d":18446744073709551615}}"#;
        let variables = Params::from_body(body, 10).unwrap().take_variables();
        let kept = serde_json::to_string(&variables).unwrap();
        assert_eq!(kept, r#"{"a":9007199254740993,"b":1.5,"c":-1,"d":18446744073709551615}"#);
    }

    #[test]
    fn an_address_carries_the_same_parameters() {
        let params =
            Params::from_address("query=%7Ba%7D&operationName=&variables=%7B%22x%22%3A1%7D").unwrap();
        assert_eq!((params.query.as_str(), params.operation_name), ("{a}", None));
        let refused = |query: &str| Params::from_address(query).unwrap_err().field;
        let hashed = Params::from_address("extensions=%7B%22persistedQuery%22%3A1%7D").unwrap_err();
        assert_eq!(hashed.code.as_str(), "PERSISTED_QUERY_NOT_SUPPORTED");
        assert_eq!(refused(""), ["query"]);
        assert_eq!(refused("query=a&variables=1"), ["variables"]);
        assert_eq!(refused("query=a&extensions=x"), ["extensions"]);
    }
}
