//! What cells hold by number because few of them have it: combining marks, hyperlinks, colors of underlines.
//!
//! Numbers that no cell holds any more are collected when the tables have doubled.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::cell::Color;

/// The most bytes of one character with its combining marks. Marks beyond are left out.
const MAX_CLUSTER_BYTES: usize = 64;
/// The longest target of a hyperlink; a longer one is no link. Browsers take about 2,000 bytes.
pub(crate) const MAX_LINK_BYTES: usize = 4096;
/// The first size at which a table is collected.
const FIRST_COLLECTION: usize = 1024;

/// A hyperlink (OSC 8).
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// What makes cells that are apart one link; empty when the program gave none.
    pub(crate) id: Box<str>,
    pub(crate) target: Box<str>,
}

/// What few cells have besides their [`super::cell::Style`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Extra {
    pub(crate) underline_color: Color,
    pub(crate) link: Option<Arc<Link>>,
}

/// Both tables. Number 0 of the extras is the one without anything.
#[derive(Debug)]
pub(crate) struct Extras {
    extras: Table<Extra>,
    clusters: Table<Box<str>>,
    max_bytes: usize,
    /// How many were refused since the last collection.
    refused: u32,
    /// How many have to be refused before the next one, so that full tables are not looked through for each.
    patience: u32,
}

/// See [`Extras::patience`], when a collection has made no room.
const PATIENCE: u32 = 10_000;

impl Extras {
    /// Makes tables that hold at most about `max_bytes` together.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let mut extras = Table::new(usize::from(u16::MAX));
        extras.insert(Extra::default(), 0);
        Self { extras, clusters: Table::new(1 << 20), max_bytes, refused: 0, patience: 0 }
    }

    /// Bytes of memory behind this.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.extras.memory_bytes() + self.clusters.memory_bytes()
    }

    /// Tells whether the tables have grown so much that they should be collected.
    pub(crate) fn wants_collection(&self) -> bool {
        self.extras.wants_collection()
            || self.clusters.wants_collection()
            || self.is_full() && self.refused >= self.patience
    }

    /// Tells whether nothing more is taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.memory_bytes() > self.max_bytes
    }

    pub(crate) fn extra(&self, number: u16) -> &Extra {
        self.extras.get(u32::from(number)).expect("number 0 is never forgotten")
    }

    pub(crate) fn cluster(&self, number: u32) -> &str {
        self.clusters.get(number).map_or("\u{fffd}", |text| text)
    }

    /// Returns the number of an extra. When there is no room, its link and then its color are left out.
    pub(crate) fn extra_number(&mut self, extra: Extra) -> u16 {
        if let Some(number) = self.extras.find(&extra) {
            return number as u16;
        }
        if self.is_full() {
            self.refused = self.refused.saturating_add(1);
            return 0;
        }
        let bytes = extra.link.as_ref().map_or(0, |link| {
            allocated(link.id.len())
                + allocated(link.target.len())
                + allocated(size_of::<Link>() + 16)
        });
        self.extras.insert(extra, bytes).unwrap_or(0) as u16
    }

    /// Returns the number of a text with one more mark, or `None` when there is no room.
    pub(crate) fn cluster_number(&mut self, base: &str, mark: char) -> Option<u32> {
        let mut text = String::with_capacity(base.len() + mark.len_utf8());
        text.push_str(base);
        text.push(mark);
        self.text_number(text)
    }

    /// Returns the number of a text of several characters.
    pub(crate) fn text_number(&mut self, text: String) -> Option<u32> {
        let text = text.into_boxed_str();
        if let Some(number) = self.clusters.find(&text) {
            return Some(number);
        }
        if text.len() > MAX_CLUSTER_BYTES {
            return None;
        }
        if self.is_full() {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        // The text is a key of the index as well.
        let bytes = 2 * allocated(text.len());
        self.clusters.insert(text, bytes)
    }

    /// Forgets what is not used.
    pub(crate) fn collect(&mut self, used: &Used) {
        self.extras.retain(|number| number == 0 || used.extras.has(number));
        self.clusters.retain(|number| used.clusters.has(number));
        self.refused = 0;
        self.patience = if self.is_full() { PATIENCE } else { 0 };
    }
}

/// The numbers that are used.
#[derive(Debug, Default)]
pub(crate) struct Used {
    extras: Bits,
    clusters: Bits,
}

impl Used {
    pub(crate) fn extra(&mut self, number: u16) {
        self.extras.set(u32::from(number));
    }

