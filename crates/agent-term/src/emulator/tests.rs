//! Tests of the emulator as a whole.
