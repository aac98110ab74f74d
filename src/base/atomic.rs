//! The only place that makes files appear: written under a temporary name, synced, renamed; or grown line by line.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A file that gets its name only in [`AtomicFile::commit`]; dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    destination: PathBuf,
    temporary: PathBuf,
    committed: bool,
}

impl AtomicFile {
    /// Reserves `destination`; its folder is created when it is missing.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn new(destination: &Path) -> io::Result<Self> {
        if let Some(folder) = destination.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let name = destination.file_name().unwrap_or_default().to_string_lossy();
        // The process id keeps two writers apart; a name left by a killed one is overwritten when the id returns.
        let temporary = destination.with_file_name(format!(".{name}.{}.partial", std::process::id()));
        Ok(Self { destination: destination.to_owned(), temporary, committed: false })
    }

    /// Where to write. A library that insists on a path (HDF5) writes here.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the temporary file and gives it its name.
    ///
    /// # Errors
    /// When syncing or renaming fails; the temporary file is then removed.
    pub fn commit(mut self) -> io::Result<()> {
        File::options().read(true).write(true).open(&self.temporary)?.sync_all()?;
        fs::rename(&self.temporary, &self.destination)?;
        self.committed = true;
        if let Some(folder) = self.destination.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // Not every file system can sync a folder; the rename itself has succeeded.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes what killed writers left in `folder` and below it: temporary files that never got their name.
///
/// # Errors
/// A folder that cannot be listed, a file that cannot be removed.
pub fn sweep_partials(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            sweep_partials(&entry.path())?;
        } else if name.starts_with('.') && name.ends_with(".partial") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Held by whoever writes a large file: while somebody is at work in a folder, nobody sweeps there. The system takes the
/// claim from a process that ends, however it ends.
#[derive(Debug)]
pub struct AtWork {
    _folder: File,
}

impl AtWork {
    /// Begins work on `destination`, whose folder exists, and removes what killed writers of it left there, unless
    /// another writer is at work in the folder.
    ///
    /// # Errors
    /// A folder that cannot be listed, a file that cannot be removed.
    pub fn on(destination: &Path) -> io::Result<Self> {
        let folder = destination.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let held = File::open(folder)?;
        // A lock on the folder, not on the files: HDF5 locks those itself, and they come and go.
        if held.try_lock().is_ok() {
            sweep_partials_of(destination, folder)?;
        }
        // A file system without locks only loses the sweeping.
        let _ = held.lock_shared();
        Ok(Self { _folder: held })
    }
}

fn sweep_partials_of(destination: &Path, folder: &Path) -> io::Result<()> {
    let ours = format!(".{}.", destination.file_name().unwrap_or_default().to_string_lossy());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&ours) && name.ends_with(".partial") && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `bytes` to `destination`, whole or not at all.
///
/// # Errors
/// When the folder or the file cannot be written; an old file of that name is then untouched.
pub fn write_atomically(destination: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = AtomicFile::new(destination)?;
    #[expect(clippy::disallowed_methods, reason = "this file owns the creation of files")]
    File::create(file.path())?.write_all(bytes)?;
    file.commit()
}

/// A file that only ever grows: whole lines or records at its end, past whatever stood there.
#[derive(Debug)]
pub struct AppendFile(File);

impl AppendFile {
    /// Opens the file, and makes it and its folder where they are missing.
    ///
    /// # Errors
    /// When the folder or the file cannot be made or opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        File::options().create(true).append(true).open(path).map(Self)
    }

    /// Waits until no other process holds the file, and holds it until the value is dropped.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub fn lock(&self) -> io::Result<()> {
        self.0.lock()
    }

    /// Adds one line in a single write, so that a reader never sees half of two.
    ///
    /// # Errors
    /// When the write fails.
    pub fn append_line(&mut self, line: &str) -> io::Result<()> {
        self.append(format!("{line}\n").as_bytes())
    }

    /// Adds bytes in a single write.
    ///
    /// # Errors
    /// When the write fails.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Waits until the disk has it.
    ///
    /// # Errors
    /// When syncing fails.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// A file whose lock one process holds: as long as the value lives, nobody else gets one of that path. The system takes
/// the lock from a process that ends, however it ends, so a file left behind claims nothing.
#[derive(Debug)]
pub struct LockFile {
    _held: File,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Taken(LockFile),
    /// Another process has it; what that process wrote into the file.
    Held(String),
}

impl LockFile {
    /// Asks for the lock of `path`, whose folder exists, and writes `owner` into the file.
    ///
    /// # Errors
    /// A file that cannot be made, or a file system without locks.
    pub fn claim(path: &Path, owner: &str) -> io::Result<Claim> {
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(owner.as_bytes())?;
                Ok(Claim::Taken(Self { _held: file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is told as far as it can be read.
                let _ = file.read_to_string(&mut holder);
                Ok(Claim::Held(holder))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leavings_of_killed_writers_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = AtomicFile::new(&folder.path().join("a/b.txt")).unwrap();
        File::options().create(true).append(true).open(file.path()).unwrap();
        std::mem::forget(file);
        write_atomically(&folder.path().join("a/.hidden"), b"mine").unwrap();
        write_atomically(&folder.path().join("b.partial"), b"mine").unwrap();
        sweep_partials(folder.path()).unwrap();
        let names =
            |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(names(&folder.path().join("a")), [".hidden"]);
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_lock_is_held_by_one_and_given_back_with_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Claim::Taken(first) = LockFile::claim(&path, "the first").unwrap() else { panic!("held by nobody") };
        let Claim::Held(holder) = LockFile::claim(&path, "2").unwrap() else { panic!("taken twice") };
        assert_eq!(holder, "the first");
        drop(first);
        assert!(matches!(LockFile::claim(&path, "2").unwrap(), Claim::Taken(_)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
    }

    #[test]
    fn partials_of_dead_writers_go_unless_somebody_is_at_work() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.h5");
        let left = || {
            for name in [".a.h5.2.partial", ".a.h5.raw.2.partial", ".ab.h5.2.partial", ".a.h5.journal"] {
                File::options().create(true).append(true).open(folder.path().join(name)).unwrap();
            }
        };
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        left();
        let first = AtWork::on(&store).unwrap();
        assert_eq!(names(), [".a.h5.journal", ".ab.h5.2.partial"]);
        left();
        let second = AtWork::on(&store).unwrap();
        assert_eq!(names().len(), 4, "swept beside a writer at work");
        drop((first, second));
        AtWork::on(&store).unwrap();
        assert_eq!(names(), [".a.h5.journal", ".ab.h5.2.partial"]);
    }

    #[test]
    fn dropped_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = AtomicFile::new(&folder.path().join("a/b.txt")).unwrap();
        File::options().create(true).append(true).open(file.path()).unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
    }

    #[test]
    fn appended_lines_stand_behind_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        AppendFile::open(&path).unwrap().append_line("one").unwrap();
        AppendFile::open(&path).unwrap().append_line("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn written_file_has_its_bytes_and_no_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.txt");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
