//! Compared with `git diff HEAD` and its `--numstat`.

mod random;
mod sorts;
