//! How much memory the machine has to give.

/// Bytes that can be taken without swapping, where the system tells (Linux).
pub fn available_memory() -> Option<u64> {
    read(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn read(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_line_is_read_in_bytes() {
        assert_eq!(read("MemTotal:       24 kB\nMemAvailable:   15 kB\n"), Some(15 * 1024));
        assert_eq!(read("MemTotal:       24 kB\n"), None);
    }
}
