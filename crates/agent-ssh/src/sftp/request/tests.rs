//! Packets and what they ask for.
