//! The media type of a response, and whether the server can read a body's media type.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};

/// The two media types of GraphQL over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: a request error is a 200, as old clients expect.
    Json,
    /// `application/graphql-response+json`: a request error is a 400.
    GraphqlResponse,
}

impl Media {
    /// The media type of the response: JSON unless the client gives the GraphQL type at least the same weight.
    pub(super) fn of_answer(headers: &HeaderMap) -> Self {
        let mut json = None;
        let mut graphql = None;
        for header in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
            for range in header.split(',') {
                let (kind, weight) = weigh(range);
                match kind.to_ascii_lowercase().as_str() {
                    "application/json" => json = Some(weight),
                    "application/graphql-response+json" => graphql = Some(weight),
                    _ => {}
                }
            }
        }
        match (graphql, json) {
            (Some(graphql), _) if graphql <= 0.0 => Self::Json,
            (Some(graphql), Some(json)) if graphql < json => Self::Json,
            (Some(_), _) => Self::GraphqlResponse,
            (None, _) => Self::Json,
        }
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// Whether `Content-Type` declares JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
}

/// A media range and its `q`; 1 if it has none.
fn weigh(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0));
    (kind, weight)
}

#[cfg(test)]
mod tests {
    use axum::http::header::{ACCEPT, CONTENT_TYPE};
    use axum::http::{HeaderMap, HeaderValue};

    use super::{Media, is_json};

    #[track_caller]
    fn check(accept: &[&str], expected: Media) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(Media::of_answer(&headers), expected, "{accept:?}");
    }

    #[test]
    fn the_answer_is_json_unless_the_graphql_type_is_accepted() {
        check(&[], Media::Json);
        check(&["*/*"], Media::Json);
        check(&["application/*"], Media::Json);
        check(&["text/html"], Media::Json);
        check(&["application/json"], Media::Json);
        check(&["application/graphql-response+json"], Media::GraphqlResponse);
        check(&["Application/GraphQL-Response+JSON; charset=utf-8"], Media::GraphqlResponse);
        check(&["application/json", "application/graphql-response+json"], Media::GraphqlResponse);
        check(&["application/json, application/graphql-response+json"], Media::GraphqlResponse);
        check(&["application/graphql-response+json;q=0.9, application/json;q=0.8"], Media::GraphqlResponse);
        check(&["application/graphql-response+json;q=0.8, application/json;q=0.9"], Media::Json);
        check(&["application/graphql-response+json;q=0.8, application/json"], Media::Json);
        check(&["application/graphql-response+json;q=0"], Media::Json);
        check(&["application/graphql-response+json;q=what"], Media::Json);
        check(&["application/graphql-response+json;q=0.1, */*;q=0.9"], Media::GraphqlResponse);
    }

    #[track_caller]
    fn check_body(content_type: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in content_type {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(is_json(&headers), expected, "{content_type:?}");
    }

    #[test]
    fn a_body_is_read_only_as_json_in_utf_8() {
        check_body(&["application/json"], true);
        check_body(&["APPLICATION/JSON;charset=UTF-8"], true);
        check_body(&["application/json; charset=\"utf-8\"; x=y"], true);
        check_body(&["application/json; charset=latin1"], false);
        check_body(&["application/graphql"], false);
        check_body(&["application/jsonp"], false);
        check_body(&["multipart/form-data; boundary=x"], false);
        check_body(&["text/plain"], false);
        check_body(&["application/json", "text/plain"], false);
        check_body(&[], false);
    }
}
