//! When the engine is asked for its containers anew.
