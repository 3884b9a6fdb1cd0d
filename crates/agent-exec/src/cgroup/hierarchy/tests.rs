//! Tests of the parent group on plain directories; the kernel's own are in `tests/it`.

use super::*;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// A plain directory in the place of this process's own group: what the kernel's files would say
/// is written there, and what is written to them can be read.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new(files: &[(&str, &str)]) -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        for (name, contents) in files {
            fake.put(name, contents);
        }
        fake
    }

    fn put(&self, name: &str, contents: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn limits() -> Limits {
    Limits { memory_bytes: Some(1 << 20), cpu_percent: Some(50), pids: Some(10) }
}

#[test]
fn without_controllers_there_are_leaves_but_no_limits() {
    let own = Fake::new(&[("cgroup.controllers", "hugetlb")]);
    let hierarchy = Hierarchy::below(own.0.path(), "agentd-a").unwrap();
    assert!(hierarchy.supports(&Limits::default()) && !hierarchy.supports(&limits()));
    let refused = hierarchy.leaf(Uuid::from_u128(1), &limits()).unwrap_err();
    assert!(matches!(refused, LeafError::Unsupported(None)));
    let leaf = hierarchy.leaf(Uuid::from_u128(2), &Limits::default()).unwrap();
    assert!(own.path("agentd-a/00000000-0000-0000-0000-000000000002").is_dir());
    assert_eq!(leaf.usage(), None);
    leaf.remove();
    assert_eq!(fs::read_dir(own.path("agentd-a")).unwrap().count(), 0);
}

#[test]
fn a_limit_that_cannot_be_written_leaves_no_group() {
    let own = Fake::new(&[("agentd-a/cgroup.subtree_control", "memory cpu pids")]);
    let hierarchy = Hierarchy::below(own.0.path(), "agentd-a").unwrap();
    assert!(hierarchy.supports(&limits()));
    // The kernel's files do not come by themselves in a plain directory.
    let refused = hierarchy.leaf(Uuid::from_u128(1), &limits()).unwrap_err();
    assert!(matches!(refused, LeafError::Unsupported(Some(_))));
    assert!(!own.path("agentd-a/00000000-0000-0000-0000-000000000001").exists());
}

#[test]
fn limits_and_accounts_are_the_files_of_the_leaf() {
    let own = Fake::new(&[
        ("leaf/memory.max", ""),
        ("leaf/memory.oom.group", ""),
        ("leaf/cpu.max", ""),
        ("leaf/pids.max", ""),
        ("leaf/memory.peak", "1073741824\n"),
        ("leaf/memory.events", "max 3\noom_kill 1\n"),
        ("leaf/cpu.stat", "usage_usec 41000000\n"),
        ("leaf/cgroup.events", "populated 1\n"),
        ("leaf/cgroup.procs", "5\n0\n"),
        ("leaf/below/deeper/cgroup.procs", "6\n"),
    ]);
    let leaf = Leaf::open(own.path("leaf"), true, Arc::default()).unwrap();
    limit(&leaf, &limits()).unwrap();
    assert_eq!(text(&own.path("leaf/memory.max")), "1048576");
    assert_eq!(text(&own.path("leaf/memory.oom.group")), "1");
    assert_eq!(text(&own.path("leaf/cpu.max")), "50000 100000");
    assert_eq!(text(&own.path("leaf/pids.max")), "10");
    let usage = leaf.usage().unwrap();
    assert_eq!(usage.peak_memory_bytes, 1_073_741_824);
    assert_eq!(usage.cpu_time.as_secs(), 41);
    assert!(leaf.oom_killed() && leaf.is_populated());
    assert_eq!(leaf.members().unwrap(), [5, 6]);
    own.put("leaf/memory.peak", "max\n");
    assert_eq!(leaf.usage(), None, "a figure that is no number is none");
}

#[test]
fn controllers_are_handed_down_one_by_one() {
    let own = Fake::new(&[("cgroup.subtree_control", "memory cpu")]);
    let wanted = Controllers { memory: true, cpu: true, pids: true };
    hand_down(own.0.path(), wanted).unwrap();
    assert_eq!(text(&own.path("cgroup.subtree_control")), "+pids");
}

#[test]
fn an_agent_that_is_alone_in_its_group_moves_out_and_others_stay() {
    let me = std::process::id();
    let own = Fake::new(&[("cgroup.procs", &format!("{me}\n")), ("a/self/cgroup.procs", "")]);
    assert!(leave_to_self(own.0.path(), &own.path("a")).unwrap());
    assert_eq!(text(&own.path("a/self/cgroup.procs")), "0");
    for others in [format!("1\n{me}\n"), format!("{me}\n0\n"), "1\n".to_owned(), String::new()] {
        own.put("cgroup.procs", &others);
        assert!(!leave_to_self(own.0.path(), &own.path("b")).unwrap());
    }
    assert!(!own.path("b").exists());
}

#[test]
fn empty_groups_of_dead_agents_are_swept_and_nothing_else() {
    let own = Fake::new(&[
        ("agentd-dead/leaf-with-survivor/file", ""),
        ("agentd-me/old-with-survivor/file", ""),
        ("other/file", ""),
    ]);
    for empty in ["agentd-dead/empty", "agentd-gone/a/b", "agentd-me/old", "unrelated-x", "agentd"]
    {
        fs::create_dir_all(own.path(empty)).unwrap();
    }
    let living = Hierarchy::below(own.0.path(), "agentd-living").unwrap();
    let hierarchy = Hierarchy::below(own.0.path(), "agentd-me").unwrap();
    let gone = ["agentd-dead/empty", "agentd-gone", "agentd-me/old"];
    let kept = [
        "agentd-dead/leaf-with-survivor",
        "agentd-me/old-with-survivor",
        "agentd-living",
        "unrelated-x",
        "agentd",
        "other",
    ];
    assert_eq!(gone.map(|name| own.path(name).exists()), [false; 3]);
    assert_eq!(kept.map(|name| own.path(name).exists()), [true; 6]);
    drop((living, hierarchy));
    let _next = Hierarchy::below(own.0.path(), "agentd-next").unwrap();
    assert!(!own.path("agentd-living").exists(), "its agent is dead now");
    assert!(own.path("agentd-me").exists(), "a survivor is in there");
}

#[test]
fn a_leaf_that_is_not_empty_is_removed_later() {
    let own = Fake::new(&[("leaf/file", "")]);
    let parent = Arc::<Parent>::default();
    Leaf::open(own.path("leaf"), false, Arc::clone(&parent)).unwrap().remove();
    assert!(own.path("leaf").exists());
    fs::remove_file(own.path("leaf/file")).unwrap();
    parent.remove(&own.path("never-there"));
    assert!(!own.path("leaf").exists());
}

#[test]
fn a_command_whose_id_still_has_members_gets_no_leaf() {
    let own = Fake::new(&[("agentd-a/00000000-0000-0000-0000-000000000001/file", "")]);
    let hierarchy = Hierarchy::below(own.0.path(), "agentd-a").unwrap();
    let refused = hierarchy.leaf(Uuid::from_u128(1), &Limits::default()).unwrap_err();
    assert!(matches!(refused, LeafError::Create(_)));
    assert!(own.path("agentd-a/00000000-0000-0000-0000-000000000001/file").exists());
}
