//! Messages of `watch_git` as text, and which of a client's make sense; not when they are sent.
//! Pure, so that it can be fuzzed alone.

use agent_api::{
    GitClientMessage, GitServerMessage,
    limits::{MAX_GIT_PATHS_PER_MESSAGE, MAX_WEBSOCKET_MESSAGE_BYTES},
};

/// Reads a text of the agent; `None` for a message of a newer one.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn decode(text: &[u8]) -> Result<Option<GitServerMessage>, String> {
    match serde_json::from_slice(text).map_err(|error| error.to_string())? {
        GitServerMessage::Unknown => Ok(None),
        message => Ok(Some(message)),
    }
}

/// Writes a message of the client as text.
///
/// # Errors
///
/// What the agent would refuse: no path or too many, a relative one, more than a message holds.
pub(super) fn encode(message: &GitClientMessage) -> Result<String, String> {
    if let GitClientMessage::Subscribe { paths } | GitClientMessage::Unsubscribe { paths } = message
    {
        if !(1..=MAX_GIT_PATHS_PER_MESSAGE).contains(&paths.len()) {
            let most = MAX_GIT_PATHS_PER_MESSAGE;
            return Err(format!("{} paths, where 1 to {most} are allowed", paths.len()));
        }
        check_absolute(paths)?;
    }
    let text = serde_json::to_string(message).map_err(|error| error.to_string())?;
    if text.len() > MAX_WEBSOCKET_MESSAGE_BYTES {
        let most = MAX_WEBSOCKET_MESSAGE_BYTES;
        return Err(format!("the paths make a message of more than {most} bytes"));
    }
    Ok(text)
}

/// Refuses paths that mean something else for the agent than for the caller.
pub(super) fn check_absolute(paths: &[String]) -> Result<(), String> {
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(format!("path {path:?} must be absolute")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{GitChanges, GitNotice, GitNoticeCode, RemovedRepository, RepositoryChange};
    use proptest::prelude::*;

    use super::*;

    fn changes(text: &str) -> GitChanges {
        match decode(text.as_bytes()) {
            Ok(Some(GitServerMessage::Changes(changes))) => changes,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_a_newer_agent_says_is_skipped() {
        assert_eq!(decode(br#"{"type":"of_tomorrow","repositories":7}"#), Ok(None));
        let time = "2026-01-31T12:00:00.000Z";
        let text = format!(
            r#"{{"type":"changes","scanned_at":"{time}","mood":"good","repositories":[
                {{"repo_root":"/r","detached":false,"stashes":3,"unified_diff":"","files":[
                    {{"path":"a","status":"of_tomorrow","additions":1,"weight":2}}]}}]}}"#
        );
        let found = changes(&text);
        let RepositoryChange::Snapshot(repository) = &found.repositories[0] else { panic!() };
        assert_eq!(repository.files[0].status, agent_api::FileStatus::Unknown);
        let notice = r#"{"type":"notice","code":"of_tomorrow","message":"m"}"#;
        let code = GitNoticeCode::Unknown;
        let expected = GitNotice { code, message: "m".to_owned(), repo_root: None };
        assert_eq!(decode(notice.as_bytes()), Ok(Some(GitServerMessage::Notice(expected))));
    }

    #[test]
    fn null_is_absent_and_a_list_that_is_null_is_empty() {
        let begin = r#"{"type":"changes","scanned_at":"2026-01-31T12:00:00.000Z","repositories":"#;
        assert_eq!(changes(&format!("{begin}null}}")).repositories, []);
        let found = changes(&format!(
            r#"{begin}[{{"repo_root":"/a","removed":true,"unified_diff":null}},
                {{"repo_root":"/b","removed":null,"branch":null,"head":null,"detached":null,
                  "ahead":null,"unified_diff":null,"files":null,"files_left_out":null}}]}}"#
        ));
        let [removed, RepositoryChange::Snapshot(repository)] = &found.repositories[..] else {
            panic!("{found:?}")
        };
        let gone = RemovedRepository { repo_root: "/a".to_owned() };
        assert_eq!(*removed, RepositoryChange::Removed(gone));
        let expected = agent_api::Repository { repo_root: "/b".to_owned(), ..Default::default() };
        assert_eq!(**repository, expected);
    }

    #[test]
    fn a_message_of_a_client_is_checked_before_it_is_sent() {
        let subscribe = |paths: Vec<String>| encode(&GitClientMessage::Subscribe { paths });
        let unsubscribe = |paths: Vec<String>| encode(&GitClientMessage::Unsubscribe { paths });
        let path = || "/r".to_owned();
        assert_eq!(encode(&GitClientMessage::Refresh).unwrap(), r#"{"type":"refresh"}"#);
        assert_eq!(subscribe(vec![path()]).unwrap(), r#"{"type":"subscribe","paths":["/r"]}"#);
        assert!(unsubscribe(vec![path(); 1000]).is_ok());
        for wrong in [vec![], vec![path(); 1001], vec![path(), "r".to_owned()], vec![String::new()]]
        {
            assert!(subscribe(wrong.clone()).is_err(), "{wrong:?}");
            assert!(unsubscribe(wrong.clone()).is_err(), "{wrong:?}");
        }
        let around = r#"{"type":"subscribe","paths":[""]}"#.len();
        let longest = MAX_WEBSOCKET_MESSAGE_BYTES - around;
        assert!(subscribe(vec!["/".repeat(longest)]).is_ok());
        assert!(subscribe(vec!["/".repeat(longest + 1)]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            json in r#"\{"type":"(changes|notice|error)"(,"(repositories|scanned_at|message|code)":(null|\[\]|\[\{\}\]|"x"|7)){0,3}\}"#,
        ) {
            let _ = decode(&bytes);
            let _ = decode(json.as_bytes());
        }
    }
}
