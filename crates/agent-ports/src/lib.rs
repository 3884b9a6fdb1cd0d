//! The ports of a workspace: which ones listen, and byte streams and datagrams to them, with or without HTTP.
