//! What a run was measured on: a figure without its machine says nothing.

use std::fs;
use std::path::Path;

use crate::shell;

/// Reference tools and how each tells its version.
const TOOLS: [(&str, &str); 8] = [
    ("nginx", "-v"),
    ("rg", "--version"),
    ("socat", "-V"),
    ("ls", "--version"),
    ("git", "--version"),
    ("docker", "--version"),
    ("dockerd", "--version"),
    ("rustc", "--version"),
];

/// Returns a Markdown list: processor, cores, memory, kernel, file systems, versions of the tools present.
pub(super) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "- Processor: {}, {cores} cores; memory: {}; kernel: {}\n",
        field(&read("/proc/cpuinfo"), "model name"),
        gibibytes(field(&read("/proc/meminfo"), "MemTotal")),
        read("/proc/sys/kernel/osrelease").trim(),
    );
    let mounts = read("/proc/mounts");
    let kind = |path: &Path| format!("{} ({})", path.display(), file_system(&mounts, path));
    let temporary = std::env::temp_dir();
    text.push_str(&format!(
        "- File systems: {}, {}\n",
        kind(&temporary),
        kind(Path::new("/dev/shm"))
    ));
    let tools: Vec<_> = TOOLS.iter().filter_map(|(tool, flag)| version(tool, flag)).collect();
    text.push_str(&format!("- Tools: {}\n", tools.join(", ")));
    text
}

/// Returns the value of the first `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("unknown", |(_, value)| value.trim())
}

/// Turns `24576000 kB` into whole GiB.
fn gibibytes(text: &str) -> String {
    match text.trim_end_matches(" kB").parse::<u64>() {
        Ok(kibibytes) => format!("{} GiB", (kibibytes + (1 << 19)) >> 20),
        Err(_) => text.to_owned(),
    }
}

/// Returns the type of the file system that holds a path: the longest mount point that is its ancestor.
fn file_system<'a>(mounts: &'a str, path: &Path) -> &'a str {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        // Of two mounts on one point the later one covers the earlier.
        .max_by_key(|(point, _)| point.len())
        .map_or("unknown", |(_, kind)| kind)
}

/// Returns a tool's name with the first word of its own words that looks like a version.
fn version(tool: &str, flag: &str) -> Option<String> {
    let program = shell::find_program(tool)?;
    // nginx tells its version on standard error.
    let output = shell::command(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Some(format!("{tool} {}", version_in(&text)))
}

fn version_in(text: &str) -> &str {
    text.split([' ', '/', ',', '\n'])
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .unwrap_or("of unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        assert_eq!(version_in("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(version_in("ripgrep 13.0.0\n-SIMD"), "13.0.0");
        assert_eq!(version_in("socat by Gerhard\nsocat version 1.7.4.4 on x"), "1.7.4.4");
        assert_eq!(version_in("Docker version 20.10.24+dfsg1, build 5d6\n"), "20.10.24+dfsg1");
        assert_eq!(version_in("ls (GNU coreutils) 9.1\n"), "9.1");
    }

    #[test]
    fn a_path_is_on_its_longest_mount_point() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\nx /t btrfs rw 0 0\ntmpfs /t tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/dev/shm/a")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/dev/shm2")), "ext4");
        assert_eq!(file_system(mounts, Path::new("/t")), "tmpfs");
    }

    #[test]
    fn memory_is_shown_in_whole_gibibytes() {
        let text = "MemTotal:       24576000 kB\nMemFree: 1 kB\n";
        assert_eq!(gibibytes(field(text, "MemTotal")), "23 GiB");
        assert_eq!(field(text, "Swap"), "unknown");
    }
}
