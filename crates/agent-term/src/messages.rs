//! What clients send: JSON objects in a frame, or in a stream without frames (pure); what they do
//! is not known here.

use agent_api::{TerminalClientMessage, limits::MAX_TERMINAL_MESSAGE_BYTES};
use bytes::{Buf, Bytes, BytesMut};

/// Up to this many bytes of an unfinished object are checked at each arrival.
const CHECK_ALWAYS: usize = 4096;

/// What arrived is no sequence of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// It is not JSON, or not of the right kind.
    #[error("a message is no JSON object of the right kind")]
    NotAMessage,
    /// An object is larger than
    /// [`MAX_TERMINAL_MESSAGE_BYTES`](agent_api::limits::MAX_TERMINAL_MESSAGE_BYTES).
    #[error("a message is larger than {MAX_TERMINAL_MESSAGE_BYTES} bytes")]
    TooLarge,
}

/// The objects of one frame, in order.
#[derive(Debug)]
pub(crate) struct Objects {
    rest: Bytes,
    is_first: bool,
}

impl Objects {
    pub(crate) fn of(frame: Bytes) -> Self {
        Self { rest: frame, is_first: true }
    }
}

impl Iterator for Objects {
    type Item = Result<TerminalClientMessage, InvalidMessage>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        skip_space(&mut self.rest);
        if self.rest.is_empty() && !self.is_first {
            return None;
        }
        self.is_first = false;
        let parsed = parse_first(&self.rest);
        match &parsed {
            Ok((_, length)) => self.rest.advance(*length),
            Err(_) => self.rest.clear(),
        }
        Some(parsed.map(|(message, _)| message))
    }
}

/// The objects of a stream, whatever the pieces in which it arrives.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    buffer: BytesMut,
    scan: Scan,
    /// Bytes of the unfinished object that are known to be the beginning of one.
    checked: usize,
}

/// How far the object at the front of a buffer was looked at.
#[derive(Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
}

impl Stream {
    /// Adds what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole object; `None` until more has arrived.
    ///
    /// # Errors
    ///
    /// What is there can be no object, whatever follows; the stream is of no more use.
    pub(crate) fn next(&mut self) -> Result<Option<TerminalClientMessage>, InvalidMessage> {
        if self.scan.at == 0 {
            skip_space(&mut self.buffer);
        }
        if self.buffer.first().is_some_and(|first| *first != b'{') {
            return Err(InvalidMessage::NotAMessage);
        }
        let end = self.scan.find_end(&self.buffer);
        if end.unwrap_or(self.buffer.len()) > MAX_TERMINAL_MESSAGE_BYTES {
            return Err(InvalidMessage::TooLarge);
        }
        let Some(end) = end else { return self.check_beginning().map(|()| None) };
        let object = self.buffer.split_to(end);
        (self.scan, self.checked) = (Scan::default(), 0);
        if self.buffer.is_empty() {
            // The memory of a large message is not kept.
            self.buffer = BytesMut::new();
        }
        let (message, length) = parse_first(&object)?;
        if length == end { Ok(Some(message)) } else { Err(InvalidMessage::NotAMessage) }
    }

    /// Refuses the beginning of what cannot become an object.
    ///
    /// A long one only when it has doubled, so that looking again and again costs no more than
    /// reading it twice.
    fn check_beginning(&mut self) -> Result<(), InvalidMessage> {
        let length = self.buffer.len();
        if length == self.checked || (length > CHECK_ALWAYS && length < 2 * self.checked) {
            return Ok(());
        }
        self.checked = length;
        match serde_json::from_slice::<TerminalClientMessage>(&self.buffer) {
            Err(error) if !error.is_eof() && length > 0 => Err(InvalidMessage::NotAMessage),
            _ => Ok(()),
        }
    }
}

