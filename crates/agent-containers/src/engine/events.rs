//! What the engine tells as it happens, as far as a listing changes by it.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{Engine, EngineError};

/// Longest line of the stream; a longer one ends it.
const MAX_LINE: usize = 1024 * 1024;

/// `{"type":["container"]}`, for a query.
const PATH: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";

/// The events of containers since it was asked for; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Events {
    engine: Engine,
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    pub(super) async fn open(engine: &Engine) -> Result<Self, EngineError> {
        let connection = engine.connection().await?;
        let body = match connection.get(PATH).await {
            Ok(response) => response.into_body(),
            Err(error) => return Err(engine.noted(error, &connection)),
        };
        Ok(Self { engine: engine.clone(), body, buffer: BytesMut::new() })
    }

    /// Waits for events that change what a listing says; the containers that they are of are looked
    /// at anew by the next one. `None` when the stream ended.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<()> {
        loop {
            if self.take_lines()? {
                return Some(());
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Reads the whole lines that are there: whether any matters, `None` for one without an end.
    fn take_lines(&mut self) -> Option<bool> {
        let mut matters = false;
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(end + 1);
            match meaning(&line) {
                Meaning::Nothing => {}
                Meaning::Changed(id) => {
                    self.engine.changed(id);
                    matters = true;
                }
                Meaning::Unclear => {
                    self.engine.look_anew();
                    matters = true;
                }
            }
        }
        (self.buffer.len() <= MAX_LINE).then_some(matters)
    }
}

#[derive(Debug, PartialEq)]
enum Meaning {
    /// The listing is as before.
    Nothing,
    /// It may differ at one container.
    Changed(String),
    /// It may differ.
    Unclear,
}

/// Events that happen often, as with each check of a container's health, and change nothing that a
/// listing says; what is not known may change it.
const UNCHANGING: [&str; 15] = [
    "archive-path",
    "attach",
    "copy",
    "detach",
    "exec",
    "exec_create",
    "exec_detach",
    "exec_die",
    "exec_died",
    "exec_start",
    "export",
    "extract-to-dir",
    "health_status",
    "resize",
    "top",
];

fn meaning(line: &[u8]) -> Meaning {
    if line.trim_ascii().is_empty() {
        return Meaning::Nothing;
    }
    let Ok(event) = serde_json::from_slice::<Value>(line) else {
        return Meaning::Unclear;
    };
    if event["Type"].as_str().is_some_and(|kind| kind != "container") {
        return Meaning::Nothing;
    }
    let action = event["Action"].as_str().or(event["status"].as_str()).unwrap_or_default();
    let word = action.split(':').next().unwrap_or_default();
    if UNCHANGING.contains(&word) {
        return Meaning::Nothing;
    }
    match event["Actor"]["ID"].as_str().or(event["id"].as_str()) {
        Some(id) => Meaning::Changed(id.to_owned()),
        None => Meaning::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_the_container_that_it_changes() {
        let changed = |id: &str| Meaning::Changed(id.to_owned());
        let cases = [
            (
                r#"{"Type":"container","Action":"start","Actor":{"ID":"ab"},"id":"ab"}"#,
                changed("ab"),
            ),
            (r#"{"status":"die","id":"cd"}"#, changed("cd")),
            (r#"{"Type":"container","Action":"new word","Actor":{"ID":"ab"}}"#, changed("ab")),
            (
                r#"{"Type":"container","Action":"exec_create: ps ","Actor":{"ID":"ab"}}"#,
                Meaning::Nothing,
            ),
            (
                r#"{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a"}}"#,
                Meaning::Nothing,
            ),
            (r#"{"Type":"container","Action":"top","Actor":{"ID":"a"}}"#, Meaning::Nothing),
            (r#"{"Type":"network","Action":"connect","Actor":{"ID":"ab"}}"#, Meaning::Nothing),
            (r#"{"Type":"container","Action":"start"}"#, Meaning::Unclear),
            ("no JSON", Meaning::Unclear),
            ("", Meaning::Nothing),
            ("\r\n", Meaning::Nothing),
        ];
        for (line, expected) in cases {
            assert_eq!(meaning(line.as_bytes()), expected, "{line}");
        }
    }
}
