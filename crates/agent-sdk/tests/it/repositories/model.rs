//! A model of an agent, and any course of events between it and a watch: it all adds up to what
//! the agent has.

use super::*;

/// An agent whose repositories a test changes.
#[derive(Default)]
struct Agent {
    is_down: bool,
    /// Versions by root; none was ever used before.
    repositories: BTreeMap<String, u64>,
    last_version: u64,
    connection: Option<Connection>,
    /// Decides what agents are free to do.
    dice: u64,
}

struct Connection {
    say: mpsc::UnboundedSender<Said>,
    subscribed: BTreeSet<String>,
    sent: BTreeMap<String, u64>,
    /// Whether the chat's repositories are not scanned yet.
    is_scanning: bool,
    refreshes: u64,
}

const CHAT: [&str; 2] = ["/chat0", "/chat1"];

fn root_of(path: &str) -> String {
    path.trim_end_matches("/f").to_owned()
}

impl Agent {
    fn roll(&mut self) -> bool {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.dice >> 63 == 1
    }

    fn connect(&mut self) -> Result<mpsc::UnboundedReceiver<Said>, Error> {
        if self.is_down {
            return Err(refused());
        }
        let (say, said) = mpsc::unbounded_channel();
        let (subscribed, sent) = Default::default();
        self.connection =
            Some(Connection { say, subscribed, sent, is_scanning: true, refreshes: 0 });
        Ok(said)
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.say.send(Err(lost(None)));
        }
    }

    /// What some paths lead to.
    fn led_to(&self, roots: impl IntoIterator<Item = String>) -> BTreeMap<String, u64> {
        let found = roots
            .into_iter()
            .filter_map(|root| Some((root.clone(), *self.repositories.get(&root)?)));
        found.collect()
    }

    /// Takes a message; a connection that was lost meanwhile takes none.
    fn take(&mut self, message: GitClientMessage) -> Result<(), Error> {
        let Some(connection) = &mut self.connection else { return Err(lost(None)) };
        match message {
            GitClientMessage::Subscribe { paths } => {
                connection.subscribed.extend(paths.iter().map(|path| root_of(path)));
                let roots = connection.subscribed.clone();
                let known: Vec<_> = connection.sent.keys().cloned().collect();
                let mut new = self.led_to(roots);
                new.retain(|root, _| !known.contains(root));
                self.send(new, true);
            }
            GitClientMessage::Unsubscribe { paths } => {
                for root in paths.iter().map(|path| root_of(path)) {
                    connection.subscribed.remove(&root);
                    connection.sent.remove(&root);
                }
            }
            GitClientMessage::Refresh => {
                connection.refreshes += 1;
                if self.roll() {
                    self.scan();
                }
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    /// Sends what changed, and answers; tells whether there was anything to do.
    fn scan(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let was_scanning = std::mem::take(&mut connection.is_scanning);
        let refreshes = std::mem::take(&mut connection.refreshes);
        let sent = connection.sent.clone();
        let roots = connection.subscribed.iter().cloned().chain(CHAT.map(str::to_owned));
        let roots: Vec<_> = roots.collect();
        let now = self.led_to(roots);
        let gone: Vec<_> = sent.keys().filter(|root| !now.contains_key(*root)).cloned().collect();
        let changed: BTreeMap<_, _> =
            now.into_iter().filter(|(root, version)| sent.get(root) != Some(version)).collect();
        let did = was_scanning || refreshes > 0 || !gone.is_empty() || !changed.is_empty();
        if !gone.is_empty() {
            self.say(changes(gone.iter().map(|root| removed(root))));
            let connection = self.connection.as_mut().unwrap();
            connection.sent.retain(|root, _| !gone.contains(root));
        }
        self.send(changed, refreshes > 0);
        // Requests share an answer, or each has its own.
        if self.roll() {
            (1..refreshes).for_each(|_| self.say(changes([])));
        }
        did
    }

    /// Sends snapshots, in one message or a message for each.
    fn send(&mut self, snapshots: BTreeMap<String, u64>, is_answer: bool) {
        let repositories: Vec<_> =
            snapshots.iter().map(|(root, version)| snapshot(root, *version)).collect();
        if self.roll() && !repositories.is_empty() {
            repositories.into_iter().for_each(|repository| self.say(changes([repository])));
        } else if is_answer || !repositories.is_empty() {
            self.say(changes(repositories));
        }
        self.connection.as_mut().unwrap().sent.extend(snapshots);
    }

    fn say(&self, message: GitServerMessage) {
        let _ = self.connection.as_ref().unwrap().say.send(Ok(message));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(String),
    Remove(String),
    Scan,
    Lose,
    Down,
    Up,
    Refresh,
    Subscribe(String),
    Unsubscribe(String),
    /// Lets the watch do what it does at once, or until it rests.
    Read,
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let root = || prop::sample::select(vec!["/r0", "/r1", "/r2", "/chat0", "/chat1"]);
    let own = || prop::sample::select(vec!["/r0", "/r1", "/r2"]);
    let step = prop_oneof![
        4 => root().prop_map(|root| Step::Change(root.to_owned())),
        3 => root().prop_map(|root| Step::Remove(root.to_owned())),
        2 => Just(Step::Scan),
        2 => Just(Step::Lose),
        1 => Just(Step::Down),
        1 => Just(Step::Up),
        1 => Just(Step::Refresh),
        1 => own().prop_map(|root| Step::Subscribe(root.to_owned())),
        1 => own().prop_map(|root| Step::Unsubscribe(root.to_owned())),
        3 => Just(Step::Read),
        3 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a caller makes of the items.
#[derive(Default)]
struct Seen(BTreeMap<String, u64>);

impl Seen {
    fn take(&mut self, message: GitServerMessage) {
        let GitServerMessage::Changes(changes) = message else { panic!("{message:?}") };
        for change in changes.repositories {
            match change {
                RepositoryChange::Removed(RemovedRepository { repo_root }) => {
                    assert!(self.0.remove(&repo_root).is_some(), "{repo_root} was not there");
                }
                RepositoryChange::Snapshot(repository) => {
                    let version = repository.head.unwrap().parse().unwrap();
                    let before = self.0.insert(repository.repo_root, version);
                    assert_ne!(before, Some(version), "that was said");
                }
            }
        }
    }

    async fn read(&mut self, watch: &mut RepositoryWatch<'_>, quiet: Duration) -> bool {
        let mut did = false;
        while let Ok(message) = timeout(quiet, watch.next()).await {
            self.take(message.unwrap().unwrap());
            did = true;
        }
        did
    }

    /// Reads until neither end has anything to say.
    async fn settle(&mut self, watch: &mut RepositoryWatch<'_>, agent: &Mutex<Agent>) {
        for _ in 0..100 {
            let did = self.read(watch, QUIET).await;
            if !agent.lock().scan() && !did {
                return;
            }
        }
        panic!("the two never rest");
    }
}

async fn play(steps: Vec<Step>, dice: u64) {
    let agent = Arc::new(Mutex::new(Agent { dice, ..Agent::default() }));
    let mock = MockAgent::new();
    let far = Arc::clone(&agent);
    mock.on_watch_git(move |_| {
        let mut said = far.lock().connect()?;
        let take = Arc::clone(&far);
        let messages = futures_util::stream::poll_fn(move |ctx| said.poll_recv(ctx));
        Ok(GitWatch::from_stream(messages, move |message| take.lock().take(message)))
    });
    let reconnect = Reconnect { give_up_after: Duration::MAX, ..Reconnect::default() };
    let mut wanted = BTreeSet::from(["/r0".to_owned()]);
    let request = WatchGitRequest::default();
    let mut watch = watch_repositories(&mock, request, paths(&["/r0/f"]), reconnect).unwrap();
    let commands = watch.commands();
    let mut seen = Seen::default();
    seen.settle(&mut watch, &agent).await;
    for step in steps {
        match step {
            Step::Change(root) => {
                let mut agent = agent.lock();
                agent.last_version += 1;
                let version = agent.last_version;
                agent.repositories.insert(root, version);
            }
            Step::Remove(root) => drop(agent.lock().repositories.remove(&root)),
            Step::Scan => drop(agent.lock().scan()),
            Step::Lose => agent.lock().disconnect(),
            Step::Down => {
                let mut agent = agent.lock();
                agent.is_down = true;
                agent.disconnect();
            }
            Step::Up => agent.lock().is_down = false,
            Step::Refresh => commands.refresh().unwrap(),
            Step::Subscribe(root) => {
                commands.subscribe(vec![format!("{root}/f")]).unwrap();
                wanted.insert(root);
            }
            Step::Unsubscribe(root) => {
                // What is under way would still come.
                seen.settle(&mut watch, &agent).await;
                commands.unsubscribe(vec![format!("{root}/f")]).unwrap();
                wanted.remove(&root);
                seen.0.remove(&root);
                seen.read(&mut watch, QUIET).await;
            }
            Step::Read => drop(seen.read(&mut watch, Duration::from_millis(1)).await),
            Step::Settle => seen.settle(&mut watch, &agent).await,
        }
    }
    agent.lock().is_down = false;
    seen.settle(&mut watch, &agent).await;
    let watched = wanted.into_iter().chain(CHAT.map(str::to_owned));
    let expected = agent.lock().led_to(watched);
    assert_eq!(seen.0, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_and_wanted_again_while_nobody_answers_is_news() {
    let root = || "/r0".to_owned();
    let steps = [Step::Change(root()), Step::Scan, Step::Down, Step::Unsubscribe(root())];
    play([&steps[..], &[Step::Subscribe(root())]].concat(), 0).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_adds_up_to_what_the_agent_has(steps in steps(), dice in any::<u64>()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(steps, dice));
    }
}
