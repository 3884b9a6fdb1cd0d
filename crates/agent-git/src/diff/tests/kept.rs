//! What a renderer keeps, what it does with files that change meanwhile, and its limits.

mod needs_git {
    use std::{fs, os::unix::fs::PermissionsExt, sync::atomic::AtomicBool};

    use agent_api::{FileStatus, limits::MAX_GIT_FILES};

    use crate::{
        convert::{Attribute, Attributes, Conversion, Defaults},
        diff::{
            Rendered, Renderer, Rendering,
            tests::world::{World, wait_until_settled},
        },
        engine::ScanError,
        fs::Root,
        model::{Change, Mode, ObjectFormat, Standing, Stat, WorkFile},
    };

    fn world_of_changes() -> World {
        let world = World::new();
        let repository = &world.repository;
        let lines = |word: &str| (0..30).map(|n| format!("{word} {n}\n")).collect::<String>();
        for name in ["edited", "moved", "gone", "other"] {
            repository.write(name, lines(name));
        }
        repository.commit_all("one");
        repository.write("edited", lines("edited").replace("edited 3\n", ""));
        repository.git(&["mv", "moved", "here"]);
        repository.write("here", lines("moved") + "end\n");
        repository.remove("gone");
        repository.write("untracked", "u\n");
        world
    }

    #[test]
    fn what_did_not_change_is_not_read_again() {
        let world = world_of_changes();
        let untracked = world.repository.path("untracked");
        wait_until_settled(&untracked);
        let (mut renderer, stop) = (Renderer::new(), AtomicBool::new(false));
        let mut source = world.source();
        let first = world.try_render(&mut renderer, &mut source, &stop).unwrap();
        world.compare(&first);
        assert!(!source.read.is_empty());
        source.read.clear();
        assert_eq!(world.try_render(&mut renderer, &mut source, &stop).unwrap(), first);
        assert_eq!(source.read, []);
        assert!(renderer.kept.values().any(|section| section.weight() > 0));

        world.repository.write("other", "changed\n");
        let second = world.try_render(&mut renderer, &mut source, &stop).unwrap();
        world.compare(&second);
        assert_eq!(source.read.len(), 1);
    }

    #[test]
    fn a_change_of_a_side_is_seen() {
        let world = world_of_changes();
        let mut renderer = Renderer::new();
        let check = |renderer: &mut Renderer| world.compare(&world.render_with(renderer));
        check(&mut renderer);
        world.repository.write("untracked", "v\n");
        check(&mut renderer);
        world.repository.write("here", "entirely other\n");
        check(&mut renderer);
        fs::set_permissions(world.repository.path("edited"), fs::Permissions::from_mode(0o755))
            .unwrap();
        check(&mut renderer);
        world.repository.git(&["add", "untracked"]);
        check(&mut renderer);
        world.repository.commit_all("two");
        check(&mut renderer);
        assert!(world.render_with(&mut renderer).files.is_empty());
        assert!(renderer.kept.is_empty());
    }

    #[test]
    fn rendering_twice_gives_the_same() {
        let world = world_of_changes();
        assert_eq!(world.render(), world.render());
    }

    #[test]
    fn the_stop_flag_ends_a_rendering_and_loses_nothing() {
        let world = world_of_changes();
        let mut renderer = Renderer::new();
        let mut source = world.source();
        let stopped = world.try_render(&mut renderer, &mut source, &AtomicBool::new(true));
        assert!(matches!(stopped, Err(ScanError::Stopped)));
        world.compare(&world.render_with(&mut renderer));
    }

    fn render_changes(world: &World, changes: &[Change]) -> Rendered {
        let root = Root::open(world.repository.root()).unwrap();
        let (object_format, stop) = (ObjectFormat::Sha1, AtomicBool::new(false));
        let mut source = world.source();
        let look = Rendering { root: &root, source: &mut source, object_format, stop: &stop };
        Renderer::new().render(changes, 0, look).unwrap()
    }

