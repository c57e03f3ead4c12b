//! Weights in large pages.
//!
//! A pass for one token reads all weights once, so that with pages of 4 KiB the processor looks an address up for each
//! 4 KiB of them. Where the system gives large pages only on request, as Debian's does, ONNX Runtime has none: it takes
//! its memory from `malloc`. That can be told to ask for them (`glibc.malloc.hugetlb`), and then a model takes a third
//! more memory, since what is freed and what is rounded up stays. So what is there once a model is loaded is moved into
//! large pages ([`collapse`]): no more memory, a moment more of loading.
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Smaller pieces of memory are not looked at, in bytes.
const LEAST: usize = 4 << 20;
/// Loading is not held up for longer: memory that is in pieces has to be put together first.
const LONGEST: Duration = Duration::from_secs(2);

/// Moves this process's memory into large pages, as far as there are some. Needs Linux 6.1.
pub(crate) fn collapse() {
    let read = |path| std::fs::read_to_string(path).ok();
    let maps = read("/proc/self/maps").unwrap_or_default();
    let large = read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
        .and_then(|bytes| bytes.trim().parse::<usize>().ok())
        .filter(|bytes| bytes.is_power_of_two() && *bytes <= LEAST);
    let Some(large) = large else { return };
    // SAFETY: a plain question.
    let small = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let small = usize::try_from(small).unwrap_or(4096).max(1);
    let mut there = vec![0_u8; large.div_ceil(small)];
    let blocks = own(&maps).flat_map(|range| {
        let first = range.start.next_multiple_of(large);
        (first..range.end.saturating_sub(large - 1)).step_by(large)
    });
    let begun = Instant::now();
    let mut moved = 0;
    for start in blocks {
        let at = std::ptr::without_provenance_mut(start);
        // SAFETY: it writes a byte for each small page of `large` bytes, for which `there` has room. That there is
        // nothing at that address any more is an error.
        let known = unsafe { libc::mincore(at, large, there.as_mut_ptr()) } == 0;
        let resident = there.iter().filter(|page| **page & 1 == 1).count();
        // What is missing would be there then, as zeros.
        if !known || resident < there.len() / 16 * 15 {
            continue;
        }
        // SAFETY: by this advice another page holds the memory, with the same content for whoever uses it
        // meanwhile. That it is gone by now is an error.
        if unsafe { libc::madvise(at, large, libc::MADV_COLLAPSE) } == 0 {
            moved += large;
        } else {
            let error = io::Error::last_os_error();
            // Others are about this page, as one that is locked.
            let over = [libc::ENOMEM, libc::EBUSY, libc::EPERM].map(Some);
            if over.contains(&error.raw_os_error()) {
                tracing::debug!("no more large pages: {error}");
                break;
            }
        }
        if begun.elapsed() > LONGEST {
            break;
        }
    }
    tracing::debug!(
        "{} MiB in large pages after {:?}",
        moved >> 20,
        begun.elapsed()
    );
}

/// The addresses of memory in `/proc/self/maps` that is no file's and nobody else's.
fn own(maps: &str) -> impl Iterator<Item = Range<usize>> {
    maps.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ([addresses, "rw-p", _, _, "0"] | [addresses, "rw-p", _, _, "0", "[heap]"]) =
            words.as_slice()
        else {
            return None;
        };
        let (start, end) = addresses.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let range = address(start)?..address(end)?;
        (range.end.saturating_sub(range.start) >= LEAST).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_keeps_its_content_and_what_is_not_there_stays_away() {
        let content = |at: u32| (at >> 12) as u8;
        let bytes: Vec<u8> = (0..32_u32 << 20).map(content).collect();
        // Memory that nobody wrote to is not there yet.
        let untouched: Vec<u8> = vec![0; 64 << 20];
        collapse();
        assert!((0..32_u32 << 20).all(|at| bytes[at as usize] == content(at)));
        let first = untouched.as_ptr().addr().next_multiple_of(2 << 20);
        let at = std::ptr::without_provenance_mut(first);
        let mut there = vec![0_u8; (32 << 20) / 4096];
        // SAFETY: it writes a byte for each page, of 4 KiB at least, for which there is room.
        let told = unsafe { libc::mincore(at, 32 << 20, there.as_mut_ptr()) };
        assert_eq!(told, 0);
        assert!(there.iter().all(|page| page & 1 == 0));
    }

    #[test]
    fn memory_of_files_and_of_others_is_left() {
        let of = |line: &str| own(line).collect::<Vec<_>>();
        let whole = 0x7f00_0000_0000..0x7f00_0080_0000;
        assert_eq!(
            of("7f0000000000-7f0000800000 rw-p 00000000 00:00 0 "),
            [whole.clone()]
        );
        assert_eq!(
            of("7f0000000000-7f0000800000 rw-p 00000000 00:00 0      [heap]"),
            [whole]
        );
        for line in [
            "7f0000000000-7f0000800000 r--p 00000000 08:01 77 /models/weights",
            "7f0000000000-7f0000800000 rw-p 00000000 08:01 77 /models/weights",
            "7f0000000000-7f0000800000 rw-s 00000000 00:01 9 /memfd:x (deleted)",
            "7f0000000000-7f0000800000 rw-p 00000000 00:00 0 [stack]",
            "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 ",
            "7f0000800000-7f0000000000 rw-p 00000000 00:00 0 ",
            "nonsense- rw-p 0 0 0",
            "",
        ] {
            assert!(of(line).is_empty(), "{line}");
        }
    }
}
