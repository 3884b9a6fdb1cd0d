//! HTTP kit of the agent: serving with limits and drain, extractors, layers, errors.
