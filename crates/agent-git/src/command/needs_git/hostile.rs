//! Repositories that would like to run a program: none may.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A program that leaves a trace when it is run.
struct Trap {
    place: Place,
    program: PathBuf,
    trace: PathBuf,
}

impl Trap {
    fn new() -> Self {
        let place = Place::new();
        let (program, trace) = (place.path("trap"), place.path("trace"));
        // As a filter it passes on what it gets; everything else is called with arguments.
        let body = format!(
            "#!/bin/sh\necho \"$0 $*\" >> {}\n[ $# -eq 0 ] || exit 1\ncat\n",
            trace.display()
        );
        fs::write(&program, body).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { place, program, trace }
    }

    fn program(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// A repository whose file differs from HEAD in a way that needs its contents to be read.
    fn repository(&self) -> GitRepository {
        let repository = self.place.repository("r", &[]);
        repository.write("a", "a\n");
        repository.write("b", "b\n");
        repository.commit_all("one");
        repository.write("a", "A\n");
        repository.write("b", "b\n");
        repository.write("new", "new\n");
        repository
    }

    /// Asks a repository for everything; nothing must have been run.
    #[track_caller]
    fn check(&self, repository: &GitRepository) {
        let blob = id(&repository.text(&["rev-parse", "HEAD:a"]));
        let _ = fs::remove_file(&self.trace);
        let found = opened(repository.root(), move |command, root| {
            let found = command.changes(root).unwrap();
            command.head().unwrap();
            command.blob(blob).unwrap();
            command.blob_size(blob).unwrap();
            command.conversion(b"a").unwrap();
            command.abbreviations(&[blob]).unwrap();
            found
        });
        assert!(found.iter().any(|change| change.path == b"a"));
        let ran = fs::read_to_string(&self.trace).unwrap_or_default();
        assert_eq!(ran, "", "a program was run");
    }

    /// The trap works: git by itself would run the program.
    #[track_caller]
    fn assert_armed(&self, repository: &GitRepository, args: &[&str]) {
        repository.try_git(args);
        assert!(self.trace.exists(), "git {args:?} runs nothing");
    }
}

#[test]
fn no_file_system_monitor_is_run() {
    let trap = Trap::new();
    let repository = trap.repository();
    repository.git(&["config", "core.fsmonitor", trap.program()]);
    trap.assert_armed(&repository, &["status"]);
    trap.check(&repository);
}

#[test]
fn no_filter_is_run() {
    for (index, key) in ["clean", "smudge", "process"].into_iter().enumerate() {
        for required in ["true", "false"] {
            let trap = Trap::new();
            let repository = trap.repository();
            // Names of filters are any bytes.
            let name = ["x", "a=b.c d", "\"q"][index];
            repository.write(".git/info/attributes", format!("* filter={name}\n"));
            if index != 0 {
                repository.write(".git/info/attributes", "* filter=x\n");
            }
            for name in [name, "x"] {
                repository.git(&["config", &format!("filter.{name}.{key}"), trap.program()]);
                repository.git(&["config", &format!("filter.{name}.required"), required]);
            }
            if key != "smudge" {
                trap.assert_armed(&repository, &["status"]);
            }
            trap.check(&repository);
        }
    }
}

#[test]
fn no_filter_of_an_included_file_is_run() {
    let trap = Trap::new();
    let repository = trap.repository();
    repository.write(".gitattributes", "* filter=x\n");
    repository.write(".git/more", format!("[filter \"x\"]\nclean = {}\n", trap.program()));
    repository.write(".git/config.worktree", "[include]\npath = more\n");
    repository.git(&["config", "extensions.worktreeConfig", "true"]);
    trap.assert_armed(&repository, &["status"]);
    trap.check(&repository);
    repository.write(".git/config.worktree", "[includeIf \"onbranch:main\"]\npath = more\n");
    trap.check(&repository);
}

#[test]
fn no_hook_is_run() {
    let trap = Trap::new();
    let repository = trap.repository();
    let hooks = trap.place.path("hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in ["post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-commit"] {
        fs::copy(&trap.program, hooks.join(hook)).unwrap();
        fs::copy(&trap.program, repository.path(".git/hooks").join(hook)).unwrap();
    }
    repository.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    trap.assert_armed(&repository, &["update-index", "--force-write-index"]);
    trap.check(&repository);
}

#[test]
fn no_program_for_showing_or_asking_is_run() {
    let trap = Trap::new();
    let repository = trap.repository();
    repository.write(".git/info/attributes", "* diff=x merge=x\n");
    for key in [
        "core.pager",
        "pager.status",
        "pager.cat-file",
        "pager.config",
        "core.editor",
        "core.askPass",
        "core.sshCommand",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.x.command",
        "diff.x.textconv",
        "merge.x.driver",
        "credential.helper",
        "gpg.program",
        "interactive.diffFilter",
        "sequence.editor",
        "uploadpack.packObjectsHook",
    ] {
        repository.git(&["config", key, trap.program()]);
    }
    for alias in ["status", "cat-file", "ls-tree", "ls-files", "config", "symbolic-ref", "version"]
    {
        repository.git(&["config", &format!("alias.{alias}"), &format!("!{}", trap.program())]);
    }
    repository.git(&["config", "log.showSignature", "true"]);
    repository.git(&["config", "status.submoduleSummary", "true"]);
    trap.assert_armed(&repository, &["diff"]);
    trap.check(&repository);
}

#[test]
fn nothing_that_a_submodule_configures_is_run() {
    let trap = Trap::new();
    let part = trap.place.repository("part", &[]);
    part.write("a", "a\n");
    part.commit_all("one");
    let repository = trap.repository();
    repository.git(&["submodule", "--quiet", "add", "../part", "sub"]);
    repository.write("a", "a\n");
    repository.commit_all("two");
    repository.write("a", "A\n");
    let sub = GitRepository::at(repository.path("sub"));
    sub.git(&["config", "core.fsmonitor", trap.program()]);
    sub.git(&["config", "filter.x.clean", trap.program()]);
    sub.write("a", "b\n");
    repository.write(".git/modules/sub/info/attributes", "* filter=x\n");
    repository.git(&["config", "submodule.sub.update", &format!("!{}", trap.program())]);
    repository.git(&["config", "submodule.sub.ignore", "none"]);
    repository.git(&["config", "diff.ignoreSubmodules", "none"]);
    trap.assert_armed(&repository, &["status"]);
    trap.check(&repository);
    // Nor is it when a commit is there that differs.
    sub.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    trap.check(&repository);
}

#[test]
fn nothing_is_fetched_for_a_partial_clone() {
    let trap = Trap::new();
    let far = trap.place.repository("far", &[]);
    far.write("a", "a\n");
    far.write("b", "b\n");
    far.commit_all("one");
    far.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", far.root().display());
    far.git(&["clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, "../near"]);
    let near = GitRepository::at(trap.place.path("near"));
    near.git(&["read-tree", "HEAD"]);
    near.git(&["config", "remote.origin.uploadpack", trap.program()]);
    near.git(&["config", "protocol.file.allow", "always"]);
    near.git(&["config", "protocol.ext.allow", "always"]);
    let blob = id(&far.text(&["rev-parse", "HEAD:a"]));
    let objects = near.text(&["count-objects", "-v"]);
    let transports = [
        url.clone(),
        format!("ext::{} x", trap.program()),
        format!("ssh://-oProxyCommand={}/x", trap.program()),
    ];
    for url in transports {
        near.git(&["config", "remote.origin.url", &url]);
        let found = opened(near.root(), move |command, root| {
            let error = command.blob(blob).unwrap_err();
            let is_failure =
                matches!(error, SourceError::Missing { .. } | SourceError::Failed { .. });
            assert!(is_failure, "{error}");
            command.changes(root).unwrap()
        });
        assert_eq!(found.len(), 2, "both files are gone from the work tree");
        let ran = fs::read_to_string(&trap.trace).unwrap_or_default();
        assert_eq!(ran, "", "a program was run");
    }
    assert_eq!(near.text(&["count-objects", "-v"]), objects, "nothing was fetched");
    near.git(&["config", "remote.origin.url", &url]);
    trap.assert_armed(&near, &["cat-file", "-p", &blob.to_string()]);
}

#[test]
fn an_owner_without_trust_is_read_all_the_same() {
    let trap = Trap::new();
    let repository = trap.repository();
    repository.git(&["config", "safe.directory", ""]);
    trap.check(&repository);
}

mod needs_root {
    use super::*;

    #[test]
    fn a_repository_of_another_owner_is_read_by_both_sources() {
        let trap = Trap::new();
        let repository = trap.repository();
        let mut paths = vec![repository.root().to_owned()];
        paths.extend(everything(repository.root()).into_iter().map(|(path, ..)| path));
        for path in paths {
            std::os::unix::fs::lchown(path, Some(agent_test::NOBODY), None).unwrap();
        }
        let refused = repository.try_git(&["status"]);
        assert!(!refused.status.success(), "git itself refuses");
        let location = located(repository.root());
        let head = Native::open(&location, &User::default()).unwrap().head().unwrap();
        assert!(head.commit.is_some());
        let found = opened(repository.root(), |command, root| {
            (command.head().unwrap(), command.changes(root).unwrap())
        });
        assert_eq!(found.0, head);
        assert_eq!(found.1.len(), 2);
    }
}
