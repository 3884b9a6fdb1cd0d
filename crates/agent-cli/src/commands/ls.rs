//! `ls`: the entries of a directory, page by page, so that a large one needs no more memory.

use agent_sdk::{
    AgentConn,
    api::{
        DirEntry, DirectoryRef, ListDirectoryRequest, ListDirectoryResponse, RelativeDirectory,
        Relativity,
    },
};

use crate::{
    Error,
    format::{human_size, human_time, kind_letter, mode_letters},
    output::Output,
    palette::Part,
};

/// Entries that are asked for at once when no `--limit` is given.
const PAGE: u64 = 5_000;

const EXAMPLES: &str = "\
Directories come first, then everything else, each in the order of their bytes. Hidden entries are
always listed. With --json there is one response for each page of 5,000 entries.

Examples:
  agentctl ls
  agentctl ls -lh /srv/app
  agentctl ls --json /srv/app | jq -r '.contents[] | select(.is_dir) | .name'";

/// Arguments of `ls`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true)]
pub struct LsArgs {
    /// Directory [default: the home of the agent's user]
    path: Option<String>,
    /// Show kind, mode, size and time too
    #[arg(long, short)]
    long: bool,
    /// With -l, show sizes with units
    #[arg(long, short = 'h')]
    human_readable: bool,
    /// Accepted for habit: hidden entries are always listed
    #[arg(long, short, hide = true)]
    all: bool,
    /// List at most this many entries, in one answer
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Begin after the entry that the answer before named in `next_after`
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

pub(crate) async fn run(
    args: &LsArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut after = args.after.clone();
    loop {
        let request = ListDirectoryRequest {
            directory: directory(args.path.as_deref()),
            limit: args.limit.unwrap_or(PAGE),
            after: after.take(),
        };
        let page = conn.list_directory(request).await?;
        print(args, &page, out).await?;
        if page.incomplete {
            out.problem(format_args!(
                "{}: not all entries could be read",
                page.absolute_path_string
            ));
        }
        match page.next_after {
            Some(next) if args.limit.is_none() => after = Some(next),
            Some(next) => {
                out.note(format_args!("there are more entries; go on with --after {next}"));
                return Ok(());
            }
            None => return Ok(()),
        }
    }
}

fn directory(path: Option<&str>) -> DirectoryRef {
    match path {
        Some(path) => DirectoryRef::Path(path.to_owned()),
        None => DirectoryRef::Relative(RelativeDirectory {
            relativity: Relativity::Home,
            path: Vec::new(),
        }),
    }
}

async fn print(
    args: &LsArgs,
    page: &ListDirectoryResponse,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    if out.json {
        return out.json(page).await;
    }
    let size_width =
        page.contents.iter().map(|entry| size(entry, args.human_readable).len()).max().unwrap_or(0);
    for entry in &page.contents {
        let name = out.paint(Part::Name(entry.kind), out.name(&entry.name).into_owned());
        if args.long {
            let details = details(entry, args.human_readable, size_width);
            let target = entry.symlink_target.as_deref().map(|target| out.name(target));
            let arrow = target.map(|target| format!(" -> {target}")).unwrap_or_default();
            out.line(format_args!("{details} {name}{arrow}")).await?;
        } else {
            out.line(name).await?;
        }
    }
    Ok(())
}

/// Kind, mode, size and time in columns; what the agent may not examine is a question mark.
fn details(entry: &DirEntry, human: bool, size_width: usize) -> String {
    let kind = kind_letter(entry.kind);
    let mode = entry.mode.map_or_else(|| "?????????".to_owned(), mode_letters);
    let time = entry.modified_at.map_or_else(|| "?".to_owned(), human_time);
    let size = size(entry, human);
    format!("{kind}{mode} {size:>size_width$} {time:<20}")
}

fn size(entry: &DirEntry, human: bool) -> String {
    match entry.size_bytes {
        None => "?".to_owned(),
        Some(bytes) if human => human_size(bytes),
        Some(bytes) => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use agent_sdk::api::{EntryKind, Timestamp};

    use super::*;

    fn entry(name: &str, kind: EntryKind, size: Option<u64>) -> DirEntry {
        DirEntry {
            name: name.to_owned(),
            absolute_path_string: format!("/{name}"),
            is_dir: kind == EntryKind::Directory,
            kind,
            size_bytes: size,
            modified_at: size.map(|_| Timestamp::from_unix_ms(0)),
            mode: size.map(|_| "0750".parse().unwrap()),
            symlink_target: None,
            lossy: false,
            etag: None,
        }
    }

    #[test]
    fn a_long_line_has_columns() {
        let cases = [
            (EntryKind::Directory, Some(4096), false, "drwxr-x---   4096 1970-01-01 00:00:00Z"),
            (EntryKind::File, Some(1536), true, "-rwxr-x--- 1.5 KiB 1970-01-01 00:00:00Z"),
            (EntryKind::Fifo, None, false, "p?????????      ? ?                   "),
        ];
        for (kind, size, human, expected) in cases {
            let width = if human { 7 } else { 6 };
            assert_eq!(details(&entry("x", kind, size), human, width), expected);
        }
    }

    #[test]
    fn without_a_path_the_home_is_listed() {
        let home = RelativeDirectory { relativity: Relativity::Home, path: vec![] };
        assert_eq!(directory(None), DirectoryRef::Relative(home));
        assert_eq!(directory(Some("/a")), DirectoryRef::Path("/a".into()));
    }
}
