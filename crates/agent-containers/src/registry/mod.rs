//! The dev containers that are known, and what each of them is.
