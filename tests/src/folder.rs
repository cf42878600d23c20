//! The folder for the files of one run of the tests. It holds a lock as long as the process lives, so that the next run
//! can remove the folders of runs that have ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use uuid::Uuid;

/// A folder, and its lock.
struct Folder {
    path: PathBuf,
    _lock: File,
}

static FOLDER: LazyLock<Folder> = LazyLock::new(create);

/// The folder of this process.
pub(crate) fn of_this_run() -> &'static Path {
    &FOLDER.path
}

fn create() -> Folder {
    let all = std::env::temp_dir().join("plaudit_tests");
    fs::create_dir_all(&all).expect("a folder for the tests");
    // Another process must not remove the new folder before its lock is held.
    let beginning = File::create(all.join("lock")).expect("a file for the lock");
    beginning.lock().expect("the lock is taken");
    for left in fs::read_dir(&all).expect("the folder can be read").flatten() {
        let ended = File::open(left.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if ended {
            let _ = fs::remove_dir_all(left.path());
        }
    }
    let path = all.join(Uuid::new_v4().simple().to_string());
    fs::create_dir(&path).expect("a folder for this run");
    let lock = File::create(path.join("lock")).expect("a file for the lock");
    lock.lock().expect("the lock is taken");
    Folder { path, _lock: lock }
}
