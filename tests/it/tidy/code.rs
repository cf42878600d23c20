//! The project's files, and their code without comments.

use std::path::Path;

/// A file of the project.
pub(crate) struct File {
    /// The path below the root, with `/` as separator.
    pub(crate) path: String,
    /// The content.
    pub(crate) text: String,
}

/// Every hand-written text file.
pub(crate) fn files(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for folder in ["api", "entity", "migration", "tests", ".ci"] {
        walk(root, &root.join(folder), &mut files);
    }
    for name in ["Cargo.toml", "README.md", "clippy.toml", "deny.toml", "rustfmt.toml"] {
        read(root, &root.join(name), &mut files);
    }
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["node_modules", "target"].contains(&name.as_str()) {
                walk(root, &path, files);
            }
        } else if [".rs", ".toml", ".md", ".html", ".js", "run"].iter().any(|end| name.ends_with(end)) {
            read(root, &path, files);
        }
    }
}

fn read(root: &Path, path: &Path, files: &mut Vec<File>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    files.push(File { path, text });
}

/// The text without its line comments; URLs keep their slashes.
pub(super) fn without_comments(text: &str) -> String {
    let line = |line: &str| {
        let mut from = 0;
        while let Some(found) = line[from..].find("//") {
            let at = from + found;
            if !line[..at].ends_with(':') {
                return line[..at].to_owned();
            }
            from = at + 2;
        }
        line.to_owned()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Whether the code contains a path such as `sea_orm` or `crate::http`, not as a part of a longer name.
pub(super) fn names(code: &str, path: &str) -> bool {
    let inside =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    code.match_indices(path).any(|(at, _)| {
        !inside(code[..at].chars().next_back()) && !inside(code[at + path.len()..].chars().next())
    })
}

/// Whether the code uses an item of this crate.
pub(super) fn uses(code: &str, name: &str) -> bool {
    let longer = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(longer))
}

/// Whether the code uses this module of the same crate, in a path or in a list of imports.
pub(super) fn reaches(code: &str, module: &str) -> bool {
    let listed = code.split("crate::{").skip(1).any(|list| {
        let list = list.split("};").next().unwrap_or_default();
        list.split(',').any(|import| {
            let import = import.trim_matches(|letter: char| letter.is_whitespace() || letter == '{');
            import.split("::").next() == Some(module)
        })
    });
    listed || names(code, &format!("crate::{module}"))
}

/// The defined names, with the keyword before each: `("struct", "Award")`.
pub(super) fn definitions(code: &str) -> Vec<(&str, &str)> {
    let words: Vec<&str> = code
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|w| !w.is_empty())
        .collect();
    let kinds = ["struct", "enum", "trait", "type", "union", "mod", "fn"];
    words.windows(2).filter(|pair| kinds.contains(&pair[0])).map(|pair| (pair[0], pair[1])).collect()
}
