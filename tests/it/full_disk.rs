//! A disk that fills up: the answer says so, the old content stays, nothing is left behind.

mod needs_tmpfs {
    use agent_api::{Edit, EditFilesRequest, ErrorCode, FileEdits, WriteFileRequest};
    use agent_sdk::{AgentConn, ByteStream, Error};
    use agent_test::Mount;
    use agent_tests::{TestAgent, Transport, leftovers};
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};

    const DISK: u64 = 4 * 1024 * 1024;

    #[tokio::test]
    async fn an_upload_that_does_not_fit_leaves_the_old_file() {
        let disk = Mount::tmpfs(DISK).unwrap();
        let agent = TestAgent::start().await;
        let file = disk.path().join("f");
        std::fs::write(&file, "old").unwrap();
        for transport in Transport::ALL {
            let part = Bytes::from(vec![0_u8; 64 * 1024]);
            let body = stream::repeat_with(move || Ok::<_, Error>(part.clone())).take(160);
            let request = WriteFileRequest::new(file.to_str().unwrap());
            let client = agent.client(transport);
            let answer = client.write_file(request, ByteStream::from_stream(body)).await;
            let error = answer.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Internal, "{transport:?}: {error}");
            assert!(error.to_string().contains("no space left"), "{transport:?}: {error}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "old", "{transport:?}");
            assert!(leftovers(disk.path()).is_empty(), "{transport:?}");
        }
    }

    #[tokio::test]
    async fn an_edit_of_two_files_that_does_not_fit_changes_neither() {
        let disk = Mount::tmpfs(DISK).unwrap();
        let agent = TestAgent::start().await;
        let small = agent.path("small");
        std::fs::write(&small, "one").unwrap();
        let large = disk.path().join("large");
        let content = format!("one{}", "x".repeat(3 * 1024 * 1024));
        std::fs::write(&large, &content).unwrap();
        let edit = |path: &str| FileEdits::new(path, [Edit::new("one", "two")]);
        let request = EditFilesRequest {
            files: vec![edit(&small), edit(large.to_str().unwrap())],
            ..EditFilesRequest::default()
        };
        let error = agent.client(Transport::Unix).edit_files(request).await.unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
        assert_eq!(std::fs::read_to_string(&small).unwrap(), "one");
        assert!(std::fs::read_to_string(&large).unwrap() == content);
        assert!(leftovers(disk.path()).is_empty() && agent.leftovers().is_empty());
    }

    #[tokio::test]
    async fn an_agent_on_a_full_disk_still_answers() {
        let disk = Mount::tmpfs(DISK).unwrap();
        let state = disk.path().join("state");
        let agent = TestAgent::start_with(|config| config.state_dir.clone_from(&state)).await;
        let filled = std::fs::write(disk.path().join("filler"), vec![0; 8 * 1024 * 1024]);
        assert!(filled.is_err());
        let client = agent.client(Transport::Unix);
        assert!(client.check_health().await.unwrap());
        let request = WriteFileRequest::new(agent.path("f"));
        let written = client.write_file(request, Bytes::from("content").into()).await.unwrap();
        assert_eq!(written.size_bytes, 7);
    }
}
