//! agentd: configuration, composition, listeners, shutdown.
