//! Terminals that outlive their connections: screen, scrollback and program stay, with or without HTTP.