    #[test]
    fn files_that_went_or_came_back_meanwhile_are_shown_as_they_are() {
        let world = world_of_changes();
        let changes = world.changes();
        world.repository.git(&["checkout", "-q", "--", "edited"]);
        world.repository.remove("here");
        world.repository.remove("untracked");
        let rendered = render_changes(&world, &changes);
        let found: Vec<_> =
            rendered.files.iter().map(|file| (file.path.as_str(), file.deletions)).collect();
        // The rename has no new side any more, so it is the deletion of its old one.
        assert_eq!(found, [("gone", 30), ("moved", 30)]);
        assert!(rendered.unified_diff.contains("deleted file mode 100644\nindex "));
        assert!(!rendered.unified_diff.contains("rename from"));
    }

    #[test]
    fn an_indexed_file_is_read_from_its_object() {
        let world = World::new();
        world.repository.write("f", "staged\n");
        world.repository.git(&["add", "f"]);
        let mut changes = world.changes();
        world.repository.write("f", "work tree\n");
        changes[0].work.as_mut().unwrap().indexed = true;
        let rendered = render_changes(&world, &changes);
        assert!(rendered.unified_diff.ends_with("+staged\n"), "{}", rendered.unified_diff);
    }

    #[test]
    fn the_id_tells_whether_the_index_kept_line_ends() {
        let text = Attribute::Value(b"auto".to_vec());
        let attributes = Attributes { text, ..Attributes::default() };
        for has_crlf in [false, true] {
            let mut world = World::new();
            let repository = &world.repository;
            repository.write("f", if has_crlf { "a\r\nb\r\n" } else { "a\nb\n" });
            repository.commit_all("one");
            repository.write(".git/info/attributes", "* text=auto\n");
            repository.write("f", "a\r\nc\r\n");
            // What the index has decides, as it does in git.
            world.indexed = has_crlf.then(|| b"a\r\nb\r\n".to_vec());
            world.conversion = Conversion::new(&attributes, Defaults::default());
            world.check();
        }
    }

    #[test]
    fn a_large_file_is_a_line_and_not_read() {
        let world = World::new();
        let repository = &world.repository;
        let large = vec![b'x'; 3 * 1024 * 1024];
        repository.write("shrunk", &large);
        repository.write("moved", &large);
        repository.commit_all("one");
        repository.git(&["mv", "moved", "here"]);
        repository.write("shrunk", "small\n");
        repository.write("untracked", &large);
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(repository.path("zeros"))
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        let mut changes = world.changes();
        // The index knows the id of a file that was not touched.
        let moved = changes.iter().find(|change| change.path == b"moved").unwrap().head.unwrap();
        let here = changes.iter_mut().find(|change| change.path == b"here").unwrap();
        here.work.as_mut().unwrap().id = Some(moved.id);
        let rendered = render_changes(&world, &changes);
        let old = repository.text(&["rev-parse", "--short", "HEAD:shrunk"]);
        let new = &repository.text(&["hash-object", "shrunk"])[..7];
        let expected = format!(
            "diff --git a/moved b/here\nsimilarity index 100%\nrename from moved\n\
            rename to here\ndiff --git a/shrunk b/shrunk\nindex {old}..{new} 100644\n\
            --- a/shrunk\n+++ b/shrunk\nFile too large to show: 3145728 bytes\n\
            diff --git a/untracked b/untracked\nnew file mode 100644\n--- /dev/null\n\
            +++ b/untracked\nFile too large to show: 3145728 bytes\n\
            diff --git a/zeros b/zeros\nnew file mode 100644\n--- /dev/null\n+++ b/zeros\n\
            File too large to show: 1099511627776 bytes\n"
        );
        assert_eq!(rendered.unified_diff, expected);
        let flags: Vec<_> = rendered
            .files
            .iter()
            .map(|file| (file.status, file.truncated, file.binary, file.additions, file.deletions))
            .collect();
        use FileStatus::{Modified, Renamed, Untracked};
        assert_eq!(
            flags,
            [
                (Renamed, false, false, 0, 0),
                (Modified, true, false, 0, 0),
                (Untracked, true, false, 0, 0),
                (Untracked, true, true, 0, 0),
            ]
        );
    }

