//! Labels that a client asks for.

use agent_api::{Container, ListContainersRequest};

use crate::Error;

/// Labels that a container must have, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter(Vec<(String, Option<String>)>);

impl Filter {
    /// Reads the labels of a request.
    pub(crate) fn parse(req: &ListContainersRequest) -> Result<Self, Error> {
        let parse = |label: &String| {
            let (key, value) = match label.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (label.as_str(), None),
            };
            if key.is_empty() {
                return Err(Error::Label { label: label.clone() });
            }
            Ok((key.to_owned(), value))
        };
        req.label.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn holds(&self, container: &Container) -> bool {
        self.0.iter().all(|(key, value)| match (container.labels.get(key), value) {
            (Some(found), Some(value)) => found == value,
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use agent_api::{Classify, ErrorCode};

    use super::*;

    fn parse(labels: &[&str]) -> Result<Filter, Error> {
        let label = labels.iter().map(|label| (*label).to_owned()).collect();
        Filter::parse(&ListContainersRequest { label })
    }

    #[test]
    fn all_labels_must_match() {
        let labels = [("a", "1"), ("b", ""), ("c", "x=y")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let container = Container { labels, ..Default::default() };
        let cases: [(&[&str], bool); 10] = [
            (&[], true),
            (&["a"], true),
            (&["a=1"], true),
            (&["a=2"], false),
            (&["a="], false),
            (&["b="], true),
            (&["c=x=y"], true),
            (&["a=1", "b"], true),
            (&["a=1", "d"], false),
            (&["a=1", "a=2"], false),
        ];
        for (labels, expected) in cases {
            assert_eq!(parse(labels).unwrap().holds(&container), expected, "{labels:?}");
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        for labels in [&[""][..], &["="], &["=x"], &["a", "=x"]] {
            let error = parse(labels).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{labels:?}");
            assert_eq!(error.fields()[0].field, "label");
        }
    }
}
