//! What the machine has left: disk where a file is to lie, memory for work.

use std::fs;
use std::path::Path;

/// Bytes that a file at `path` may still take; its folder need not exist yet. `None` where the system does not tell.
pub fn free_disk_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let folder = absolute.ancestors().skip(1).find(|folder| folder.is_dir())?;
    let space = rustix::fs::statvfs(folder).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

/// Bytes of memory that can be had without swapping; less where a control group allows less. `None` where the system
/// does not tell.
pub fn available_memory_bytes() -> Option<u64> {
    let available = memory_available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(available.min(group_limit().unwrap_or(u64::MAX)))
}

fn memory_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limit of the control group (version 2) that this process is in.
fn group_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
    fs::read_to_string(limit).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_available_memory_is_read() {
        assert_eq!(memory_available("MemTotal: 9 kB\nMemAvailable:    2048 kB\nSwap: 1 kB\n"), Some(2 << 20));
        assert_eq!(memory_available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn free_space_is_that_of_the_nearest_folder_there_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_disk_bytes(&folder.path().join("not/there/yet.h5")).is_some_and(|bytes| bytes > 0));
    }
}