    #[test]
    fn a_long_diff_of_a_file_is_a_line_with_true_counts() {
        let world = World::new();
        let line = "a line of some length\n";
        let header = "diff --git a/long b/long\nnew file mode 100644\nindex 0000000..1234567\n\
            --- /dev/null\n+++ b/long\n";
        let lines = 256 * 1024 / (line.len() + 1);
        let whole = |lines: usize| {
            header.len() + format!("@@ -0,0 +1,{lines} @@\n").len() + lines * (line.len() + 1)
        };
        let fitting = (1..=lines).rev().find(|&lines| whole(lines) <= 256 * 1024).unwrap();
        for (lines, is_shown) in [(fitting, true), (fitting + 1, false)] {
            world.repository.write("long", line.repeat(lines));
            let rendered = world.render();
            let file = &rendered.files[0];
            assert_eq!((file.additions, file.truncated), (lines as u64, !is_shown));
            let last = rendered.unified_diff.lines().last().unwrap();
            if is_shown {
                assert_eq!(rendered.unified_diff.len(), whole(lines));
            } else {
                let stub = format!("Diff too large to show: {} bytes", whole(lines));
                assert_eq!(last, stub);
                assert_eq!(rendered.unified_diff.lines().count(), 6);
            }
        }
    }

    #[test]
    fn beyond_the_total_files_are_left_out_and_come_back() {
        let world = World::new();
        let contents = "0123456789abcde\n".repeat(6400);
        for n in 0..100 {
            world.repository.write(format!("f{n:02}"), &contents);
        }
        world.repository.write("small", "s\n");
        let mut renderer = Renderer::new();
        let rendered = world.render_with(&mut renderer);
        let shown = rendered.spans.iter().flatten().count();
        let left_out = 101 - shown;
        assert!(left_out > 60);
        assert!(rendered.unified_diff.len() <= 3 * 1024 * 1024);
        let last = format!("\nTotal diff too large to show: {left_out} files left out\n");
        assert!(rendered.unified_diff.ends_with(&last));
        assert!(rendered.spans[100].is_some(), "what is small still fits");
        for (file, span) in rendered.files.iter().zip(&rendered.spans) {
            assert_eq!(file.truncated, span.is_none());
            let start = format!("diff --git a/{0} b/{0}\n", file.path);
            assert!(
                span.clone().is_none_or(|span| rendered.unified_diff[span].starts_with(&start))
            );
        }
        let kept: usize = renderer.kept.values().map(|section| section.weight()).sum();
        assert!(kept <= 8 * 1024 * 1024);

        // Those whose hunks were not kept are made again when there is room for them.
        for n in 0..90 {
            world.repository.remove(format!("f{n:02}"));
        }
        let rendered = world.render_with(&mut renderer);
        assert_eq!(rendered.files.len(), 11);
        world.compare(&rendered);
    }

    #[test]
    fn files_beyond_the_limit_are_counted() {
        let world = World::new();
        let stat = Stat {
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            links: 1,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            ctime: (0, 0),
        };
        world.repository.git(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
        let id = crate::convert::blob_id(ObjectFormat::Sha1, b"");
        let change = |n| Change {
            path: format!("{n:06}").into_bytes(),
            standing: Standing::Tracked,
            head: None,
            work: Some(WorkFile { mode: Mode::Submodule, id: Some(id), indexed: false, stat }),
        };
        let changes: Vec<_> = (0..MAX_GIT_FILES + 3).map(change).collect();
        let root = Root::open(world.repository.root()).unwrap();
        let (object_format, stop) = (ObjectFormat::Sha1, AtomicBool::new(false));
        let mut source = world.source();
        let look = Rendering { root: &root, source: &mut source, object_format, stop: &stop };
        let rendered = Renderer::new().render(&changes, 40, look).unwrap();
        assert_eq!(rendered.files.len(), MAX_GIT_FILES);
        assert_eq!(rendered.files_left_out, 43);
        assert!(rendered.unified_diff.contains("a/009999 "));
        assert!(!rendered.unified_diff.contains("a/010000 "));
    }

    #[test]
    fn a_missing_blob_makes_only_its_file_incomplete() {
        let world = world_of_changes();
        let id = world.repository.text(&["rev-parse", "HEAD:gone"]);
        world.repository.remove(format!(".git/objects/{}/{}", &id[..2], &id[2..]));
        let rendered = world.render();
        let gone = rendered.files.iter().find(|file| file.path == "gone").unwrap();
        assert!(gone.truncated);
        assert_eq!(rendered.files.iter().filter(|file| file.truncated).count(), 1);
    }
}
