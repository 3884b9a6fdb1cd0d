//! What git gets to know and what it may do: built from nothing, so that neither the user's
//! configuration nor a hostile repository has a say in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use agent_exec::Environment;

use super::run::Program;
use crate::repository::{Settings, User};

/// Settings that outweigh those of the repository, in git's own way: `GIT_CONFIG_COUNT`.
pub(super) struct Overrides(Vec<(OsString, OsString)>);

impl Overrides {
    pub(super) fn new(settings: &Settings) -> Self {
        let nothing = || OsString::from("/dev/null");
        let file =
            |file: &Option<std::path::PathBuf>| file.clone().map_or_else(nothing, OsString::from);
        let fixed = [
            ("safe.directory", "*"),
            // Programs that git would run.
            ("core.fsmonitor", "false"),
            ("core.hooksPath", "/dev/null"),
            ("core.sshCommand", "false"),
            ("core.gitProxy", ""),
            ("core.pager", "cat"),
            ("core.askPass", ""),
            ("credential.helper", ""),
            ("core.alternateRefsCommand", "false"),
            // Programs that would do more than reading.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("protocol.allow", "never"),
        ];
        let mut overrides = Self(Vec::new());
        for (name, value) in fixed {
            overrides.set(name, value);
        }
        overrides.set("core.excludesFile", file(&settings.excludes_file));
        overrides.set("core.attributesFile", file(&settings.attributes_file));
        overrides
    }

    fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.push((name.into(), value.into()));
    }

    /// Takes the programs away from the filters of these names.
    pub(super) fn disarm<'a>(&mut self, filters: impl Iterator<Item = &'a [u8]>) {
        for filter in filters {
            let name = |key: &[u8]| OsString::from_vec([b"filter.", filter, b".", key].concat());
            for program in [&b"clean"[..], b"smudge", b"process"] {
                self.set(name(program), "");
            }
            self.set(name(b"required"), "false");
        }
    }
}

/// The complete environment of a `git`.
pub(super) fn environment(
    program: &Program,
    user: &User,
    overrides: &Overrides,
    id: uuid::Uuid,
) -> Environment {
    let mut environment: Environment = [
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // Objects that a partial clone lacks stay away, whatever the repository allows.
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_ALLOW_PROTOCOL", "none"),
        ("GIT_PAGER", "cat"),
    ]
    .into_iter()
    .collect();
    environment.set("PATH", &program.path);
    // For `~` in the paths of the repository's configuration.
    environment.set("HOME", user.home.as_os_str());
    environment.set("WORKSPACE_PROCESS_ID", id.to_string());
    environment.set("GIT_CONFIG_COUNT", overrides.0.len().to_string());
    for (index, (name, value)) in overrides.0.iter().enumerate() {
        environment.set(format!("GIT_CONFIG_KEY_{index}"), OsStr::new(name));
        environment.set(format!("GIT_CONFIG_VALUE_{index}"), OsStr::new(value));
    }
    environment
}
