//! All containers at one moment: one question for the list, and one for each container that changed
//! since the last.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use agent_api::Container;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    EngineError,
    connection::Connection,
    convert::{Seen, essence, id_of, of_inspect, of_summary},
    ports::{clashes, short},
};

/// Longest wait for one container; one that the engine hangs at does not cost the others.
const INSPECT_LIMIT: Duration = Duration::from_secs(5);

/// Containers asked for at once.
const AT_ONCE: usize = 16;

/// Largest list, about 30,000 containers.
const MAX_LIST: usize = 64 * 1024 * 1024;

/// Largest answer about one container.
const MAX_INSPECT: usize = 16 * 1024 * 1024;

/// Most containers that are remembered to have changed; with more, all have.
const MAX_CHANGED: usize = 4096;

/// Longest id that is remembered; engines have 64 digits.
const MAX_ID: usize = 255;

/// The containers at one moment, newest first, then by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// All containers, also those that do not run.
    pub(crate) containers: Vec<Arc<Container>>,
    /// What could not be understood or does not fit together.
    pub(crate) warnings: Vec<String>,
}

/// What is to be looked at again.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Everything.
    pub(super) all: bool,
    ids: HashSet<String>,
}

impl Changed {
    pub(super) fn add(&mut self, id: String) {
        if self.ids.len() < MAX_CHANGED && id.len() <= MAX_ID {
            self.ids.insert(id);
        } else {
            self.all = true;
        }
    }

    fn has(&self, id: &str) -> bool {
        self.all || self.ids.contains(id)
    }
}

/// What the last listing found, by id.
#[derive(Debug, Default)]
pub(super) struct Known {
    containers: HashMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    essence: Value,
    container: Arc<Container>,
    warnings: Vec<String>,
    /// Whether the engine did not tell all of it, so that it is asked again.
    is_partial: bool,
}

impl Known {
    /// Lists anew; what did not change is taken from the last time.
    pub(super) async fn list(
        &mut self,
        connection: &Connection,
        changed: &Changed,
    ) -> Result<Listing, EngineError> {
        let answer = connection.json("/containers/json?all=1", MAX_LIST).await;
        let Value::Array(summaries) = answer.map_err(as_bad_answer)? else {
            return Err(EngineError::BadAnswer { reason: "the list is no array".to_owned() });
        };
        let mut warnings = Vec::new();
        let mut ids = BTreeSet::new();
        let mut asked = Vec::new();
        let mut containers = HashMap::with_capacity(summaries.len());
        for summary in summaries {
            let Some(id) = id_of(&summary).map(str::to_owned) else {
                warnings.push("the engine lists a container without an id".to_owned());
                continue;
            };
            if !ids.insert(id.clone()) {
                continue;
            }
            let essence = essence(&summary);
            let known = self.containers.get(&id);
            match known.filter(|known| known.essence == essence) {
                Some(entry) if !entry.is_partial && !changed.has(&id) => {
                    containers.insert(id, entry.clone());
                }
                _ => asked.push((id, summary, essence, known.cloned())),
            }
        }
        let looked: Vec<Option<(String, Entry)>> = stream::iter(asked)
            .map(|(id, summary, essence, known)| look(connection, id, summary, essence, known))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        containers.extend(looked.into_iter().flatten());
        self.containers = containers;
        Ok(self.listing(warnings))
    }

    fn listing(&self, mut warnings: Vec<String>) -> Listing {
        let mut entries: Vec<&Entry> = self.containers.values().collect();
        entries.sort_by(|a, b| {
            let (a, b) = (&a.container, &b.container);
            b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id))
        });
        warnings.extend(entries.iter().flat_map(|entry| entry.warnings.iter().cloned()));
        warnings.extend(clashes(entries.iter().map(|entry| &*entry.container)));
        let containers = entries.into_iter().map(|entry| Arc::clone(&entry.container)).collect();
        Listing { containers, warnings }
    }
}

/// Asks for one container; `None` when it is gone meanwhile.
async fn look(
    connection: &Connection,
    id: String,
    summary: Value,
    essence: Value,
    known: Option<Entry>,
) -> Result<Option<(String, Entry)>, EngineError> {
    let path = format!("/containers/{id}/json");
    let answer = timeout(INSPECT_LIMIT, connection.json(&path, MAX_INSPECT))
        .await
        .unwrap_or(Err(EngineError::TimedOut { after: INSPECT_LIMIT }));
    let (seen, is_partial) = match answer {
        Ok(answer) => (of_inspect(&answer, &summary), false),
        Err(EngineError::Refused { status: 404, .. }) => return Ok(None),
        Err(error) if error.is_unreachable() => return Err(error),
        Err(error) => (without_inspect(&id, &summary, known.as_ref(), &error), true),
    };
    let container = match known {
        // What did not change stays the same allocation for everybody who keeps it.
        Some(known) if *known.container == seen.container => known.container,
        _ => Arc::new(seen.container),
    };
    Ok(Some((id, Entry { essence, container, warnings: seen.warnings, is_partial })))
}

/// What is known of a container that the engine does not tell of: what the list says, with the
/// things of the last time that the list does not have.
fn without_inspect(id: &str, summary: &Value, known: Option<&Entry>, error: &EngineError) -> Seen {
    let mut seen = of_summary(summary);
    if let Some(known) = known {
        seen.container.created_at = known.container.created_at;
    }
    seen.warnings.push(format!("container {}: {error}", short(id)));
    seen
}

/// An engine that refuses to list gives a bad answer.
fn as_bad_answer(error: EngineError) -> EngineError {
    match error {
        EngineError::Refused { status, message } => {
            EngineError::BadAnswer { reason: format!("status {status}: {message}") }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_names_too_long_or_too_often_is_not_kept() {
        let mut changed = Changed::default();
        changed.add("a".repeat(MAX_ID));
        assert!(!changed.all && changed.has(&"a".repeat(MAX_ID)));
        changed.add("a".repeat(MAX_ID + 1));
        assert!(changed.all && changed.ids.len() == 1);
        for number in 0..=MAX_CHANGED {
            changed.add(number.to_string());
        }
        assert_eq!(changed.ids.len(), MAX_CHANGED);
    }
}
