//! The refusals of a query: the first one of each parameter, because that is the one to fix.

use std::collections::HashSet;

use agent_api::FieldError;

/// Refusals in the order of their detection, one a name.
///
/// A query may name thousands of parameters, so that finding a name again must not take longer
/// the more there are.
#[derive(Debug, Default)]
pub(super) struct Notes {
    refused: Vec<FieldError>,
    names: HashSet<String>,
}

impl Notes {
    /// Adds a refusal unless the parameter has one already.
    pub(super) fn add(&mut self, name: &str, detail: impl Into<String>) {
        if self.names.insert(name.to_owned()) {
            self.refused.push(FieldError::new(name, detail));
        }
    }

    pub(super) fn into_refused(self) -> Vec<FieldError> {
        self.refused
    }
}
