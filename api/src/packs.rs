//! The pack files: those built into the binary, and those that the settings name by path.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use engine::Pack;

use crate::config::{Problem, nearest};

/// The built-in packs, by their name in the settings.
const BUILT_IN: [(&str, &str); 4] = [
    ("aurora", include_str!("../catalogs/aurora.json")),
    ("tests", include_str!("../catalogs/tests.json")),
    ("code-lab", include_str!("../catalogs/code-lab.json")),
    ("course-portal", include_str!("../catalogs/course-portal.json")),
];

/// The text of a pack, not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackFile {
    /// The origin, for messages: a path, or the file name of a built-in pack.
    pub(crate) file: String,
    /// The JSON.
    pub(crate) text: String,
}

/// Reads the packs that `catalogs` names, in that order; the files of a folder by name.
///
/// # Errors
/// The first file that cannot be read, and how to correct it.
pub(crate) fn read(catalogs: &[String]) -> Result<Vec<PackFile>, Problem> {
    let mut files = Vec::new();
    for catalog in catalogs {
        let path = Path::new(catalog);
        if !catalog.contains('/') {
            files.push(built_in(catalog)?);
        } else if path.is_dir() {
            let inside = packs_in(path).map_err(|error| unreadable(path, &error))?;
            if inside.is_empty() {
                return Err(Problem::new(
                    "catalogs",
                    format!("names {catalog}, a folder without .json files."),
                ));
            }
            for path in inside {
                files.push(read_file(&path)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

/// The settings that the named packs declare, as (pack, setting). An unreadable pack declares none.
pub(crate) fn declared_settings(catalogs: &[String]) -> BTreeSet<(String, String)> {
    let files = catalogs.iter().filter_map(|catalog| read(std::slice::from_ref(catalog)).ok()).flatten();
    let packs = files.filter_map(|file| Pack::parse(&file.file, &file.text).ok());
    packs
        .flat_map(|pack| {
            let settings = pack.settings().map(|(setting, _)| (pack.key().to_owned(), setting.to_owned()));
            settings.collect::<Vec<_>>()
        })
        .collect()
}

fn built_in(name: &str) -> Result<PackFile, Problem> {
    if let Some((name, text)) = BUILT_IN.into_iter().find(|(known, _)| *known == name) {
        return Ok(PackFile { file: format!("{name}.json"), text: text.to_owned() });
    }
    let known = || BUILT_IN.into_iter().map(|(known, _)| known);
    let remedy = match nearest(name, known()) {
        Some(near) => format!("Did you mean {near}?"),
        None => format!(
            "Built in are {}; a file or folder has a / in its name.",
            known().collect::<Vec<_>>().join(", ")
        ),
    };
    Err(Problem::new("catalogs", format!("names {name}, which is not a pack. {remedy}")))
}

/// The pack files of a folder, by name. Schema files are skipped.
fn packs_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".json") && !name.ends_with(".schema.json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<PackFile, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(PackFile { file: path.display().to_string(), text })
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let message = format!(
        "names {}, which cannot be read ({}); name a pack file or a folder of them.",
        path.display(),
        error.kind()
    );
    Problem::new("catalogs", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_names(catalogs: &[&str]) -> Result<Vec<String>, String> {
        let catalogs: Vec<_> = catalogs.iter().map(|&catalog| catalog.to_owned()).collect();
        let files = read(&catalogs).map_err(|problem| problem.message)?;
        Ok(files.into_iter().map(|file| file.file).collect())
    }

    #[test]
    fn a_bare_word_is_built_in_and_a_path_is_a_file_or_a_folder() {
        assert_eq!(read_names(&["tests", "aurora"]).unwrap(), ["tests.json", "aurora.json"]);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogs");
        let file = format!("{folder}/tests.json");
        assert_eq!(read_names(&[&file]).unwrap(), [file]);
        let names =
            ["aurora", "code-lab", "course-portal", "tests"].map(|name| format!("{folder}/{name}.json"));
        assert_eq!(read_names(&[folder]).unwrap(), names, "the schema beside them is no pack");
    }

    #[test]
    fn a_missing_pack_is_reported_with_the_most_similar_one() {
        assert_eq!(
            read_names(&["aurorra"]).unwrap_err(),
            "names aurorra, which is not a pack. Did you mean aurora?"
        );
        assert_eq!(
            read_names(&["music"]).unwrap_err(),
            "names music, which is not a pack. Built in are aurora, tests, code-lab, course-portal; \
             a file or folder has a / in its name."
        );
        assert_eq!(
            read_names(&["./nowhere.json"]).unwrap_err(),
            "names ./nowhere.json, which cannot be read (entity not found); name a pack file or a folder of them."
        );
    }

    #[test]
    fn settings_of_packs_are_read_from_the_packs() {
        let all = BUILT_IN.map(|(name, _)| name.to_owned());
        let declared: Vec<_> = declared_settings(&all).into_iter().collect();
        assert_eq!(declared, [("aurora".to_owned(), "launchedOn".to_owned())]);
        assert!(declared_settings(&["tests".to_owned(), "nonsense".to_owned()]).is_empty());
    }
}
