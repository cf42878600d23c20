//! The most expensive known documents, for a benchmark and a test: `it/graphql/expensive/*.graphql`. They use ids of a
//! [`School`]. The first line names the caller.

use std::path::Path;

use plaudit::auth::Role;
use uuid::Uuid;

use crate::school::School;

/// A document and its caller.
#[derive(Debug, Clone)]
pub struct Expensive {
    /// The name of its file, without the extension.
    pub name: String,
    /// The caller's id.
    pub subject: Uuid,
    /// The caller's role.
    pub role: Role,
    /// The document.
    pub text: String,
}

impl Expensive {
    /// All of them, by name.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/graphql/expensive");
        let files = std::fs::read_dir(folder).expect("the folder with the documents");
        let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a document is text");
        let first = text.lines().next().unwrap_or_default();
        let caller = first.strip_prefix("# as: ").expect("the first line names the caller");
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let role = Role::parse(caller.trim()).expect("the caller's role");
        Self { name, subject: Self::subject(role), role, text }
    }

    /// The person of a [`School`] who sends the documents of this role.
    #[must_use]
    pub fn subject(role: Role) -> Uuid {
        match role {
            Role::SuperAdmin => School::super_admin(),
            Role::Teacher => School::teacher(),
            Role::Parent => School::parent(),
            _ => School::busiest(),
        }
    }
}
