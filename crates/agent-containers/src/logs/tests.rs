//! Logs on a real disk: written, read meanwhile and later, full.

use std::{fs, time::Duration};

use agent_api::DevContainerLogLevel::{Error, Info};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const ID: Uuid = Uuid::from_u128(7);

fn logs() -> (TempDir, Logs) {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs::new(directory.path().join("devcontainers"));
    (directory, logs)
}

async fn next(reader: &mut LogReader) -> Option<String> {
    let entry = timeout(Duration::from_secs(10), reader.next()).await.unwrap();
    entry.map(|entry| entry.unwrap().text)
}

async fn rest(reader: &mut LogReader) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(text) = next(reader).await {
        texts.push(text);
    }
    texts
}

async fn texts(logs: &Logs) -> Vec<String> {
    rest(&mut logs.read(ID, false)).await
}

/// Writes entries, each of which is a number followed by that many bytes.
async fn write(writer: &mut LogWriter, numbers: std::ops::Range<usize>, length: usize) {
    for number in numbers {
        writer.write(Info, &format!("{number} {}", "x".repeat(length)));
        writer.flush().await;
    }
}

fn number(text: &str) -> usize {
    text.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_run_is_read_as_it_was_written() {
    let (directory, logs) = logs();
    assert_eq!(texts(&logs).await, [""; 0]);
    let mut writer = logs.begin(ID);
    writer.write(Info, "one\ntwo \0 é");
    writer.write(Error, "three");
    writer.flush().await;
    drop(writer);

    for logs in [&logs, &Logs::new(directory.path().join("devcontainers"))] {
        let mut reader = logs.read(ID, true);
        let first = reader.next().await.unwrap().unwrap();
        assert_eq!((first.level, first.text.as_str()), (Info, "one\ntwo \0 é"));
        assert!(first.at.as_unix_ms() > 0);
        let second = reader.next().await.unwrap().unwrap();
        assert_eq!((second.level, second.text.as_str()), (Error, "three"));
        assert!(reader.next().await.is_none());
        assert!(reader.next().await.is_none());
    }
    assert_eq!(rest(&mut logs.read(Uuid::from_u128(8), true)).await, [""; 0]);
}

#[tokio::test]
async fn the_last_two_runs_are_kept_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, logs) = logs();
    for text in ["one", "two", "three"] {
        let mut writer = logs.begin(ID);
        assert_eq!(texts(&logs).await, [""; 0], "a new run hides the one before it at once");
        writer.write(Info, text);
        writer.flush().await;
        assert_eq!(texts(&logs).await, [text]);
    }
    let path = |run| directory.path().join(format!("devcontainers/{ID}.{run}.log"));
    assert!(fs::read_to_string(path(1)).unwrap().contains("three"));
    assert!(fs::read_to_string(path(2)).unwrap().contains("two"));
    assert_eq!(fs::read_dir(path(1).parent().unwrap()).unwrap().count(), 2);
    for (path, mode) in [(path(1).parent().unwrap(), 0o700), (path(1).as_path(), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    logs.forget(ID).await;
    assert_eq!(fs::read_dir(path(1).parent().unwrap()).unwrap().count(), 0);
    assert_eq!(texts(&logs).await, [""; 0]);
}

#[tokio::test]
async fn followers_read_until_the_run_ends() {
    let (_directory, logs) = logs();
    let mut writer = logs.begin(ID);
    let [mut first, mut second, mut slow] = [(); 3].map(|()| logs.read(ID, true));
    for text in ["one", "two"] {
        let waiting = first.next();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        writer.write(Info, text);
        writer.flush().await;
        let entry = timeout(Duration::from_secs(10), waiting).await.unwrap();
        assert_eq!(entry.unwrap().unwrap().text, text);
        assert_eq!(next(&mut second).await.as_deref(), Some(text));
    }
    assert_eq!(texts(&logs).await, ["one", "two"], "who does not follow does not wait");
    drop(writer);
    assert_eq!(next(&mut first).await, None);
    assert_eq!(next(&mut second).await, None);
    assert_eq!(rest(&mut slow).await, ["one", "two"], "a slow one misses nothing");
}

#[tokio::test]
async fn a_flush_that_is_given_up_is_written_before_the_end() {
    let (_directory, logs) = logs();
    let mut writer = logs.begin(ID);
    writer.write(Info, "one");
    {
        let flush = writer.flush();
        tokio::pin!(flush);
        // Begins the work and leaves.
        let _ = futures_util::poll!(&mut flush);
    }
    let mut follower = logs.read(ID, true);
    drop(writer);
    assert_eq!(rest(&mut follower).await, ["one"]);
}

#[tokio::test]
async fn the_oldest_lines_of_a_long_run_are_dropped_and_counted() {
    let (directory, logs) = logs();
    let mut writer = logs.begin(ID);
    let (mut slow, mut early) = (logs.read(ID, true), logs.read(ID, true));
    write(&mut writer, 0..10, 100_000).await;
    assert_eq!(number(&next(&mut slow).await.unwrap()), 0);
    write(&mut writer, 10..250, 100_000).await;
    // The rest of what the slow one had begun to read may still be there.
    let kept = fs::metadata(directory.path().join(format!("devcontainers/{ID}.1.log"))).unwrap();
    assert!(kept.len() <= MAX_RUN_BYTES && kept.len() > MAX_RUN_BYTES / 8 * 7 - 200_000);

    let mut live = logs.read(ID, false);
    let first = next(&mut live).await.unwrap();
    let dropped = number(&first);
    assert!(first.ends_with("older lines were dropped") && dropped > 100, "{first}");
    let numbers: Vec<_> = rest(&mut live).await.iter().map(|text| number(text)).collect();
    assert_eq!(numbers, (dropped..250).collect::<Vec<_>>());

    let missed = next(&mut slow).await.unwrap();
    assert_eq!(missed, format!("{} older lines were dropped", dropped - 1));
    assert_eq!(number(&next(&mut slow).await.unwrap()), dropped);
    assert_eq!(next(&mut early).await.unwrap(), first);

    drop(writer);
    let again = texts(&Logs::new(directory.path().join("devcontainers"))).await;
    assert_eq!(again[0], first, "the file says so too");
    assert_eq!(again.len(), 251 - dropped);
    assert_eq!(rest(&mut slow).await.len(), 249 - dropped);
}

#[tokio::test]
async fn a_batch_that_is_too_long_loses_its_first_lines() {
    let (_directory, logs) = logs();
    let mut writer = logs.begin(ID);
    write(&mut writer, 0..3, 10).await;
    for number in 3..30 {
        writer.write(Info, &format!("{number} {}", "x".repeat(1_000_000)));
    }
    writer.flush().await;
    let texts = texts(&logs).await;
    assert_eq!(texts[0], "21 older lines were dropped");
    let numbers: Vec<_> = texts[1..].iter().map(|text| number(text)).collect();
    assert_eq!(numbers, (21..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_longest_entry_is_kept() {
    let (_directory, logs) = logs();
    let mut writer = logs.begin(ID);
    write(&mut writer, 0..1, 10).await;
    for _ in 0..3 {
        writer.write(Info, &"\0".repeat(16 << 20));
        writer.flush().await;
    }
    let texts = texts(&logs).await;
    assert_eq!(texts[0], "3 older lines were dropped");
    assert!(texts[1].len() > 1 << 20 && texts[1].ends_with("bytes left out)"));
    assert_eq!(texts.len(), 2);
}

#[tokio::test]
async fn what_a_crash_left_is_passed_over() {
    let (directory, logs) = logs();
    let mut writer = logs.begin(ID);
    write(&mut writer, 0..2, 10).await;
    drop(writer);
    let path = directory.path().join(format!("devcontainers/{ID}.1.log"));
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"\xff\0{\n[1]\n{\"at\": \"2030");
    fs::write(&path, bytes).unwrap();
    assert_eq!(texts(&logs).await.len(), 2);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_loses_lines_and_says_so_when_it_can() {
    let (directory, logs) = logs();
    let folder = directory.path().join("devcontainers");
    fs::write(&folder, "in the way").unwrap();
    let mut writer = logs.begin(ID);
    let mut follower = logs.read(ID, true);
    write(&mut writer, 0..3, 10).await;
    fs::remove_file(&folder).unwrap();
    write(&mut writer, 3..5, 10).await;
    drop(writer);
    let texts = rest(&mut follower).await;
    assert!(texts[0].starts_with("3 lines could not be written: "), "{texts:?}");
    assert_eq!(texts[1..].iter().map(|text| number(text)).collect::<Vec<_>>(), [3, 4]);
}

#[cfg(target_os = "linux")]
mod needs_tmpfs {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_loses_lines_and_says_so_when_there_is_room() {
        let mount = agent_test::Mount::tmpfs(256 * 1024).unwrap();
        let logs = Logs::new(mount.path().join("devcontainers"));
        let filler = mount.path().join("filler");
        fs::write(&filler, vec![0; 128 * 1024]).unwrap();
        let mut writer = logs.begin(ID);
        let mut follower = logs.read(ID, true);
        write(&mut writer, 0..50, 10_000).await;
        fs::remove_file(&filler).unwrap();
        write(&mut writer, 50..52, 10).await;
        drop(writer);

        let found = rest(&mut follower).await;
        let at = found.iter().position(|text| text.contains("no space left")).unwrap();
        assert!(at > 0 && number(&found[at]) == 50 - at, "{at} {}", found[at]);
        let numbers: Vec<_> = found
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != at)
            .map(|(_, text)| number(text))
            .collect();
        assert_eq!(numbers, (0..at).chain(50..52).collect::<Vec<_>>());
        assert_eq!(texts(&logs).await, found, "the file is the same");
    }

    #[tokio::test]
    async fn lines_that_cannot_be_dropped_for_want_of_room_stay() {
        let mount = agent_test::Mount::tmpfs(12 * 1024 * 1024).unwrap();
        let logs = Logs::new(mount.path().join("devcontainers"));
        let mut writer = logs.begin(ID);
        write(&mut writer, 0..150, 100_000).await;
        drop(writer);
        let found = texts(&logs).await;
        let numbers: Vec<_> = found.iter().map(|text| number(text)).collect();
        assert_eq!(numbers, (0..found.len()).collect::<Vec<_>>());
        assert!(found.len() > 100);
        let folder = mount.path().join("devcontainers");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing half done is left");
    }
}
