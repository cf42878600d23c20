//! GraphiQL, in the demo only: the page, with the tokens of the demo's people, and the files of its scripts and styles.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use async_graphql::Executor;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path as UrlPath, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use serde_json::json;

use super::Site;
use super::pages::{not_found, set};
use super::request_id::RequestId;
use crate::demo;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page: the name, where the CDN has it, and the content type. No other file is read or served.
const FILES: [(&str, &str, &str); 4] = [
    ("graphiql.min.css", "graphiql@3.9.0/graphiql.min.css", "text/css; charset=utf-8"),
    ("graphiql.min.js", "graphiql@3.9.0/graphiql.min.js", SCRIPT),
    ("react.production.min.js", "react@18.3.1/umd/react.production.min.js", SCRIPT),
    ("react-dom.production.min.js", "react-dom@18.3.1/umd/react-dom.production.min.js", SCRIPT),
];
/// The maximum bytes of a file.
const MOST_BYTES: u64 = 4 * 1_024 * 1_024;

/// The files of a folder, in memory.
#[derive(Debug)]
pub(crate) struct GraphiqlFiles(BTreeMap<&'static str, Bytes>);

impl GraphiqlFiles {
    /// Reads the files from the folder. Links to files outside the folder are refused.
    ///
    /// # Errors
    /// The first problem, as a sentence: a missing, foreign or too large file.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let shown = folder.display();
        let whole = folder.canonicalize().map_err(|error| format!("{shown} cannot be read ({error})"))?;
        let one = |name: &'static str| {
            let failed = |error: std::io::Error| format!("{shown} has no readable file {name} ({error})");
            let path = whole.join(name).canonicalize().map_err(failed)?;
            if !path.starts_with(&whole) {
                return Err(format!("{name} in {shown} is a link to a file outside the folder"));
            }
            if !path.is_file() {
                return Err(format!("{name} in {shown} is no file"));
            }
            let file = File::open(path).map_err(failed)?;
            let mut bytes = Vec::new();
            file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
            if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
                return Err(format!("{name} in {shown} has more than {MOST_BYTES} bytes"));
            }
            Ok((name, Bytes::from(bytes)))
        };
        Ok(Self(FILES.into_iter().map(|(name, ..)| one(name)).collect::<Result<_, _>>()?))
    }
}

/// The page, with a token of each of the demo's people.
pub(super) async fn page<E: Executor>(State(site): State<Site<E>>) -> Response {
    // Without a secret the server cannot create tokens. Users then write one into the headers.
    let people = demo::bearers(&site.app.keys, site.app.clock.now()).unwrap_or_default();
    let people = people
        .iter()
        .map(|(role, name, token)| json!({ "role": role.as_str(), "name": name, "token": token }));
    let people = json!(people.collect::<Vec<_>>()).to_string();
    // In a script element only `<` could end the text.
    let page = include_str!("graphiql.html").replace("__PEOPLE__", &people.replace('<', "\\u003c"));
    let page = page.replace("__PATH__", "/graphql");
    let address = |(name, of_cdn, _): &(&str, &str, &str)| match &site.graphiql {
        Some(_) => format!("/graphiql/{name}"),
        None => format!("https://cdn.jsdelivr.net/npm/{of_cdn}"),
    };
    let page = FILES.iter().fold(page, |page, file| page.replace(&format!("__{}__", file.0), &address(file)));
    let mut response = Response::new(Body::from(page));
    set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    response
}

/// A file of the page, `/graphiql/<name>`, if the settings name a folder.
pub(super) async fn file<E: Executor>(
    State(site): State<Site<E>>,
    Extension(request_id): Extension<RequestId>,
    name: Result<UrlPath<String>, PathRejection>,
) -> Response {
    let known = name.ok().and_then(|UrlPath(name)| FILES.iter().find(|(known, ..)| *known == name));
    let found = known.and_then(|(name, _, kind)| Some((site.graphiql.as_ref()?.0.get(name)?, *kind)));
    let Some((bytes, kind)) = found else {
        return not_found(&request_id, "This file does not exist. GraphiQL is at /graphiql.");
    };
    let mut response = Response::new(Body::from(bytes.clone()));
    set(&mut response, CONTENT_TYPE, kind);
    set(&mut response, CACHE_CONTROL, "no-cache");
    response
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// A new folder with the four files.
    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("plaudit_graphiql_{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        FILES.iter().for_each(|(name, ..)| fs::write(folder.join(name), name).unwrap());
        folder
    }

    fn problem(folder: &Path) -> String {
        let problem = GraphiqlFiles::read(folder).map(|_| ()).unwrap_err();
        fs::remove_dir_all(folder).unwrap();
        problem
    }

    #[test]
    fn the_four_files_are_read_and_no_other() {
        let folder = folder();
        fs::write(folder.join("secret.txt"), "secret").unwrap();
        let files = GraphiqlFiles::read(&folder).unwrap();
        assert_eq!(files.0.len(), 4);
        assert_eq!(files.0["react.production.min.js"], "react.production.min.js");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_or_too_large_file_is_named() {
        let one = folder();
        fs::remove_file(one.join("graphiql.min.css")).unwrap();
        assert!(problem(&one).contains("has no readable file graphiql.min.css"));
        let one = folder();
        let large = File::create(one.join("graphiql.min.js")).unwrap();
        large.set_len(MOST_BYTES).unwrap();
        assert!(GraphiqlFiles::read(&one).is_ok());
        large.set_len(MOST_BYTES + 1).unwrap();
        assert!(problem(&one).ends_with("has more than 4194304 bytes"));
        assert!(
            GraphiqlFiles::read(Path::new("/nowhere/at/all"))
                .unwrap_err()
                .starts_with("/nowhere/at/all cannot be read")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_refused_and_one_within_it_is_followed() {
        let (one, outside) = (folder(), folder());
        let link = one.join("graphiql.min.js");
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(one.join("graphiql.min.css"), &link).unwrap();
        assert_eq!(GraphiqlFiles::read(&one).unwrap().0["graphiql.min.js"], "graphiql.min.css");
        for target in [
            outside.join("graphiql.min.js"),
            PathBuf::from("../").join(outside.file_name().unwrap()).join("graphiql.min.js"),
        ] {
            fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert!(
                GraphiqlFiles::read(&one).unwrap_err().ends_with("is a link to a file outside the folder")
            );
        }
        // The folder itself may be a link.
        let alias = one.join("alias");
        std::os::unix::fs::symlink(&outside, &alias).unwrap();
        assert!(GraphiqlFiles::read(&alias).is_ok());
        fs::remove_dir_all(one).unwrap();
        fs::remove_dir_all(outside).unwrap();
    }
}
