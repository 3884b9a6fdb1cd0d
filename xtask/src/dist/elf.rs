//! Just enough of ELF to tell what a program needs at run time. It is no linker and reads no symbols.
//!
//! Source of offsets and numbers: elf(5), 64-bit little-endian layout.

use anyhow::{Context as _, Result, ensure};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

/// One program header, reduced to where its bytes are.
#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// Returns the interpreter and the shared libraries that a program needs; none for a static one.
///
/// A static position-independent program has a dynamic section too, for its own relocations, but no
/// interpreter and no library in it.
///
/// # Errors
///
/// The bytes are not a 64-bit little-endian ELF file, or are cut.
pub(super) fn needs(file: &[u8]) -> Result<Vec<String>> {
    ensure!(file.starts_with(b"\x7fELF\x02\x01"), "not a 64-bit little-endian ELF file");
    let segments = segments(file)?;
    let mut needs = Vec::new();
    for segment in &segments {
        match segment.kind {
            PT_INTERP => needs.push(text(file, segment.offset)?),
            PT_DYNAMIC => needs.extend(libraries(file, segment, &segments)?),
            _ => {}
        }
    }
    Ok(needs)
}

fn segments(file: &[u8]) -> Result<Vec<Segment>> {
    let start = u64_at(file, 0x20)?;
    let (size, number) = (u64::from(u16_at(file, 0x36)?), u64::from(u16_at(file, 0x38)?));
    (0..number)
        .map(|index| {
            let at = start.saturating_add(index * size);
            Ok(Segment {
                kind: u32_at(file, at)?,
                offset: u64_at(file, at + 0x08)?,
                address: u64_at(file, at + 0x10)?,
                size: u64_at(file, at + 0x20)?,
            })
        })
        .collect()
}

fn libraries(file: &[u8], dynamic: &Segment, segments: &[Segment]) -> Result<Vec<String>> {
    let entries = (0..dynamic.size / 16)
        .map(|index| {
            let at = dynamic.offset.saturating_add(index * 16);
            Ok((u64_at(file, at)?, u64_at(file, at + 8)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<u64> =
        entries.iter().filter(|(tag, _)| *tag == DT_NEEDED).map(|(_, value)| *value).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (_, table) =
        entries.iter().find(|(tag, _)| *tag == DT_STRTAB).context("no string table")?;
    // The table is given by its address in memory; a loaded segment says where that is in the file.
    let table = segments
        .iter()
        .find(|one| {
            one.kind == PT_LOAD
                && (one.address..one.address.saturating_add(one.size)).contains(table)
        })
        .map(|one| table - one.address + one.offset)
        .context("the string table is in no segment")?;
    names.iter().map(|name| text(file, table.saturating_add(*name))).collect()
}

fn bytes_at<const N: usize>(file: &[u8], at: u64) -> Result<[u8; N]> {
    let start = usize::try_from(at)?;
    let bytes =
        start.checked_add(N).and_then(|end| file.get(start..end)).context("the file is cut")?;
    Ok(bytes.try_into().expect("the slice has N bytes"))
}

fn u16_at(file: &[u8], at: u64) -> Result<u16> {
    Ok(u16::from_le_bytes(bytes_at(file, at)?))
}

fn u32_at(file: &[u8], at: u64) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes_at(file, at)?))
}

fn u64_at(file: &[u8], at: u64) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes_at(file, at)?))
}

/// Returns the text that starts there and ends at a zero byte.
fn text(file: &[u8], at: u64) -> Result<String> {
    let rest = file.get(usize::try_from(at)?..).context("the file is cut")?;
    let end = rest.iter().position(|byte| *byte == 0).context("the file is cut")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a file of one loaded segment over everything, the given segments, and two texts at 0x200.
    fn file(segments: &[(u32, u64, u64)], dynamic: &[(u64, u64)]) -> Vec<u8> {
        let mut file = vec![0; 0x300];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20..0x28].copy_from_slice(&0x40u64.to_le_bytes());
        file[0x36..0x38].copy_from_slice(&56u16.to_le_bytes());
        let all: Vec<_> = [(PT_LOAD, 0, 0x300)].iter().chain(segments).copied().collect();
        file[0x38..0x3a].copy_from_slice(&u16::try_from(all.len()).unwrap().to_le_bytes());
        for (index, (kind, offset, size)) in all.into_iter().enumerate() {
            let at = 0x40 + index * 56;
            file[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            file[at + 8..at + 16].copy_from_slice(&offset.to_le_bytes());
            file[at + 16..at + 24].copy_from_slice(&(0x40_0000 + offset).to_le_bytes());
            file[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
        }
        for (index, (tag, value)) in dynamic.iter().enumerate() {
            let at = 0x180 + index * 16;
            file[at..at + 8].copy_from_slice(&tag.to_le_bytes());
            file[at + 8..at + 16].copy_from_slice(&value.to_le_bytes());
        }
        file[0x200..0x21a].copy_from_slice(b"/lib/ld.so\0libc.so.6\0rest\0");
        file
    }

    #[test]
    fn a_dynamic_program_needs_its_interpreter_and_libraries() {
        let dynamic = [(DT_NEEDED, 11), (DT_STRTAB, 0x40_0200), (0, 0)];
        let program = file(&[(PT_INTERP, 0x200, 11), (PT_DYNAMIC, 0x180, 48)], &dynamic);
        assert_eq!(needs(&program).unwrap(), ["/lib/ld.so", "libc.so.6"]);
    }

    #[test]
    fn a_static_program_needs_nothing() {
        assert_eq!(needs(&file(&[], &[])).unwrap(), [""; 0]);
        let relocations_only = file(&[(PT_DYNAMIC, 0x180, 32)], &[(DT_STRTAB, 0x40_0200), (0, 0)]);
        assert_eq!(needs(&relocations_only).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_whole_program_is_refused() {
        assert!(needs(b"#!/bin/sh\n").is_err());
        let program = file(&[(PT_INTERP, 0x200, 11)], &[]);
        assert!(needs(&program[..0x60]).is_err());
        assert!(needs(&program[..0x205]).is_err());
    }

    #[test]
    fn this_test_program_is_a_whole_program() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs(&own).unwrap();
        assert!(needs.is_empty() || needs.iter().any(|name| name.contains("libc")), "{needs:?}");
    }
}
