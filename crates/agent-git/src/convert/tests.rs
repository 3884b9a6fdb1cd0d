//! Conversions, by table and against the real `git`.
