//! The local agent in thirty lines: writes a file, edits it, reads its lines, lists its directory.

#![expect(clippy::print_stdout, reason = "a program at a prompt")]

use agent_sdk::{AgentClient, AgentConn, ByteStream, Config, Environment, Error, api};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let found = Environment::from_process().resolve(None, None)?;
    let agent = AgentClient::connect(found.target, Config::default())?;

    let path = "/tmp/thirty-lines/greeting.txt".to_owned();
    let request = api::WriteFileRequest { path: path.clone(), ..Default::default() };
    let written = agent.write_file(request, ByteStream::from("hello\nworld\n")).await?;
    println!("{} bytes, version {}", written.size_bytes, written.etag);

    let edits = vec![api::Edit::new("world", "agent")];
    let file = api::FileEdits { path: path.clone(), edits, ..Default::default() };
    let request =
        api::EditFilesRequest { files: vec![file], include_diff: true, ..Default::default() };
    for edited in agent.edit_files(request).await?.files.unwrap_or_default() {
        println!("{}", edited.diff);
    }

    let request = api::ReadFileLinesRequest { path, ..Default::default() };
    println!("{}", agent.read_file_lines(request).await?.content);

    let request = api::ListDirectoryRequest::all("/tmp/thirty-lines");
    for entry in agent.list_directory(request).await?.contents {
        println!("{} {}", entry.kind.as_str(), entry.name);
    }
    Ok(())
}
