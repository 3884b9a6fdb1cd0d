//! The SSH server of a workspace: sessions, SFTP, forwarding, over any stream.
