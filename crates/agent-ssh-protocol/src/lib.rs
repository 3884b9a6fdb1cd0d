//! The SSH protocol, both ends, on any byte stream: transport, authentication, channels.
