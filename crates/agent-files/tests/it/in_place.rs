//! Files that can only be overwritten where they are, and edits that must take back what they did.

use agent_api::{Caller, Edit, EditFilesRequest, ErrorCode, FileEdits, WriteFileRequest};

use crate::fixture::{Fixture, refused};

fn edits(files: &[(&str, &str, &str)]) -> EditFilesRequest {
    let files = files.iter().map(|(path, old, new)| FileEdits::new(*path, [Edit::new(*old, *new)]));
    EditFilesRequest { files: files.collect(), include_diff: true, dry_run: false }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_of_proc_that_yields_nothing_is_written_in_place() {
    let fixture = Fixture::new();
    let written = fixture.write(WriteFileRequest::new("/proc/self/clear_refs"), "1").await.unwrap();
    assert!(written.in_place && !written.created);
    let answer = fixture.write(WriteFileRequest::new("/proc/self/no_such_file"), "1").await;
    refused(answer, ErrorCode::NotFound, "file does not exist");
}

#[cfg(target_os = "linux")]
mod needs_tmpfs {
    use agent_test::Mount;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_a_mount_is_overwritten_among_others() {
        let fixture = Fixture::new();
        let shown = Mount::tmpfs_on(fixture.dir("mount"), 1024 * 1024).unwrap();
        let shown_file = shown.path().join("shown");
        std::fs::write(&shown_file, "one").unwrap();
        let [first, mounted, last] =
            ["first", "mounted", "last"].map(|name| fixture.put(name, "one"));
        let bound = Mount::bind(&shown_file, &mounted).unwrap();

        let written = fixture.write(WriteFileRequest::new(&mounted), "longer than one").await;
        assert!(written.unwrap().in_place);
        let req = edits(&[
            (&mounted, "longer than one", "two"),
            (&first, "one", "two"),
            (&last, "one", "two"),
        ]);
        fixture.files.edit_files(&Caller::anonymous(), req).await.unwrap();
        for name in ["first", "mounted", "last", "mount/shown"] {
            assert_eq!(fixture.get(name), "two", "{name}");
        }
        drop(bound);
        assert_eq!(fixture.get("mounted"), "one");
        assert!(fixture.leftovers().is_empty());
    }

    #[tokio::test]
    async fn a_writable_file_in_a_directory_that_is_not_is_overwritten() {
        let fixture = Fixture::new();
        let (path, shown) = (fixture.dir("ro"), fixture.put("shown", "one"));
        std::fs::write(fixture.at("ro/f"), "").unwrap();
        let directory = Mount::bind(&path, &path).unwrap();
        let file = Mount::bind(&shown, fixture.at("ro/f")).unwrap();
        directory.make_read_only().unwrap();

        let path = fixture.path("ro/f");
        assert!(fixture.write(WriteFileRequest::new(&path), "two").await.unwrap().in_place);
        let req = edits(&[(&path, "two", "three")]);
        fixture.files.edit_files(&Caller::anonymous(), req).await.unwrap();
        assert_eq!(fixture.get("shown"), "three");
        let answer = fixture.write(WriteFileRequest::new(fixture.path("ro/new")), "x").await;
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        file.make_read_only().unwrap();
        let answer = fixture.write(WriteFileRequest::new(&path), "four").await;
        refused(answer, ErrorCode::PermissionDenied, "permission denied");
        // The file lies on the directory.
        drop(file);
        drop(directory);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_an_empty_file_with_two_names_empty() {
        let fixture = Fixture::new();
        let _mount = Mount::tmpfs_on(fixture.dir("mount"), 1024 * 1024).unwrap();
        let path = fixture.put("mount/f", "");
        std::fs::hard_link(&path, fixture.at("mount/g")).unwrap();
        let answer = fixture.write(WriteFileRequest::new(&path), vec![b'x'; 2 * 1024 * 1024]).await;
        refused(answer, ErrorCode::Internal, "no space left");
        assert_eq!(fixture.get("mount/g"), "");
    }
}

#[cfg(target_os = "linux")]
mod needs_root {
    use std::os::unix::fs::{PermissionsExt, chown};

    use agent_test::NOBODY;

    use super::*;
    use crate::fixture::as_nobody;

    /// Only the owner may set its time, and one tick of the clock sees many writes.
    #[test]
    fn a_file_of_another_user_has_a_new_version_after_each_write() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        std::fs::set_permissions(fixture.root.join("state"), PermissionsExt::from_mode(0o777))
            .unwrap();
        fixture.dir("ro");
        let path = fixture.put("ro/f", "0000");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let etags = as_nobody(async {
            let mut etags = Vec::new();
            for number in 1000..1030 {
                let req = WriteFileRequest::new(&path);
                let written = fixture.write(req, number.to_string()).await.unwrap();
                assert!(written.in_place);
                etags.push(written.etag);
            }
            etags
        });
        assert!(etags.windows(2).all(|pair| pair[0] != pair[1]), "{etags:?}");
        assert_eq!(fixture.get("ro/f"), "1029");
    }

    #[test]
    fn when_the_third_rename_fails_the_first_two_are_taken_back() {
        let fixture = Fixture::new();
        fixture.open_to_all();
        // A sticky directory takes new files from everybody, but a file is replaced by its owner.
        std::fs::set_permissions(fixture.at("."), PermissionsExt::from_mode(0o1777)).unwrap();
        let [first, second, third] = ["a", "b", "c"].map(|name| fixture.put(name, "one"));
        for path in [&first, &second, &third] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
        }
        for path in [&first, &second] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let req = edits(&[(&first, "one", "2"), (&second, "one", "2"), (&third, "one", "2")]);
        let answer = as_nobody(fixture.files.edit_files(&Caller::anonymous(), req));
        refused(answer, ErrorCode::PermissionDenied, "already changed was restored");
        for name in ["a", "b", "c"] {
            assert_eq!(fixture.get(name), "one", "{name}");
        }
        assert!(fixture.leftovers().is_empty());
    }
}
