//! `edit`: replacements of text, from arguments, files or a complete request.

use std::path::{Path, PathBuf};

use agent_sdk::{
    AgentConn,
    api::{Edit, EditFilesRequest, EditFilesResponse, EditedFile, FileEdits},
};

use crate::{Error, body, output::Output, palette::Part};

const EXAMPLES: &str = "\
The text must occur exactly once, unless --replace-all is given; white space may differ, unless
--no-fuzzy is. Several --old and --new are paired in their order. A request has the form of the
operation edit_files and may change many files; all of them are changed or none is.

Examples:
  agentctl edit /srv/app/main.c --old 'int a;' --new 'long a;' --diff
  agentctl edit /srv/app/main.c --old-file before.txt --new-file after.txt --dry-run
  agentctl edit --request edits.json
  generate-edits | agentctl edit --request - --json";

/// Arguments of `edit`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct EditArgs {
    /// File on the agent
    #[arg(required_unless_present = "request", conflicts_with = "request")]
    path: Option<String>,
    /// Text to find; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "request")]
    old: Vec<String>,
    /// Text to put in its place, may be empty; one for each --old
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "request")]
    new: Vec<String>,
    /// File on this machine that has the text to find; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "old"])]
    old_file: Vec<PathBuf>,
    /// File on this machine that has the text to put in its place; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "new"])]
    new_file: Vec<PathBuf>,
    /// Replace every occurrence
    #[arg(long, conflicts_with = "request")]
    replace_all: bool,
    /// Accept exact occurrences only
    #[arg(long, conflicts_with = "request")]
    no_fuzzy: bool,
    /// Fail unless the file has this etag
    #[arg(long, value_name = "ETAG", conflicts_with = "request")]
    if_match: Option<String>,
    /// File on this machine with a complete request in JSON; - is stdin
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Show what would change and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Show what was changed
    #[arg(long)]
    diff: bool,
}

pub(crate) async fn run(
    args: &EditArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let request = match &args.request {
        Some(file) => read_request(file, args, out).await?,
        None => request(args, out).await?,
    };
    let paths: Vec<String> = request.files.iter().map(|file| file.path.clone()).collect();
    let response = conn.edit_files(request).await?;
    if out.json {
        return out.json(&response).await;
    }
    print(&response, &paths, out).await
}

async fn read_request(
    file: &Path,
    args: &EditArgs,
    out: &mut Output<'_>,
) -> Result<EditFilesRequest, Error> {
    let text = body::read_text(file, out.io).await?;
    let mut request: EditFilesRequest = serde_json::from_str(&text)
        .map_err(|e| Error::usage(format!("`{}` is no request: {e}", file.display())))?;
    request.dry_run |= args.dry_run;
    request.include_diff |= args.diff;
    Ok(request)
}

async fn request(args: &EditArgs, out: &mut Output<'_>) -> Result<EditFilesRequest, Error> {
    let old = texts(&args.old, &args.old_file, out).await?;
    let new = texts(&args.new, &args.new_file, out).await?;
    if old.is_empty() {
        return Err(Error::usage("--old or --old-file is required"));
    }
    if old.len() != new.len() {
        let (old, new) = (old.len(), new.len());
        return Err(Error::usage(format!("{old} texts to find and {new} to put in their place")));
    }
    let edits = old.into_iter().zip(new).map(|(old_text, new_text)| Edit {
        replace_all: args.replace_all,
        fuzzy: !args.no_fuzzy,
        ..Edit::new(old_text, new_text)
    });
    let file = FileEdits {
        path: args.path.clone().unwrap_or_default(),
        if_match: args.if_match.clone(),
        edits: edits.collect(),
    };
    Ok(EditFilesRequest { files: vec![file], include_diff: args.diff, dry_run: args.dry_run })
}

async fn texts(
    given: &[String],
    files: &[PathBuf],
    out: &mut Output<'_>,
) -> Result<Vec<String>, Error> {
    let mut texts = given.to_vec();
    for file in files {
        texts.push(body::read_text(file, out.io).await?);
    }
    Ok(texts)
}

async fn print(
    response: &EditFilesResponse,
    paths: &[String],
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let Some(files) = &response.files else {
        // Without diffs the answer is empty, and a success means that every file was edited.
        for path in paths {
            let path = out.name(path).into_owned();
            if !out.quiet {
                out.line(format_args!("edited {path}")).await?;
            }
        }
        return Ok(());
    };
    for file in files {
        print_diff(file, out).await?;
    }
    Ok(())
}

async fn print_diff(file: &EditedFile, out: &mut Output<'_>) -> Result<(), Error> {
    if file.diff_omitted {
        out.note(format_args!("{}: the diff is too large to show", file.path));
    } else if !file.changed {
        out.note(format_args!("{}: no change", file.path));
    }
    for line in file.diff.split_inclusive('\n') {
        let text = line.strip_suffix('\n').unwrap_or(line);
        match part_of_diff(text) {
            Some(part) => out.line(out.paint(part, text.to_owned())).await?,
            None => out.line(text).await?,
        }
    }
    Ok(())
}

/// What a line of a unified diff is; `None` for context.
///
/// A removed line may itself begin with `--`, and only the first two lines of a diff are headers;
/// the mistake would cost nothing but a color.
fn part_of_diff(line: &str) -> Option<Part> {
    let starts = |prefix: &str| line.starts_with(prefix);
    match () {
        () if starts("--- ") || starts("+++ ") => Some(Part::Heading),
        () if starts("@@") => Some(Part::Hunk),
        () if starts("-") => Some(Part::Removed),
        () if starts("+") => Some(Part::Added),
        () => None,
    }
}
