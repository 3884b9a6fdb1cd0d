//! Files with several names, which are written without an event.

mod needs_git {
    use std::{
        fs::{self, File},
        io::Write,
        path::Path,
    };

    use super::super::{super::links::MAX_LINKED, bench::Bench};

    /// A bench that has looked at some committed files, and a directory for names outside of it.
    fn committed(files: &[&str]) -> (Bench, tempfile::TempDir) {
        let mut bench = Bench::new();
        bench.act(&[], |git| {
            files.iter().for_each(|path| git.write(path, "1\n"));
            git.commit_all("m");
        });
        bench.check();
        (bench, tempfile::tempdir().unwrap())
    }

    fn append(path: impl AsRef<Path>) {
        File::options().append(true).open(path).unwrap().write_all(b"more\n").unwrap();
    }

    fn sizes(bench: &Bench) -> Vec<u64> {
        bench.work.untracked().map(|(_, stat)| stat.size).collect()
    }

    #[test]
    fn a_write_through_a_name_outside_is_seen_without_an_event() {
        let (mut bench, outside) = committed(&["d/tracked", "other"]);
        let [tracked, new] = ["tracked", "new"].map(|name| outside.path().join(name));
        bench.act(&[], |git| {
            git.write("d/new", "1\n");
            fs::hard_link(git.path("d/tracked"), &tracked).unwrap();
            fs::hard_link(git.path("d/new"), &new).unwrap();
        });
        bench.check();
        assert!(bench.work.tracked().is_empty());
        append(&tracked);
        bench.check();
        assert_eq!(bench.work.tracked().len(), 1);
        append(&new);
        bench.check();
        assert_eq!(sizes(&bench), [7]);
        assert!(!bench.work.was_whole());
    }

    #[test]
    fn a_file_with_one_name_left_is_no_longer_looked_at() {
        let (mut bench, outside) = committed(&["d/tracked"]);
        let name = outside.path().join("name");
        assert!(!bench.work.has_links());
        bench.act(&[], |git| {
            fs::hard_link(git.path("d/tracked"), &name).unwrap();
            fs::hard_link(git.path("d/tracked"), git.path("new")).unwrap();
        });
        bench.check();
        assert!(bench.work.has_links());
        append(&name);
        fs::remove_file(&name).unwrap();
        bench.act(&[], |git| git.remove("new"));
        bench.check();
        assert_eq!(bench.work.tracked().len(), 1);
        assert!(!bench.work.has_links());
    }

    #[test]
    fn files_below_a_directory_that_went_away_are_no_longer_looked_at() {
        let (mut bench, outside) = committed(&["d/tracked"]);
        bench.act(&[], |git| {
            fs::hard_link(git.path("d/tracked"), outside.path().join("name")).unwrap();
        });
        bench.check();
        assert!(bench.work.has_links());
        bench.act(&[], |git| fs::rename(git.path("d"), outside.path().join("d")).unwrap());
        bench.check();
        assert!(!bench.work.has_links());
    }

    #[test]
    fn a_new_name_makes_all_names_of_the_file_known() {
        let (mut bench, _outside) = committed(&["d/tracked", "e/other"]);
        // The kernel tells of the new name alone.
        fs::hard_link(bench.git.path("d/tracked"), bench.git.path("e/new")).unwrap();
        append(bench.git.path("e/new"));
        bench.event("e/new");
        bench.check();
        assert_eq!(bench.work.tracked().len(), 1);
        // So it is when a known path gets another file.
        fs::remove_file(bench.git.path("e/new")).unwrap();
        fs::hard_link(bench.git.path("e/other"), bench.git.path("e/new")).unwrap();
        bench.event("e/new");
        bench.check();
        append(bench.git.path("e/new"));
        bench.event("e/new");
        bench.check();
        assert_eq!(bench.work.tracked().len(), 2);
    }

    #[test]
    fn ignore_files_are_read_again_when_they_were_written_through_another_name() {
        let (mut bench, outside) = committed(&["f"]);
        let name = outside.path().join("rules");
        bench.act(&[], |git| {
            git.write("d/.gitignore", "a\n");
            git.write("d/more", "");
            fs::hard_link(git.path("d/.gitignore"), &name).unwrap();
        });
        bench.check();
        assert_eq!(bench.work.untracked().count(), 2);
        append(&name);
        bench.check();
        assert_eq!(bench.work.untracked().count(), 1);
    }

    #[test]
    fn with_very_many_such_files_every_scan_is_a_whole_one() {
        let (mut bench, outside) = committed(&["f"]);
        let name = outside.path().join("name");
        fs::write(&name, "1\n").unwrap();
        bench.act(&[], |git| {
            fs::create_dir(git.path("d")).unwrap();
            for number in 0..=MAX_LINKED {
                fs::hard_link(&name, git.path(format!("d/{number}"))).unwrap();
            }
        });
        bench.check();
        for size in [7, 12] {
            append(&name);
            bench.check();
            assert!(bench.work.was_whole());
            assert_eq!(sizes(&bench), vec![size; MAX_LINKED + 1]);
        }
        bench.act(&[], |git| git.remove("d/7"));
        bench.check();
        append(&name);
        bench.check();
        assert!(!bench.work.was_whole());
        assert_eq!(sizes(&bench), vec![17; MAX_LINKED]);
    }
}