impl Scan {
    /// Looks on for the end of the object at the front.
    fn find_end(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(byte) = buffer.get(self.at) {
            self.at += 1;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_string => self.is_escaped = true,
                b'"' => self.is_in_string = !self.is_in_string,
                _ if self.is_in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The object at the front, and its length.
fn parse_first(bytes: &[u8]) -> Result<(TerminalClientMessage, usize), InvalidMessage> {
    // An array would be read as the fields of an object.
    if bytes.first() != Some(&b'{') {
        return Err(InvalidMessage::NotAMessage);
    }
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter();
    match objects.next() {
        Some(Ok(message)) => Ok((message, objects.byte_offset())),
        _ => Err(InvalidMessage::NotAMessage),
    }
}

fn skip_space(bytes: &mut impl Buf) {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let space = bytes.chunk().iter().take_while(|b| is_space(b)).count();
    bytes.advance(space);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Message = TerminalClientMessage;

    fn of_frame(frame: &str) -> (Vec<Message>, bool) {
        let all: Vec<_> = Objects::of(Bytes::copy_from_slice(frame.as_bytes())).collect();
        let is_whole = all.iter().all(Result::is_ok);
        (all.into_iter().filter_map(Result::ok).collect(), is_whole)
    }

    fn of_stream(text: &[u8], piece: usize) -> (Vec<Message>, bool) {
        let mut stream = Stream::default();
        let mut messages = Vec::new();
        for piece in text.chunks(piece) {
            stream.push(piece);
            loop {
                match stream.next() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(_) => return (messages, false),
                }
            }
        }
        (messages, true)
    }

    fn input(data: &str) -> Message {
        Message::input(data)
    }

    #[test]
    fn a_frame_holds_one_or_more_objects() {
        let both = Message { data: Some("a".into()), height: Some(4), width: Some(0) };
        let cases: [(&str, &[Message], bool); 22] = [
            (r#"{"data":"ls\r"}"#, &[input("ls\r")], true),
            (r#"{"data":"a"}{"data":"b"}"#, &[input("a"), input("b")], true),
            ("\n{\"data\":\"a\"}\r\n\t {\"data\":\"}{\\\"\"} ", &[input("a"), input("}{\"")], true),
            (r#"{"height":40,"width":120}"#, &[Message::resize(40, 120)], true),
            (r#"{"width":0,"x":[{"y":"]"}],"data":"a","height":4}"#, &[both], true),
            (r#"{"data":null}{}"#, &[Message::default(), Message::default()], true),
            (r#"{"data":"a"}{"data":"#, &[input("a")], false),
            (r#"{"data":"a"}, {"data":"b"}"#, &[input("a")], false),
            (r#"{"data":"a"}x{"data":"b"}"#, &[input("a")], false),
            (r#"{"data":"#, &[], false),
            (r#"{"data":1}"#, &[], false),
            (r#"{"height":65536}"#, &[], false),
            (r#"{"height":-1}"#, &[], false),
            (r#"{"height":1.5}"#, &[], false),
            (r#"{"height":"4"}"#, &[], false),
            (r#"["a",1,2]"#, &[], false),
            (r#""a""#, &[], false),
            ("null", &[], false),
            ("{'data':'a'}", &[], false),
            (r#"{"data":"\ud800"}"#, &[], false),
            ("", &[], false),
            (" \n", &[], false),
        ];
        for (frame, expected, is_whole) in cases {
            assert_eq!(of_frame(frame), (expected.to_vec(), is_whole), "{frame}");
        }
    }

    #[test]
    fn a_stream_is_the_same_in_pieces_and_refuses_at_once() {
        let text = "{\"data\":\"a}\\\"\"} {\"height\":1,\"width\":2}\n{\"x\":{\"y\":[1]}}";
        let expected = vec![input("a}\""), Message::resize(1, 2), Message::default()];
        for piece in 1..text.len() {
            assert_eq!(of_stream(text.as_bytes(), piece), (expected.clone(), true), "{piece}");
        }
        for bad in ["x", "{x", "{\"data\":nope", "[", "{]", "{\"data\":\"a\u{1}", "{}}"] {
            assert!(!of_stream(bad.as_bytes(), 1).1, "{bad}");
            assert!(!of_stream(bad.as_bytes(), 100).1, "{bad}");
        }
    }

    #[test]
    fn a_message_of_a_stream_is_bounded() {
        let of = |bytes: usize| {
            let data = "a".repeat(bytes - r#"{"data":""}"#.len());
            format!("{{\"data\":\"{data}\"}}")
        };
        let largest = of(MAX_TERMINAL_MESSAGE_BYTES);
        assert!(matches!(of_stream(largest.as_bytes(), 65_536), (m, true) if m.len() == 1));
        let larger = of(MAX_TERMINAL_MESSAGE_BYTES + 1);
        assert_eq!(of_stream(larger.as_bytes(), 65_536), (Vec::new(), false));
        let mut stream = Stream::default();
        stream.push(&larger.as_bytes()[..=MAX_TERMINAL_MESSAGE_BYTES]);
        assert_eq!(stream.next(), Err(InvalidMessage::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            piece in 1..20_usize,
        ) {
            let _ = of_stream(&bytes, piece);
            let _ = Objects::of(Bytes::from(bytes)).count();
        }

        #[test]
        fn frames_and_streams_agree(
            texts in prop::collection::vec("\\PC{0,20}", 1..5),
            piece in 1..40_usize,
        ) {
            let text: String = texts
                .iter()
                .map(|data| serde_json::to_string(&input(data)).unwrap())
                .collect();
            let expected: Vec<_> = texts.iter().map(|data| input(data)).collect();
            prop_assert_eq!(of_frame(&text), (expected.clone(), true));
            prop_assert_eq!(of_stream(text.as_bytes(), piece), (expected, true));
        }
    }
}