    pub(crate) fn cluster(&mut self, number: u32) {
        self.clusters.set(number);
    }
}

#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, number: u32) {
        let index = number as usize / 64;
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= 1 << (number % 64);
    }

    fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }
}

/// Values by number, each once.
#[derive(Debug)]
struct Table<T> {
    values: Vec<Option<(T, usize)>>,
    free: Vec<u32>,
    index: HashMap<T, u32>,
    /// Bytes behind the values.
    bytes: usize,
    most: usize,
    collect_at: usize,
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn new(most: usize) -> Self {
        Self {
            values: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            bytes: 0,
            most,
            collect_at: FIRST_COLLECTION,
        }
    }

    fn get(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize)?.as_ref().map(|(value, _)| value)
    }

    fn find(&self, value: &T) -> Option<u32> {
        self.index.get(value).copied()
    }

    fn insert(&mut self, value: T, bytes: usize) -> Option<u32> {
        if self.index.len() == self.most {
            return None;
        }
        self.index
            .insert(value.clone(), self.free.last().copied().unwrap_or(self.values.len() as u32));
        self.bytes += bytes;
        match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = Some((value, bytes));
                Some(number)
            }
            None => {
                self.values.push(Some((value, bytes)));
                Some(self.values.len() as u32 - 1)
            }
        }
    }

    fn wants_collection(&self) -> bool {
        self.index.len() >= self.collect_at
    }

    fn retain(&mut self, is_used: impl Fn(u32) -> bool) {
        for (slot, number) in self.values.iter_mut().zip(0..) {
            if slot.is_some() && !is_used(number) {
                if let Some((value, bytes)) = slot.take() {
                    self.index.remove(&value);
                    self.bytes -= bytes;
                }
                self.free.push(number);
            }
        }
        while self.values.last().is_some_and(Option::is_none) {
            self.values.pop();
        }
        let length = self.values.len();
        self.free.retain(|number| (*number as usize) < length);
        self.values.shrink_to(2 * length);
        self.free.shrink_to(2 * self.free.len());
        self.index.shrink_to(2 * self.index.len());
        // Half as much again and a little more: no look through everything is wasted on a few.
        self.collect_at = FIRST_COLLECTION + self.index.len() + self.index.len() / 2;
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
            + self.values.capacity() * size_of::<Option<(T, usize)>>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.capacity() * (size_of::<(T, u32)>() + 1) * 8 / 7
    }
}

/// Bytes that an allocation takes, with what the allocator adds.
pub(crate) const fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8 + 15) & !15 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(target: &str) -> Extra {
        let link = Link { id: "".into(), target: target.into() };
        Extra { underline_color: Color::DEFAULT, link: Some(Arc::new(link)) }
    }

    #[test]
    fn equal_values_have_one_number() {
        let mut extras = Extras::new(1 << 20);
        assert_eq!(extras.extra_number(Extra::default()), 0);
        let first = extras.extra_number(link("a"));
        assert_eq!(extras.extra_number(link("a")), first);
        assert_ne!(extras.extra_number(link("b")), first);
        let cluster = extras.cluster_number("e", '\u{301}').unwrap();
        assert_eq!(extras.cluster(cluster), "e\u{301}");
    }

    #[test]
    fn unused_values_are_forgotten_and_their_numbers_used_again() {
        let mut extras = Extras::new(1 << 20);
        let (a, b) = (extras.extra_number(link("a")), extras.extra_number(link("b")));
        let mut used = Used::default();
        used.extra(b);
        extras.collect(&used);
        assert_eq!(extras.extra(b), &link("b"));
        assert_eq!(extras.extra_number(link("c")), a);
        assert_eq!(extras.extra(0), &Extra::default());
    }

    #[test]
    fn the_tables_stay_within_their_bound() {
        let mut extras = Extras::new(100_000);
        for number in 0..100_000 {
            extras.extra_number(link(&format!("https://example.org/{number}")));
            extras.cluster_number(&format!("{number}"), '\u{301}');
        }
        assert!(extras.is_full() && extras.wants_collection());
        assert!(extras.memory_bytes() < 400_000, "{}", extras.memory_bytes());
        extras.collect(&Used::default());
        assert!(!extras.is_full());
    }

    #[test]
    fn a_character_takes_no_endless_marks() {
        let mut extras = Extras::new(1 << 20);
        let long = "e".to_owned() + &"\u{301}".repeat(31);
        assert!(extras.cluster_number(&long, '\u{301}').is_none());
    }
}
