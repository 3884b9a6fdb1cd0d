//! Reading, writing, editing, listing and searching files, with or without HTTP.
