//! A section of a configuration file that belongs to this program: how it is found, replaced and
//! removed among lines that are not its business; not how the file is written. Pure.

/// What comes behind a section that was not at the end: it is for every host again.
const END_OF_BLOCK: &str = "# What follows is for every host again.\nHost *\n";

/// The lines around the section of a name.
fn marks(name: &str) -> [String; 2] {
    ["begin", "end"].map(|word| format!("# agentctl ssh-config {word} {name}"))
}

/// A file with this text as the section of a name, or without any. All other bytes stay.
///
/// A new section comes first, where no other block can take its options away: of an option that
/// occurs several times `ssh` takes the first.
///
/// # Errors
///
/// A sentence when the lines around the section are not there once each, in their order.
pub(super) fn replace(file: &[u8], name: &str, text: Option<&str>) -> Result<Vec<u8>, String> {
    let [begin, end] = marks(name);
    let section = text.map(|text| {
        format!("{begin}\n# Made by agentctl: changes here are lost.\n{text}{END_OF_BLOCK}{end}\n")
    });
    let section = section.unwrap_or_default();
    let (before, after): (&[u8], _) = match find(file, &begin, &end)? {
        Some((from, to)) => (&file[..from], without_blank(&file[to..], text.is_none())),
        None if file.is_empty() || section.is_empty() => (&[], file.to_vec()),
        None => (&[], [b"\n", file].concat()),
    };
    Ok([before, section.as_bytes(), &after].concat())
}

/// The rest of a file, on request without an empty line at its beginning.
fn without_blank(rest: &[u8], drops: bool) -> Vec<u8> {
    rest.strip_prefix(b"\n").filter(|_| drops).unwrap_or(rest).to_vec()
}

/// Where the section begins, and where what follows it does.
fn find(file: &[u8], begin: &str, end: &str) -> Result<Option<(usize, usize)>, String> {
    let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        if text == begin.as_bytes() {
            begins.push(at);
        }
        at += line.len();
        if text == end.as_bytes() {
            ends.push(at);
        }
    }
    match (&begins[..], &ends[..]) {
        ([], []) => Ok(None),
        ([from], [to]) if from < to => Ok(Some((*from, *to))),
        _ => Err(format!("the lines `{begin}` and `{end}` are not there once each, in this order")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(file: &str, text: Option<&str>, expected: &str) {
        let replaced = replace(file.as_bytes(), "a", text).unwrap();
        assert_eq!(String::from_utf8(replaced).unwrap(), expected);
    }

    fn section(text: &str) -> String {
        format!(
            "# agentctl ssh-config begin a\n# Made by agentctl: changes here are lost.\n{text}\
             # What follows is for every host again.\nHost *\n# agentctl ssh-config end a\n"
        )
    }

    #[test]
    fn a_section_comes_first_and_is_replaced_where_it_is() {
        let (one, two) = (section("Host a\n"), section("Host b\n"));
        check("", Some("Host a\n"), &one);
        check("Port 7\n", Some("Host a\n"), &format!("{one}\nPort 7\n"));
        check(&format!("x\n{one}y"), Some("Host b\n"), &format!("x\n{two}y"));
        check(&one.replace('\n', "\r\n"), Some("Host b\n"), &two);
        check(&format!("{one}\nPort 7\n"), None, "Port 7\n");
        check("Port 7", None, "Port 7");
        let other = one.replace(" a\n", " ab\n");
        check(&other, Some("Host b\n"), &format!("{two}\n{other}"));
    }

    #[test]
    fn lines_that_do_not_fit_together_are_left_alone() {
        let one = section("");
        let end = one.lines().last().unwrap();
        for file in [&one.replace(end, ""), &format!("{one}{one}"), &format!("{end}\n{one}")] {
            assert!(replace(file.as_bytes(), "a", None).is_err(), "{file}");
        }
    }

    proptest! {
        #[test]
        fn every_other_byte_stays(file: Vec<u8>) {
            let with = replace(&file, "a", Some("Host a\n")).unwrap();
            prop_assert_eq!(&replace(&with, "a", Some("Host a\n")).unwrap(), &with);
            prop_assert_eq!(replace(&with, "a", None).unwrap(), file);
        }
    }
}
