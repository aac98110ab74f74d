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

/// Bytes of memory that can be had without swapping; less where a control group or a limit of the address space
/// (`ulimit -v`) allows less. `None` where the system does not tell.
pub fn available_memory_bytes() -> Option<u64> {
    let available = memory_available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    Some(available.min(group_limit().unwrap_or(u64::MAX)).min(address_space_left().unwrap_or(u64::MAX)))
}

/// What the limit of the address space leaves of it; `None`: there is no limit.
fn address_space_left() -> Option<u64> {
    let limit = address_limit(&fs::read_to_string("/proc/self/limits").ok()?)?;
    let used = kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// The soft limit of the address space, in bytes.
fn address_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn memory_available(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemAvailable:")
}

/// The bytes that a line of a file of `/proc` states in kB.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
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
    fn limit_of_the_address_space_is_read() {
        let limits = "Max locked memory         65536                65536                bytes     \n\
                      Max address space         614400000            unlimited            bytes     \n";
        assert_eq!(address_limit(limits), Some(614_400_000));
        assert_eq!(address_limit(&limits.replace("614400000", "unlimited")), None);
    }

    #[test]
    fn free_space_is_that_of_the_nearest_folder_there_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_disk_bytes(&folder.path().join("not/there/yet.h5")).is_some_and(|bytes| bytes > 0));
    }
}
