//! Packs that a test writes, in a temporary folder for the setting `catalogs`.

use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use crate::folder;

/// A folder of pack files.
pub struct Packs {
    folder: PathBuf,
}

impl Packs {
    /// A folder with one pack in it.
    pub fn of(pack: &Value) -> Self {
        let packs = Self::none();
        packs.write(pack);
        packs
    }

    /// An empty folder.
    pub fn none() -> Self {
        let folder = folder::of_this_run().join(Uuid::new_v4().simple().to_string());
        std::fs::create_dir_all(&folder).expect("a folder for the packs");
        Self { folder }
    }

    /// Removes the file of the pack with this key.
    pub fn remove(&self, key: &str) {
        std::fs::remove_file(self.folder.join(format!("{key}.json"))).expect("the pack is there");
    }

    /// Writes the pack's file, and replaces its earlier content.
    pub fn write(&self, pack: &Value) {
        let key = pack["pack"].as_str().expect("a pack has a key");
        std::fs::write(self.folder.join(format!("{key}.json")), pack.to_string())
            .expect("the pack is written");
    }

    /// The value of the setting.
    pub fn setting(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Drop for Packs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
