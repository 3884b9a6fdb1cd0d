//! `write`: stdin or a local file becomes the content of a file, streamed.

use std::path::{Path, PathBuf};

use agent_sdk::{
    AgentConn,
    api::{FileMode, WriteFileRequest},
};

use crate::{Error, body::Upload, format::human_size, output::Output, progress::Progress};

const EXAMPLES: &str = "\
The content is streamed, whatever its size, and appears as a whole or not at all. Missing parents
are created.

Examples:
  echo hello | agentctl write /srv/app/hello.txt
  agentctl write --mode 0755 /srv/app/run.sh run.sh
  agentctl write --if-match 8f3a00aa118f3a00 /srv/app/config.json < config.json";

/// Arguments of `write`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WriteArgs {
    /// File on the agent
    path: String,
    /// File on this machine that has the content; - is stdin
    #[arg(default_value = "-", value_name = "FILE")]
    from: PathBuf,
    /// Exact mode of a new file, in octal digits [default: 0666 less the agent's umask]
    #[arg(long, short, value_name = "MODE")]
    mode: Option<FileMode>,
    /// Wait until the content is on the disk
    #[arg(long)]
    sync: bool,
    /// Fail unless the file has this etag; * is any
    #[arg(long, value_name = "ETAG", conflicts_with = "create_only")]
    if_match: Option<String>,
    /// Fail if the file exists
    #[arg(long)]
    create_only: bool,
}

impl WriteArgs {
    fn request(&self) -> WriteFileRequest {
        WriteFileRequest {
            path: self.path.clone(),
            sync: self.sync,
            mode: self.mode,
            if_match: self.if_match.clone(),
            if_none_match: self.create_only.then(|| "*".to_owned()),
        }
    }
}

pub(crate) async fn run(
    args: &WriteArgs,
    conn: &dyn AgentConn,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let progress = Progress::new(out.io.stderr_is_terminal && !out.quiet);
    let upload = if args.from == Path::new("-") {
        Upload::stdin(out.io, &progress)?
    } else {
        Upload::file(&args.from, &progress).await?
    };
    let (stream, explain) = upload.split();
    let response = conn.write_file(args.request(), stream).await;
    progress.finish();
    let response = response.map_err(explain)?;
    let size = human_size(response.size_bytes);
    let what = if response.created { "created" } else { "wrote" };
    let path = out.name(&args.path).into_owned();
    out.done(&response, format_args!("{what} {path}, {size}, etag {}", response.etag)).await
}
