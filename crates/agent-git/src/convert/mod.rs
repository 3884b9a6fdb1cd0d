//! Contents of files as git would store them: line ends, `ident`, encodings and pointers of
//! git-lfs. Which attributes a path has is found elsewhere; no filter is ever run.

mod encoding;
mod hash;
mod ident;
mod lfs;
mod line_ends;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(crate) use hash::{blob_id, blob_id_of_reader};

use self::{encoding::Encoding, line_ends::LineEnds};

/// State of one attribute of a path, as gitattributes(5) names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Not mentioned, or `!name`.
    #[default]
    Unspecified,
    /// `name`.
    Set,
    /// `-name`.
    Unset,
    /// `name=value`.
    Value(Vec<u8>),
}

/// The attributes of a path that decide how its contents are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) text: Attribute,
    /// The old name of `text`.
    pub(crate) crlf: Attribute,
    pub(crate) eol: Attribute,
    pub(crate) ident: Attribute,
    pub(crate) filter: Attribute,
    /// `working-tree-encoding`.
    pub(crate) encoding: Attribute,
}

impl Attributes {
    /// What [`Attributes`] is made of, in the order of [`Attributes::from_states`].
    pub(crate) const NAMES: [&'static str; 6] =
        ["text", "crlf", "eol", "ident", "filter", "working-tree-encoding"];

    /// Puts the states of [`Attributes::NAMES`] in their places.
    pub(crate) fn from_states(states: [Attribute; 6]) -> Self {
        let [text, crlf, eol, ident, filter, encoding] = states;
        Self { text, crlf, eol, ident, filter, encoding }
    }
}

/// `core.autocrlf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum AutoCrlf {
    /// `false`, and when it is not configured.
    #[default]
    False,
    /// `true`.
    True,
    /// `input`.
    Input,
}

/// What converts when the attributes do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Defaults {
    /// `core.autocrlf`.
    pub(crate) auto_crlf: AutoCrlf,
    /// Whether a filter named `lfs` is configured, so that `filter=lfs` stores pointers.
    pub(crate) lfs: bool,
}

/// How the contents of a path become what git stores; by default not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Conversion {
    lfs: bool,
    encoding: Option<Encoding>,
    line_ends: LineEnds,
    ident: bool,
}

impl Conversion {
    /// Decides from the attributes of a path and the repository's settings.
    ///
    /// Source: gitattributes(5). Values that git does not know count as unspecified; an encoding
    /// that is not known here leaves the contents as they are.
    pub(crate) fn new(attributes: &Attributes, defaults: Defaults) -> Self {
        Self {
            lfs: defaults.lfs && attributes.filter == Attribute::Value(b"lfs".to_vec()),
            encoding: match &attributes.encoding {
                Attribute::Value(name) => Encoding::of_name(name),
                _ => None,
            },
            line_ends: LineEnds::new(attributes, defaults.auto_crlf),
            ident: attributes.ident == Attribute::Set,
        }
    }

    /// Whether contents are stored as they are, so that sizes and ids may be taken from the file.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what the index has decides too: see [`Conversion::to_git`].
    pub(crate) fn asks_the_index(&self) -> bool {
        self.line_ends == LineEnds::Auto
    }

    /// Converts contents to what git would store.
    ///
    /// `indexed` gives the contents that the index has of the path, if it has the path, and is
    /// asked only where they count: where git guesses what is text, it leaves a file alone that
    /// was stored with CR LF.
    pub(crate) fn to_git(
        self,
        contents: Vec<u8>,
        indexed: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Vec<u8> {
        let mut contents = contents;
        if self.lfs {
            contents = lfs::pointer(contents);
        }
        if let Some(encoding) = self.encoding {
            contents = encoding.to_utf8(contents);
        }
        contents = self.line_ends.to_git(contents, indexed);
        if self.ident
            && let Cow::Owned(shorter) = ident::collapse(&contents)
        {
            contents = shorter;
        }
        contents
    }
}
