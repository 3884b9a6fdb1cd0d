//! Cases that random work seldom meets.
