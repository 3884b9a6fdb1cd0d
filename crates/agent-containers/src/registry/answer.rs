//! Answers within the size of a message.

use std::io;

use agent_api::ListContainersResponse;

/// Longest message of a WebSocket in bytes.
const MAX_LEN: usize = 4 * 1024 * 1024;

/// The answer as it may be sent in one message: without labels if it is too long with them, and
/// then also without the last containers if that is not enough.
pub(crate) fn within_a_message(mut answer: ListContainersResponse) -> ListContainersResponse {
    if is_short(&answer) {
        return answer;
    }
    let own = answer.devcontainers.iter_mut().filter_map(|dev| dev.container.as_mut());
    for container in answer.containers.iter_mut().chain(own) {
        container.labels.clear();
    }
    answer.warnings.push("labels are left out: the answer is too long for a message".to_owned());
    let all = answer.containers.len();
    while !is_short(&answer) && !answer.containers.is_empty() {
        answer.containers.truncate(answer.containers.len() / 2);
        let warning = format!("{} of {all} containers are shown", answer.containers.len());
        answer.warnings.pop();
        answer.warnings.push(format!("labels are left out and {warning}: the answer is too long"));
    }
    answer
}

fn is_short(answer: &ListContainersResponse) -> bool {
    struct Room(usize);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(MAX_LEN), answer).is_ok()
}

#[cfg(test)]
mod tests {
    use agent_api::{Container, DevContainer};

    use super::*;

    fn container(label_len: usize, image_len: usize) -> Container {
        let labels = [("key".to_owned(), "v".repeat(label_len))].into();
        Container { labels, image: "i".repeat(image_len), ..Container::default() }
    }

    fn sent(answer: &ListContainersResponse) -> usize {
        serde_json::to_string(answer).unwrap().len()
    }

    #[test]
    fn an_answer_of_just_the_size_is_sent_as_it_is() {
        let mut answer =
            ListContainersResponse { containers: vec![container(1000, 0)], ..Default::default() };
        let rest = MAX_LEN - sent(&answer);
        answer.containers[0].image = "i".repeat(rest);
        assert_eq!(within_a_message(answer.clone()), answer);
        answer.containers[0].image.push('i');
        assert!(within_a_message(answer).containers[0].labels.is_empty());
    }

    #[test]
    fn a_long_answer_is_sent_without_labels_and_says_so() {
        let dev = DevContainer { container: Some(container(3 << 20, 0)), ..Default::default() };
        let answer = ListContainersResponse {
            devcontainers: vec![dev],
            containers: vec![container(3 << 20, 0)],
            warnings: vec!["first".to_owned()],
        };
        let answer = within_a_message(answer);
        assert!(answer.containers[0].labels.is_empty());
        assert!(answer.devcontainers[0].container.as_ref().unwrap().labels.is_empty());
        assert_eq!(answer.warnings.len(), 2);
        assert!(answer.warnings[1].contains("labels"));
    }

    #[test]
    fn an_answer_that_is_long_without_labels_too_is_cut() {
        let containers = vec![container(9, 1 << 20); 9];
        let answer = within_a_message(ListContainersResponse { containers, ..Default::default() });
        assert_eq!(answer.containers.len(), 2);
        assert_eq!(answer.warnings.len(), 1);
        assert!(answer.warnings[0].contains("2 of 9 containers"));
        assert!(sent(&answer) <= MAX_LEN);
    }
}
