//! What is copied where, read from the arguments of `cp`; nothing is looked up on a disk.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use agent_sdk::api::AbsolutePath;

use crate::Error;

/// One argument of `cp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A path on the agent, without the `:` that marked it.
    Agent(String),
    /// A path on this machine.
    Local(PathBuf),
    /// stdin or stdout.
    Standard,
}

/// A copy in one of its directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Files and directories of this machine to a place on the agent.
    Upload {
        /// At least one.
        sources: Vec<PathBuf>,
        /// A path on the agent.
        to: String,
    },
    /// stdin to a file on the agent.
    UploadStdin {
        /// A path on the agent.
        to: String,
    },
    /// Files and directories of the agent to a place on this machine.
    Download {
        /// At least one.
        sources: Vec<String>,
        /// A path on this machine.
        to: PathBuf,
    },
    /// A file on the agent to stdout.
    DownloadToStdout {
        /// A path on the agent.
        source: String,
    },
}

impl Operand {
    /// Reads one argument: `:PATH` is on the agent, `-` is stdin or stdout, the rest is local.
    ///
    /// # Errors
    ///
    /// A sentence when a path on the agent is empty or not UTF-8, or a local one is empty.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path must not be empty".to_owned());
        }
        if text == "-" {
            return Ok(Self::Standard);
        }
        match text.as_bytes().strip_prefix(b":") {
            None => Ok(Self::Local(text.into())),
            Some([]) => Err("a path on the agent begins with `:/`".to_owned()),
            Some(path) => match str::from_utf8(path) {
                Ok(path) => Ok(Self::Agent(path.to_owned())),
                Err(_) => Err("a path on the agent must be UTF-8".to_owned()),
            },
        }
    }
}

/// Decides the direction of a copy from all of its operands, the destination last.
///
/// # Errors
///
/// [`Error::Usage`] unless all sources are on one side and the destination is on the other.
pub(crate) fn plan(operands: &[Operand]) -> Result<Plan, Error> {
    let Some((to, sources)) = operands.split_last().filter(|(_, sources)| !sources.is_empty())
    else {
        return Err(Error::usage("cp needs a source and a destination"));
    };
    match (sources, to) {
        ([Operand::Standard], Operand::Agent(to)) => Ok(Plan::UploadStdin { to: to.clone() }),
        ([Operand::Agent(source)], Operand::Standard) => {
            Ok(Plan::DownloadToStdout { source: source.clone() })
        }
        (sources, Operand::Agent(to)) => {
            let local = sources.iter().map(|source| match source {
                Operand::Local(path) => Ok(path.clone()),
                Operand::Standard => Err(Error::usage("stdin must be the only source")),
                Operand::Agent(_) => Err(Error::usage(ONE_SIDE)),
            });
            Ok(Plan::Upload { sources: local.collect::<Result<_, _>>()?, to: to.clone() })
        }
        (sources, Operand::Local(to)) => {
            let agents = sources.iter().map(|source| match source {
                Operand::Agent(path) => Ok(path.clone()),
                Operand::Local(_) | Operand::Standard => Err(Error::usage(ONE_SIDE)),
            });
            Ok(Plan::Download { sources: agents.collect::<Result<_, _>>()?, to: to.clone() })
        }
        (_, Operand::Standard) => Err(Error::usage("only one file of the agent goes to stdout")),
    }
}

const ONE_SIDE: &str = "sources and destination must be on different sides: \
    a path on the agent begins with `:`, every other one is on this machine";

/// The name under which a source appears in a destination directory.
///
/// `None` when the source stands for its contents: `/`, and what ends in `.` or `..`.
pub(crate) fn name_of(source: &Path) -> Option<&OsStr> {
    // `Path::file_name` overlooks a final `/.`, which says to copy the contents.
    let bytes = source.as_os_str().as_bytes();
    if bytes.ends_with(b"/.") { None } else { source.file_name() }
}

/// Whether the path says by its end that it is a directory.
pub(crate) fn names_directory(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes.ends_with(b"/..")
}

/// A path on the agent as the agent cleans it; unchanged when the agent would refuse it.
pub(crate) fn clean(path: &str) -> String {
    AbsolutePath::parse(path).map_or_else(|_| path.to_owned(), |path| path.as_str().to_owned())
}

/// Appends a name to a path on the agent.
pub(crate) fn join(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

/// Whether a name that the agent sent can be a name in a directory here, and nothing but that.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operands(line: &str) -> Vec<Operand> {
        line.split(' ').map(|text| Operand::parse(text.into()).unwrap()).collect()
    }

    #[test]
    fn a_colon_marks_the_agents_side() {
        let cases = [
            (":/a", Ok(Operand::Agent("/a".into()))),
            (":a", Ok(Operand::Agent("a".into()))),
            ("a:b", Ok(Operand::Local("a:b".into()))),
            ("./:a", Ok(Operand::Local("./:a".into()))),
            ("-", Ok(Operand::Standard)),
            ("./-", Ok(Operand::Local("./-".into()))),
            (":", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in cases {
            assert_eq!(Operand::parse(text.into()).map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn a_path_on_the_agent_is_utf8_and_a_local_one_anything() {
        let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        assert!(Operand::parse(bytes(b":/\xff")).is_err());
        assert_eq!(Operand::parse(bytes(b"/\xff")), Ok(Operand::Local(bytes(b"/\xff").into())));
    }

    #[test]
    fn a_copy_has_one_direction() {
        let cases = [
            ("a :/b", Ok(Plan::Upload { sources: vec!["a".into()], to: "/b".into() })),
            (
                "a b :/c",
                Ok(Plan::Upload { sources: vec!["a".into(), "b".into()], to: "/c".into() }),
            ),
            ("- :/b", Ok(Plan::UploadStdin { to: "/b".into() })),
            (":/a b", Ok(Plan::Download { sources: vec!["/a".into()], to: "b".into() })),
            (":/a -", Ok(Plan::DownloadToStdout { source: "/a".into() })),
            ("a b", Err(())),
            (":/a :/b", Err(())),
            ("a :/b :/c", Err(())),
            (":/a b c", Err(())),
            ("- a :/b", Err(())),
            (":/a :/b -", Err(())),
            ("a -", Err(())),
            ("- -", Err(())),
            ("- b", Err(())),
            ("a", Err(())),
        ];
        for (line, expected) in cases {
            assert_eq!(plan(&operands(line)).map_err(drop), expected, "{line}");
        }
    }

    #[test]
    fn a_source_has_a_name_or_stands_for_its_contents() {
        let cases = [
            ("a", Some("a")),
            ("/x/a/", Some("a")),
            (".", None),
            ("..", None),
            ("/", None),
            ("a/.", None),
            ("a/..", None),
        ];
        for (path, expected) in cases {
            assert_eq!(name_of(Path::new(path)), expected.map(OsStr::new), "{path}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_plain() {
        for name in ["", ".", "..", "a/b", "/", "../x", "a\0b"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        for name in ["a", "...", ".a", "a b", ":a"] {
            assert!(is_plain_name(name), "{name:?}");
        }
    }

    #[test]
    fn joined_paths_have_one_slash_between() {
        let cases = [("/", "a", "/a"), ("/x", "a", "/x/a"), ("/x/", "a", "/x/a")];
        for (directory, name, expected) in cases {
            assert_eq!(join(directory, name), expected);
        }
    }
}
